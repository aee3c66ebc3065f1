"""What the fit says of plans and checkpoints, in the shapes that are published."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modelscan_catalog.fit.matrix_terms import FitVariant
from modelscan_catalog.fit.plan import ServingPlan
from modelscan_catalog.fit.requirements import memory_requirement
from modelscan_catalog.manifests.lint import ManifestKind
from modelscan_catalog.manifests.plan_input import LaunchPlan
from modelscan_catalog.merge.registry_view import ViewInference, ViewRequirements
from modelscan_catalog.records import ReferencePlan


def plan_record(
    found: ServingPlan, plan: LaunchPlan, manifests: Sequence[str], refused: Mapping[ManifestKind, str]
) -> ReferencePlan:
    """``found`` and the launch ``plan`` made of it, with the paths of its documents; GiB to three places."""
    chosen = found.chosen
    assert chosen is not None
    assert chosen.context is not None
    speed = chosen.decode_tok_s
    return ReferencePlan(
        id=f"{plan.model_id}@{plan.gpu_profile_id}:{plan.gpu_count}",
        model=plan.model_id,
        variant=plan.variant_id,
        gpu=plan.gpu_profile_id,
        gpu_count=plan.gpu_count,
        engine=plan.engine,
        engine_version=plan.engine_version,
        tensor_parallel=plan.tensor_parallel,
        pipeline_parallel=plan.pipeline_parallel,
        context=chosen.context,
        kv_cache_dtype=chosen.kv_cache_dtype,
        gpu_memory_utilization=chosen.utilization,
        verdict="fits" if chosen.verdict == "fits" else "tight",
        expected_memory_gib=_rounded(chosen.required_gib),
        headroom_gib=_rounded(chosen.headroom_gib),
        max_concurrency=_rounded(chosen.max_concurrency),
        decode_tok_s_low=_rounded(speed.low) if speed else None,
        decode_tok_s_high=_rounded(speed.high) if speed else None,
        reasons=found.reasons,
        manifests=tuple(manifests),
        refused={str(kind): reason for kind, reason in refused.items()},
    )


def view_requirements(variant: FitVariant) -> ViewRequirements:
    """Memory requirements of a checkpoint for the registry view, GiB to one place; null where unknown."""
    needed = memory_requirement(variant)
    if needed is None:
        return ViewRequirements()
    return ViewRequirements(
        min_vram_gb=round(needed.least_gib, 1), recommended_vram_gb=round(needed.comfortable_gib, 1)
    )


@dataclass(frozen=True)
class PlannedDeployment:
    """What the router lists of a reference plan: a local target that nobody has started yet."""

    model_id: str
    engine: str
    served_model_name: str
    max_model_len: int | None


def planned_deployment(plan: ReferencePlan) -> PlannedDeployment:
    """``plan`` as a local target of the router, under the name that its manifests serve."""
    return PlannedDeployment(plan.model, plan.engine, plan.model.partition("/")[2], plan.context)


def view_inference(plan: ReferencePlan) -> ViewInference:
    """Launch defaults of the registry view: those of the model's reference plan."""
    return ViewInference(
        max_model_len=plan.context,
        dtype="auto",
        gpu_memory_utilization=plan.gpu_memory_utilization,
        tensor_parallel_size=plan.tensor_parallel,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
