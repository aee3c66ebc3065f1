"""The catalogue's variants as fit inputs, with the configurations that the hubs gave of them."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from modelscan_catalog.fit.checkpoints import (
    CheckpointFacts,
    StoredConfig,
    fit_variant,
    shape_of,
    well_known_config,
)
from modelscan_catalog.fit.matrix_terms import FitVariant
from modelscan_catalog.records import Variant
from modelscan_catalog.sources.staged import HuggingFaceRepo, ModelScopeRepo


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
    Last comes what the fit's own data knows of a repository of that name.
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
            shapes = {json.dumps(shape_of(found[one].config), sort_keys=True): one for one in siblings}
            if len(shapes) == 1:
                sibling = siblings[0]
                found[variant.id] = StoredConfig(shape_of(found[sibling].config), borrowed_from=sibling)
        if variant.id not in found and (known := well_known_config(variant.repo)):
            found[variant.id] = known
    return found


def fit_variants(
    variants: Iterable[Variant], configs: Mapping[str, StoredConfig]
) -> tuple[list[FitVariant], list[UnreadConfig]]:
    """Fit inputs of ``variants`` in their order, and which of them are bounded by weights alone and why."""
    inputs, unread = [], []
    for variant in variants:
        quantization = variant.quantization
        facts = CheckpointFacts(
            id=variant.id,
            model=variant.model,
            repo=variant.repo,
            scheme=quantization.scheme if quantization else None,
            method=quantization.method if quantization else None,
            weights_bytes=variant.weights_bytes,
            parameters=variant.parameters,
            context=variant.context,
        )
        found, reason = fit_variant(facts, configs.get(variant.id))
        inputs.append(found)
        if reason:
            unread.append(UnreadConfig(variant.id, reason))
    return inputs, unread
