"""Launch recipes as a GPUStack catalogue file (``--model-catalog-file``), one for each hub."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from modelscan_catalog.records import Deployment
from modelscan_catalog.sources.staged import GpustackDraftModel, GpustackSet, GpustackSpec

Catalogue = Literal["huggingface", "modelscope"]
_SOURCE = {"huggingface": "huggingface", "modelscope": "model_scope"}
_REPO_FIELD = {"huggingface": "huggingface_repo_id", "modelscope": "model_scope_model_id"}
_WHOLE_DATE = 10
"""Characters of a date with its day, which that shape requires."""


def gpustack_catalogue(
    catalogue: Catalogue,
    deployments: Iterable[Deployment],
    sets: Iterable[GpustackSet],
    specs: Iterable[GpustackSpec],
    drafts: Iterable[GpustackDraftModel],
) -> dict[str, Any]:
    """The catalogue file of one hub: ``draft_models`` and ``model_sets`` in their own order.

    Recipes are the published deployments; ``specs`` give the hub's id of their weights. A recipe without a
    known repository and a set without recipes are left out.
    """
    repos = {(spec.set_name, spec.position): spec.repo for spec in specs if spec.catalogue == catalogue}
    recipes: dict[str, list[Deployment]] = {}
    for deployment in deployments:
        if deployment.catalogue == catalogue and (deployment.set_name, deployment.position) in repos:
            recipes.setdefault(deployment.set_name, []).append(deployment)
    ordered = sorted((one for one in sets if one.catalogue == catalogue), key=lambda one: one.position)
    return {
        "draft_models": [
            {"name": draft.name, "algorithm": draft.algorithm, **_weights(catalogue, draft.repo)}
            for draft in drafts
            if draft.catalogue == catalogue
        ],
        "model_sets": [
            _set(one, catalogue, recipes[one.name], repos) for one in ordered if one.name in recipes
        ],
    }


def _weights(catalogue: str, repo: str) -> dict[str, str]:
    return {"source": _SOURCE[catalogue], _REPO_FIELD[catalogue]: repo}


def _set(
    one: GpustackSet,
    catalogue: str,
    recipes: list[Deployment],
    repos: Mapping[tuple[str, int], str],
) -> dict[str, Any]:
    row = {
        "name": one.name,
        "home": one.home,
        "size": one.size,
        "activated_size": one.activated_size,
        "size_unit": one.size_unit if one.size_unit != "B" else None,
        "categories": list(one.categories),
        "capabilities": list(one.capabilities),
        "licenses": list(one.licenses),
        "release_date": one.release_date
        if one.release_date and len(one.release_date) == _WHOLE_DATE
        else None,
    }
    kept = {name: value for name, value in row.items() if value not in (None, [])}
    ordered = sorted(recipes, key=lambda recipe: recipe.position)
    specs = [_spec(recipe, catalogue, repos[recipe.set_name, recipe.position]) for recipe in ordered]
    return kept | {"specs": specs}


def _spec(recipe: Deployment, catalogue: str, repo: str) -> dict[str, Any]:
    filters: dict[str, Any] = {}
    if recipe.gpu_filter is not None:
        vendors = list(recipe.gpu_filter.vendors)
        filters = {
            "vendor": vendors[0] if len(vendors) == 1 else vendors,
            "compute_capability": recipe.gpu_filter.compute_capability,
            "vendor_variant": recipe.gpu_filter.vendor_variant,
        }
    speculative = {name: _typed(value) for name, value in (recipe.speculative or {}).items()}
    row = {
        "mode": recipe.mode,
        "quantization": recipe.quantization,
        "gpu_filters": {name: value for name, value in filters.items() if value not in (None, [])},
        **_weights(catalogue, repo),
        "categories": list(recipe.categories),
        "backend": recipe.engine,
        "backend_version": recipe.engine_version,
        "backend_parameters": list(recipe.parameters),
        "env": dict(sorted(recipe.env.items())),
        "speculative_config": speculative,
    }
    return {name: value for name, value in row.items() if value not in (None, [], {})}


def _typed(value: str) -> Any:
    """Flags and counts of a speculative configuration, which a recipe holds as text."""
    if value in ("true", "false"):
        return value == "true"
    return int(value) if value.isdecimal() else value
