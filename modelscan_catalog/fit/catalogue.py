"""The catalogue's variants as fit inputs: architecture and weight scheme, read from stored configurations."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from modelscan_catalog.errors import FitInputError
from modelscan_catalog.fit.architecture import Architecture, Unsupported
from modelscan_catalog.fit.architecture_parse import parse_architecture
from modelscan_catalog.fit.matrix_terms import FitVariant
from modelscan_catalog.fit.quantization import Scheme, scheme_of
from modelscan_catalog.records import Variant
from modelscan_catalog.sources.staged import HuggingFaceRepo, ModelScopeRepo


@dataclass(frozen=True)
class StoredConfig:
    """The facts of a repository's ``config.json`` and, where it has one, ``hf_quant_config.json``."""

    config: Mapping[str, Any]
    quant_config: Mapping[str, Any] | None = None
    borrowed_from: str | None = None
    """The variant of the same model whose configuration stands in for a missing one."""


@dataclass(frozen=True)
class UnreadConfig:
    """A variant whose configuration gives no architecture, and why."""

    variant: str
    reason: str


def stored_configs(
    variants: Iterable[Variant],
    huggingface: Iterable[HuggingFaceRepo],
    modelscope: Iterable[ModelScopeRepo],
) -> dict[str, StoredConfig]:
    """Configurations by variant id: its own, its ModelScope twin's, or a sibling's.

    Quantizing a model changes how its tensors are stored, not its layers: a variant without a configuration
    borrows the shape of one of the same model, never its quantization. Where siblings disagree none is taken.
    """
    of_repo = {twin.id: StoredConfig(json.loads(twin.config_json)) for twin in modelscope if twin.config_json}
    for repo in huggingface:
        if repo.config_json:
            quant = json.loads(repo.quant_config_json) if repo.quant_config_json else None
            of_repo[repo.id] = StoredConfig(json.loads(repo.config_json), quant)
    rows = list(variants)
    found: dict[str, StoredConfig] = {}
    by_model: dict[str, list[str]] = {}
    for variant in rows:
        own = of_repo.get(variant.repo) or of_repo.get(variant.modelscope_repo or "")
        if own is not None:
            found[variant.id] = own
            by_model.setdefault(variant.model, []).append(variant.id)
    for variant in rows:
        siblings = by_model.get(variant.model, [])
        if variant.id not in found and siblings:
            shapes = {json.dumps(_shape(found[one].config), sort_keys=True): one for one in siblings}
            if len(shapes) == 1:
                sibling = siblings[0]
                found[variant.id] = StoredConfig(_shape(found[sibling].config), borrowed_from=sibling)
    return found


def _shape(config: Mapping[str, Any]) -> dict[str, Any]:
    """``config`` without what belongs to one checkpoint's storage."""
    kept = {name: value for name, value in config.items() if name not in _STORAGE}
    for name, value in kept.items():
        if isinstance(value, Mapping):
            kept[name] = {key: inner for key, inner in value.items() if key not in _STORAGE}
    return kept


_STORAGE = frozenset(
    {"quantization_config", "compression_config", "torch_dtype", "dtype", "transformers_version", "use_cache"}
)


def fit_variants(
    variants: Iterable[Variant], configs: Mapping[str, StoredConfig]
) -> tuple[list[FitVariant], list[UnreadConfig]]:
    """Fit inputs of ``variants`` in their order, and those that stay a bound from their weights, with reasons.

    A borrowed configuration counts as the variant's architecture only where its weight scheme is known.
    """
    inputs, unread = [], []
    for variant in variants:
        stored = configs.get(variant.id)
        scheme = _scheme(variant, stored)
        architecture, reason = _architecture(stored)
        if scheme is None and not reason:
            architecture, reason = None, "how its weights are stored is not known"
        if reason:
            unread.append(UnreadConfig(variant.id, reason))
        inputs.append(
            FitVariant(
                variant_id=variant.id,
                model_id=variant.model,
                repo=variant.repo,
                architecture=architecture,
                scheme=scheme,
                weights_bytes=variant.weights_bytes,
                parameters=variant.parameters,
                declared_context=variant.context or (architecture.context if architecture else None),
            )
        )
    return inputs, unread


_APPLE_ONLY = "mlx"
"""A runtime's own file format that none of the engines here reads."""


def _architecture(stored: StoredConfig | None) -> tuple[Architecture | None, str]:
    if stored is None:
        return None, "no config.json"
    try:
        parsed = parse_architecture(stored.config, quant_config=stored.quant_config)
    except FitInputError as error:
        return None, str(error)
    if isinstance(parsed, Unsupported):
        return None, str(parsed)
    return (replace(parsed, assumed=True) if stored.borrowed_from else parsed), ""


def _scheme(variant: Variant, stored: StoredConfig | None) -> Scheme | None:
    label = variant.quantization.scheme if variant.quantization else None
    if variant.quantization is not None and variant.quantization.method == _APPLE_ONLY:
        return None
    if label is None and (stored is None or stored.borrowed_from is not None):
        return None
    try:
        return scheme_of(
            stored.config if stored else {},
            label=label,
            quant_config=stored.quant_config if stored else None,
            model=variant.repo,
        )
    except FitInputError:
        return None
