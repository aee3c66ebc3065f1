"""Which features work together: a checkpoint on a card, by engine, recorded version and feature."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from modelscan_catalog.errors import UnknownIdError
from modelscan_catalog.fit.legality import (
    Support,
    engine_support,
    kv_cache_support,
    quantization_support,
    rule_scheme,
)
from modelscan_catalog.fit.profiles import GpuProfile, resolve_gpu
from modelscan_catalog.fit.published import PublishedRegistry
from modelscan_catalog.fit.tables import table
from modelscan_catalog.manifests.engines import ENGINES, Engine, EngineTable, engine_versions, load_engine
from modelscan_catalog.manifests.parsers import parsers_for
from modelscan_catalog.registry.registry import Registry


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """One feature of one engine version; ``support`` is as in ``fit.legality``, ``source`` a table's name."""

    engine: str
    engine_version: str
    feature: str
    support: str
    reason: str
    source: str


@dataclass(frozen=True)
class _Subject:
    """What the features are asked of."""

    profile: GpuProfile
    repos: tuple[str, ...]
    scheme: str | None
    architectures: tuple[str, ...]
    capabilities: Mapping[str, Any]


def feature_matrix(registry: Registry, query: str, gpu: str) -> tuple[str, list[FeatureRow]]:
    """The checkpoint that ``query`` means, and a row an engine, recorded version and feature on ``gpu``.

    ``starts`` and ``weights`` come first: what an engine does not start has no other feature. Each feature is
    judged by itself; what nothing recorded decides is ``unknown``. Raises ``UnknownIdError`` or
    ``AmbiguousIdError`` with candidates.
    """
    profile, _ = resolve_gpu(gpu)
    checkpoint = registry.get_model(query).id
    published = PublishedRegistry(registry.published)
    row = published.variant(checkpoint)
    if row is None:
        raise UnknownIdError(f"{checkpoint}: stands in an overlay only, so nothing is known of its weights")
    model = next(iter(published.rows("models.jsonl", "id", row["model"])), {})
    variant, _ = published.fit_input(row)
    scheme = (row.get("quantization") or {}).get("scheme")
    subject = _Subject(
        profile=profile,
        repos=tuple(dict.fromkeys((row["repo"], *model.get("variants", ())))),
        scheme=rule_scheme(variant.scheme) if variant.scheme is not None else scheme,
        architectures=tuple(row.get("architectures") or model.get("architectures") or ()),
        capabilities=model.get("capabilities") or {},
    )
    rows = [
        FeatureRow(engine, version, feature, found.level, found.reason, found.source)
        for engine in ENGINES
        for version in engine_versions(engine)
        for feature, found in _features(subject, engine, version)
    ]
    return checkpoint, rows


def _features(subject: _Subject, engine: Engine, version: str) -> Iterator[tuple[str, Support]]:
    known = load_engine(engine, version)
    starts = _starts(subject, known)
    yield "starts", starts
    weights = _weights(subject, known)
    yield "weights", weights
    for feature in table("engines/features.json")["features"]:
        if not starts.runs and starts.level == "unsupported":
            yield feature["name"], Support("unsupported", "the engine does not start it here", starts.source)
        else:
            yield feature["name"], _feature(subject, known, feature)


def _starts(subject: _Subject, known: EngineTable) -> Support:
    floor = engine_support(subject.profile, known.engine, known.version)
    if not floor.runs or not known.architectures:
        unlisted = Support("unknown", f"the architectures of {known.engine} are not recorded", "")
        return floor if not floor.runs else unlisted
    source = f"engines/{known.engine}.json"
    if not subject.architectures:
        return Support("unknown", "the checkpoint's architecture is not known", "")
    if any(name in known.architectures for name in subject.architectures):
        return Support(floor.level, floor.reason, source)
    return Support("unsupported", f"{known.version} has no {subject.architectures[0]}", source)


def _weights(subject: _Subject, known: EngineTable) -> Support:
    if subject.scheme is None:
        return Support("unknown", "how the weights are stored is not known", "")
    return quantization_support(subject.scheme, subject.profile, known.engine, known.version)


def _feature(subject: _Subject, known: EngineTable, feature: Mapping[str, Any]) -> Support:
    flag, source = feature["flags"][known.engine], f"engines/{known.engine}.json"
    if flag not in known.options:
        return Support("unsupported", f"{known.version} has no {flag}", source)
    if feature["name"] == "fp8_kv_cache":
        return kv_cache_support("fp8", subject.profile, known.engine, known.version)
    if "parser" in feature:
        return _parsed(subject, known, feature, flag)
    return _by_interface(subject, known, feature, flag)


def _parsed(subject: _Subject, known: EngineTable, feature: Mapping[str, Any], flag: str) -> Support:
    if subject.capabilities.get(feature["capability"]) is False:
        return Support("unsupported", "the model does not do that", "models.jsonl")
    found = getattr(parsers_for(known.engine, known.version, *subject.repos), feature["parser"])
    if found is None:
        return Support("unknown", f"no recipe names a parser for it that {known.version} has", "")
    return Support("native", f"{flag} {found}", "engines/parsers.json")


def _by_interface(subject: _Subject, known: EngineTable, feature: Mapping[str, Any], flag: str) -> Support:
    recorded = table("engines/vllm_models.json")
    if known.engine != "vllm" or known.version != recorded["version"]:
        return Support("unknown", f"{flag}; for which models is not recorded", "")
    rows = [recorded["models"][name] for name in subject.architectures if name in recorded["models"]]
    if not rows or rows[0].get("interfaces") is None:
        return Support("unknown", "the class that serves it is not known", "")
    source, served = "engines/vllm_models.json", rows[0]["class"]
    if feature["interface"] in rows[0]["interfaces"]:
        return Support("native", flag, source)
    return Support("unsupported", f"{served} is not made for it", source)
