"""A checkpoint as a fit input: its architecture and storage, from facts that the catalogue keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from modelscan_catalog.errors import FitInputError
from modelscan_catalog.fit.architecture import Architecture, Unsupported
from modelscan_catalog.fit.architecture_parse import parse_architecture
from modelscan_catalog.fit.known import known_config
from modelscan_catalog.fit.matrix_terms import FitVariant
from modelscan_catalog.fit.quantization import Scheme, scheme_of

APPLE_ONLY = "mlx"
"""Quantization method of a runtime's own file format that none of the engines here reads."""
ASCEND_ONLY = "modelslim"
"""Quantization method of Ascend's own format: eight-bit integers that no engine reads on other cards."""

_STORAGE = frozenset(
    {"quantization_config", "compression_config", "torch_dtype", "dtype", "transformers_version", "use_cache"}
)


@dataclass(frozen=True)
class StoredConfig:
    """The facts of a repository's ``config.json`` and, where it has one, ``hf_quant_config.json``."""

    config: Mapping[str, Any]
    quant_config: Mapping[str, Any] | None = None
    borrowed_from: str | None = None
    """The checkpoint of the same model whose configuration stands in for a missing one."""


@dataclass(frozen=True)
class CheckpointFacts:
    """What the catalogue says of one checkpoint; None is unknown."""

    id: str
    model: str
    repo: str
    scheme: str | None = None
    """Label of its storage."""
    method: str | None = None
    weights_bytes: int | None = None
    parameters: int | None = None
    context: int | None = None


def shape_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """``config`` without what belongs to one checkpoint's storage: what its model's others share."""
    kept = {name: value for name, value in config.items() if name not in _STORAGE}
    for name, value in kept.items():
        if isinstance(value, Mapping):
            kept[name] = {key: inner for key, inner in value.items() if key not in _STORAGE}
    return kept


def well_known_config(repo: str) -> StoredConfig | None:
    """The configuration that the fit's own data has of a repository, or of one that it copies."""
    known = known_config(repo)
    if known is None or not known.exact:
        return None
    if known.name == repo:
        return StoredConfig(known.config)
    return StoredConfig(shape_of(known.config), borrowed_from=known.name)


def fit_variant(facts: CheckpointFacts, stored: StoredConfig | None) -> tuple[FitVariant, str]:
    """The fit input, and why its architecture is not known (empty when it is).

    A borrowed configuration counts as the checkpoint's architecture only where its weight scheme is known.
    """
    scheme = _scheme(facts, stored)
    architecture, reason = _architecture(stored)
    if scheme is None and not reason:
        architecture, reason = None, "how its weights are stored is not known"
        if facts.method == APPLE_ONLY:
            reason = "its weights are stored for MLX, which none of the engines here serves"
    variant = FitVariant(
        variant_id=facts.id,
        model_id=facts.model,
        repo=facts.repo,
        architecture=architecture,
        scheme=scheme,
        weights_bytes=facts.weights_bytes,
        parameters=facts.parameters,
        declared_context=facts.context or (architecture.context if architecture else None),
    )
    return variant, reason


def _architecture(stored: StoredConfig | None) -> tuple[Architecture | None, str]:
    if stored is None:
        return None, "its config.json is not known"
    try:
        parsed = parse_architecture(stored.config, quant_config=stored.quant_config)
    except FitInputError as error:
        return None, str(error)
    if isinstance(parsed, Unsupported):
        return None, parsed.reason
    return (replace(parsed, assumed=True) if stored.borrowed_from else parsed), ""


def _scheme(facts: CheckpointFacts, stored: StoredConfig | None) -> Scheme | None:
    if facts.method == APPLE_ONLY:
        return None
    if facts.scheme is None and (stored is None or stored.borrowed_from is not None):
        return None
    try:
        scheme = scheme_of(
            stored.config if stored else {},
            label=facts.scheme,
            quant_config=stored.quant_config if stored else None,
            model=facts.repo,
        )
    except FitInputError:
        return None
    return replace(scheme, label=ASCEND_ONLY) if facts.method == ASCEND_ONLY else scheme
