"""The catalogue's variants as fit inputs: their architecture and weight scheme, read from stored configurations."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True)
class UnreadConfig:
    """A variant whose configuration gives no architecture, and why."""

    variant: str
    reason: str


def stored_configs(
    huggingface: Iterable[HuggingFaceRepo], modelscope: Iterable[ModelScopeRepo]
) -> dict[str, StoredConfig]:
    """Configurations by repository; where both hubs have one, Hugging Face's."""
    found: dict[str, StoredConfig] = {}
    for twin in modelscope:
        if twin.config_json:
            found[twin.id] = StoredConfig(json.loads(twin.config_json))
    for repo in huggingface:
        if repo.config_json:
            quant = json.loads(repo.quant_config_json) if repo.quant_config_json else None
            found[repo.id] = StoredConfig(json.loads(repo.config_json), quant)
    return found


def fit_variants(
    variants: Iterable[Variant], configs: Mapping[str, StoredConfig]
) -> tuple[list[FitVariant], list[UnreadConfig]]:
    """Fit inputs of ``variants`` in their order, and those that stay a bound from their weights, with reasons."""
    inputs, unread = [], []
    for variant in variants:
        stored = configs.get(variant.repo) or configs.get(variant.modelscope_repo or "")
        architecture, reason = _architecture(stored)
        if reason:
            unread.append(UnreadConfig(variant.id, reason))
        inputs.append(
            FitVariant(
                variant_id=variant.id,
                model_id=variant.model,
                repo=variant.repo,
                architecture=architecture,
                scheme=_scheme(variant, stored),
                weights_bytes=variant.weights_bytes,
                parameters=variant.parameters,
                declared_context=variant.context,
            )
        )
    return inputs, unread


def _architecture(stored: StoredConfig | None) -> tuple[Architecture | None, str]:
    if stored is None:
        return None, "no config.json"
    try:
        parsed = parse_architecture(stored.config, quant_config=stored.quant_config)
    except FitInputError as error:
        return None, str(error)
    if isinstance(parsed, Unsupported):
        return None, str(parsed)
    return parsed, ""


def _scheme(variant: Variant, stored: StoredConfig | None) -> Scheme | None:
    label = variant.quantization.scheme if variant.quantization else None
    if stored is None and label is None:
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
