"""From the planner's choice to what every manifest is made from, and reference choices of machines."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from modelscan_catalog.fit.matrix_terms import FitVariant
from modelscan_catalog.fit.plan import ServingPlan, plan
from modelscan_catalog.fit.profiles import GpuProfile, find_profile
from modelscan_catalog.fit.published import PublishedRegistry
from modelscan_catalog.manifests.engines import Engine, canonical_engine, engine_versions, load_engine
from modelscan_catalog.manifests.options import Checkpoint
from modelscan_catalog.manifests.parsers import parsers_for
from modelscan_catalog.manifests.plan_input import LaunchPlan, WeightSource
from modelscan_catalog.manifests.recipes import reading_flags
from modelscan_catalog.records import Deployment, Model, Variant
from modelscan_catalog.settings import REPOSITORY_ROOT

_LAUNCH = REPOSITORY_ROOT / "registry" / "launch"

# GPUStack's categories for ours; a vision language model is an llm there.
_CATEGORIES = {"vlm": "llm"}


@dataclass(frozen=True)
class Machine:
    """``count`` cards of one profile."""

    profile: GpuProfile
    count: int


def reference_machines() -> list[Machine]:
    """The committed machines, smallest first."""
    rows = json.loads((_LAUNCH / "reference_machines.json").read_text("utf-8"))["machines"]
    return [Machine(find_profile(row["gpu"]), row["count"]) for row in rows]


def representative_machines() -> dict[str, list[Machine]]:
    """The committed representative profiles, each with its counts, fewest cards first."""
    document = json.loads((_LAUNCH / "representative_profiles.json").read_text("utf-8"))
    found = {}
    for row in document["profiles"]:
        profile = find_profile(row["gpu"])
        single = profile.interconnect == "none"
        counts = document["counts"][:1] if single else document["counts"]
        found[profile.id] = [Machine(profile, count) for count in counts]
    return found


def reference_plan(
    variants: Sequence[FitVariant], machines: Iterable[Machine], engine: Engine = "vllm"
) -> ServingPlan | None:
    """The first machine's plan that fits at the declared context with ``engine``; None where none does.

    A machine on which only a shorter context fits is passed over while a larger one may hold all of it; when
    none does, the largest machine's shorter plan is taken.
    """
    shortened = None
    for machine in machines:
        found = plan(variants, machine.profile, machine.count, engine=engine, with_alternatives=False)
        chosen = found.chosen
        if chosen is None or chosen.verdict != "fits" or chosen.context is None:
            continue
        declared = chosen.variant.declared_context
        if declared is not None and chosen.context >= declared:
            return found
        shortened = found
    return shortened


def launch_plan(
    found: ServingPlan,
    profile: GpuProfile,
    model: Model,
    variant: Variant,
    recipes: Iterable[Deployment] = (),
) -> LaunchPlan | None:
    """``found`` as input of the manifests; None where its engine takes no manifest (llama.cpp).

    ``recipes`` are the catalogue's: one of the same checkpoint says how it is to be read, and names parsers
    where the engine's own recipes do not.
    """
    chosen = found.chosen
    if chosen is None or not chosen.starts:
        return None
    engine = canonical_engine(chosen.engine)
    if engine is None:
        return None
    version = chosen.engine_version or engine_versions(engine)[-1]
    parsers = parsers_for(engine, version, variant.repo, *model.variants)
    said = reading_flags(recipes, variant.id, load_engine(engine, version), profile)
    source: WeightSource = "huggingface" if variant.hub == "huggingface" else "model_scope"
    settings = found.settings()
    return LaunchPlan(
        model_id=model.id,
        variant_id=variant.id,
        repo=variant.repo,
        revision=variant.revision,
        source=source,
        engine=engine,
        engine_version=version,
        served_model_name=model.id.partition("/")[2],
        gpu_profile_id=profile.id,
        gpu_vendor=profile.vendor,
        gpu_count=found.count,
        tensor_parallel=settings["tensor_parallel"],
        pipeline_parallel=settings["pipeline_parallel"],
        max_model_len=settings["max_model_len"],
        kv_cache_dtype=settings.get("kv_cache_dtype"),
        gpu_memory_utilization=settings.get("gpu_memory_utilization"),
        tool_parser=parsers.tool or (said.tool_parser if said else None),
        reasoning_parser=parsers.reasoning or (said.reasoning_parser if said else None),
        extra_parameters=said.extra_parameters if said else (),
        env={"HF_TOKEN": "env:HF_TOKEN"} if variant.gated and source == "huggingface" else {},
        categories=(_CATEGORIES.get(model.category or "llm", model.category or "llm"),),
        expected_memory_gib=chosen.required_gib,
    )


def checkpoint_of(published: Path, variant_id: str | None, hub: str | None) -> Checkpoint:
    """``checkpoint_facts`` of a variant by its id in a published registry; none of one that it lacks."""
    row = next(PublishedRegistry(published).rows("variants.jsonl", "id", variant_id or ""), None)
    return Checkpoint() if row is None else checkpoint_facts(Variant.model_validate(row), hub)


def checkpoint_facts(variant: Variant, hub: str | None = None) -> Checkpoint:
    """What the registry knows of ``variant``'s files; of another ``hub``'s copy only what holds anywhere."""
    own = hub in (None, variant.hub)
    return Checkpoint(
        files=(variant.files or None) if own else None,
        weights_bytes=variant.weights_bytes,
        quantization=variant.quantization.scheme if variant.quantization else None,
        license=variant.license,
    )
