"""A published launch recipe's flags, sorted into what a plan decides itself and what it takes over."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from packaging.specifiers import SpecifierSet

from modelscan_catalog.fit.profiles import GpuProfile
from modelscan_catalog.manifests.engines import EngineTable, canonical_engine, flag_name, launch_names
from modelscan_catalog.manifests.findings import errors_of
from modelscan_catalog.manifests.flags import check_flags, read_parameters, resolve_name
from modelscan_catalog.settings import REPOSITORY_ROOT

if TYPE_CHECKING:
    from modelscan_catalog.records import Deployment

_PLANNED = (
    "model",
    "revision",
    "served_model_name",
    "host",
    "port",
    "api_key",
    "context",
    "memory_fraction",
    "batch",
    "tensor_parallel",
    "pipeline_parallel",
    "kv_cache_dtype",
    "auto_tool_choice",
)
"""What a plan computes for its own machine, whatever the recipe's author had."""


@dataclass(frozen=True)
class RecipeFlags:
    """Fields of a ``LaunchPlan`` that a recipe fills; ``dropped`` pairs a flag with why it was left out."""

    tool_parser: str | None
    reasoning_parser: str | None
    quantization: str | None
    trust_remote_code: bool
    extra_parameters: tuple[str, ...]
    dropped: tuple[tuple[str, str], ...]


def recipe_flags(
    table: EngineTable, parameters: Sequence[str], *, vendors: Sequence[str] = ()
) -> RecipeFlags:
    """``parameters`` of a recipe as the engine version of ``table`` takes them.

    Flags that this version does not accept and values that are templates (``{data_dir}``) are dropped;
    ``vendors`` are the accelerators that the recipe is for.
    """
    concepts = {
        names[table.engine]: concept
        for concept, names in launch_names()["flags"].items()
        if table.engine in names
    }
    taken: dict[str, str] = {}
    extra: list[str] = []
    dropped: list[tuple[str, str]] = []
    for parameter in read_parameters(parameters)[0]:
        written = parameter.name if parameter.value is None else f"{parameter.name}={parameter.value}"
        concept = concepts.get(resolve_name(table, parameter.name)[0] or "")
        faults = errors_of(check_flags(table, [written], vendors=vendors))
        if concept in _PLANNED:
            dropped.append((parameter.name, "the plan decides it"))
        elif faults:
            dropped.append((parameter.name, faults[0].message))
        elif "{data_dir}" in written:
            dropped.append((parameter.name, "it names a file of the deployer"))
        elif concept in ("tool_parser", "reasoning_parser", "quantization", "trust_remote_code"):
            taken[concept] = parameter.value or ""
        else:
            extra.append(written)
    return RecipeFlags(
        tool_parser=taken.get("tool_parser"),
        reasoning_parser=taken.get("reasoning_parser"),
        quantization=taken.get("quantization"),
        trust_remote_code="trust_remote_code" in taken,
        extra_parameters=tuple(extra),
        dropped=tuple(dropped),
    )


def reading_flags(
    recipes: Iterable[Deployment], variant_id: str, table: EngineTable, profile: GpuProfile
) -> RecipeFlags | None:
    """What the first recipe of ``variant_id`` for this engine and card says of how the checkpoint is read.

    None where there is no such recipe. Of its flags only those in ``registry/launch/recipe_flags.json`` are
    taken over, with its parsers.
    """
    own = [one for one in recipes if one.variant == variant_id and one.mode == "standard"]
    for recipe in sorted(own, key=lambda one: (one.catalogue, one.position, one.id)):
        if canonical_engine(recipe.engine) == table.engine and _is_for(recipe, profile):
            flags = recipe_flags(table, recipe.parameters, vendors=(profile.vendor,))
            taken = _reading()[table.engine]
            names = ((p.partition("=")[0], p) for p in flags.extra_parameters)
            kept = tuple(p for name, p in names if resolve_name(table, name)[0] in taken)
            return replace(flags, quantization=None, trust_remote_code=False, extra_parameters=kept)
    return None


def _is_for(recipe: Deployment, profile: GpuProfile) -> bool:
    wanted = recipe.gpu_filter
    if wanted is None:
        return True
    if wanted.vendor_variant or (wanted.vendors and profile.vendor not in wanted.vendors):
        return False
    if wanted.compute_capability is None:
        return True
    own = profile.compute_capability
    return own is not None and SpecifierSet(wanted.compute_capability).contains(own)


@cache
def _reading() -> Any:
    return json.loads((REPOSITORY_ROOT / "registry" / "launch" / "recipe_flags.json").read_text("utf-8"))


def planned_flags(table: EngineTable) -> frozenset[str]:
    """Names of the flags that a plan's own fields become; its extra parameters may not repeat them."""
    concepts = (*_PLANNED, "tool_parser", "reasoning_parser", "quantization", "trust_remote_code")
    known = launch_names()["flags"]
    return frozenset(flag_name(table.engine, c) for c in concepts if table.engine in known[c])
