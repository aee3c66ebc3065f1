"""A published launch recipe's flags, sorted into what a plan decides itself and what it takes over."""

from collections.abc import Sequence
from dataclasses import dataclass

from modelscan_catalog.manifests.engines import EngineTable, flag_name, launch_names
from modelscan_catalog.manifests.findings import errors_of
from modelscan_catalog.manifests.flags import check_flags, read_parameters, resolve_name

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


def planned_flags(table: EngineTable) -> frozenset[str]:
    """Names of the flags that a plan's own fields become; its extra parameters may not repeat them."""
    concepts = (*_PLANNED, "tool_parser", "reasoning_parser", "quantization", "trust_remote_code")
    known = launch_names()["flags"]
    return frozenset(flag_name(table.engine, c) for c in concepts if table.engine in known[c])
