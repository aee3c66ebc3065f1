"""The planner's choice as a deployment plan: memory, speed, flags, reasons, what was overridden."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from modelscan_catalog.deploy.plan import (
    ApiRoute,
    DeploymentPlan,
    Expected,
    MemoryShare,
    Override,
    PlanAlternative,
    PlanRequest,
    Speed,
)
from modelscan_catalog.deploy.plan_cards import Cards
from modelscan_catalog.deploy.plan_choice import Choice
from modelscan_catalog.deploy.plan_sources import downloaded_copy
from modelscan_catalog.deploy.quantize import online_value
from modelscan_catalog.errors import ManifestError
from modelscan_catalog.fit.alternatives import Alternative
from modelscan_catalog.fit.answer import engine_release
from modelscan_catalog.fit.candidates import Candidate
from modelscan_catalog.fit.plan import ServingPlan
from modelscan_catalog.fit.published import PublishedModel, Row
from modelscan_catalog.fit.speed import Band
from modelscan_catalog.manifests.commands import engine_parameters
from modelscan_catalog.manifests.engines import canonical_engine, load_engine
from modelscan_catalog.manifests.launch import launch_plan
from modelscan_catalog.records import Deployment, Model, Variant


def refused(model: Row, request: PlanRequest, cards: Cards | None, **said: Any) -> DeploymentPlan:
    """A plan of nothing: `said` are its verdict, reasons, alternatives and offers."""
    return DeploymentPlan(
        model_id=model["id"],
        served_model_name=served_name(model["id"]),
        goal=request.goal,
        context=request.context,
        concurrency=request.concurrency,
        **(_cards(cards, cards.count) if cards is not None else {"gpu_profile_id": None}) | said,
    )


def served_name(model_id: str) -> str:
    """The name that clients send: the model's id without its lab."""
    return model_id.partition("/")[2]


def written(
    found: ServingPlan,
    model: PublishedModel,
    choice: Choice,
    cards: Cards,
    request: PlanRequest,
    *,
    overridden: Sequence[Override],
    alternatives: Sequence[PlanAlternative],
    offers: Sequence[ApiRoute],
    offers_total: int,
    recipes: Sequence[Deployment] = (),
) -> DeploymentPlan:
    """The plan of a choice; `recipes` of its checkpoint say how that is read.

    Raises `ManifestError` for a flag of the request that the engine does not have. A choice whose own flags
    the engine version does not have is refused with that reason.
    """
    best = found.chosen
    assert best is not None
    row = Variant.model_validate(choice.row)
    launch = launch_plan(found, cards.profile, Model.model_validate(model.row), row, recipes)
    release = engine_release(best.engine, best.engine_version)
    plan = DeploymentPlan(
        model_id=found.model_id,
        served_model_name=served_name(found.model_id),
        verdict=found.verdict,
        binding=found.binding,
        reasons=(*_readable(found, best), *cards.remarks, *_named(model, request)),
        warnings=tuple(_warnings(best, cards, row, choice)),
        overridden=tuple(overridden),
        alternatives=tuple(alternatives),
        offers=tuple(offers),
        offers_total=offers_total,
        variant_id=best.variant.variant_id,
        repo=(row.modelscope_repo or row.repo) if choice.hub == "modelscope" else row.repo,
        revision=row.revision if choice.hub == row.hub == "huggingface" else None,
        hub=choice.hub,
        local_path=_local(choice, cards),
        weights_bytes=row.weights_bytes if request.online else best.variant.weights_bytes,
        gated=row.gated,
        quantization=None if best.variant.scheme is None else best.scheme,
        online_quantization=online_value(request.quantization or "", best.engine, release)
        if request.online
        else None,
        support=best.support.level,
        engine=best.engine,
        engine_version=release,
        goal=found.goal,
        **_cards(cards, best.tp * best.pp if best.starts else cards.count),
        tensor_parallel=best.tp,
        pipeline_parallel=best.pp,
        context=best.context,
        declared_context=best.variant.declared_context,
        concurrency=best.concurrency,
        kv_cache_dtype=best.kv_cache_dtype,
        gpu_memory_utilization=found.utilization,
        tool_parser=launch.tool_parser if launch else None,
        reasoning_parser=launch.reasoning_parser if launch else None,
        categories=launch.categories if launch else ("llm",),
        env=dict(launch.env) if launch and choice.hub == "huggingface" else {},
        expected=expected_of(best, cards.profile.memory.gib),
    )
    if launch is None:
        return plan
    return _with_flags(plan, (*launch.extra_parameters, *request.parameters))


def _with_flags(plan: DeploymentPlan, parameters: tuple[str, ...]) -> DeploymentPlan:
    try:
        plan = plan.model_copy(update={"flags": tuple(engine_parameters(plan.launch_plan()))})
    except ManifestError as error:
        return plan.model_copy(
            update={"verdict": "unsupported", "binding": "flags", "reasons": (str(error), *plan.reasons)}
        )
    if not parameters:
        return plan
    plan = plan.model_copy(update={"parameters": parameters})
    return plan.model_copy(update={"flags": tuple(engine_parameters(plan.launch_plan()))})


def expected_of(best: Candidate, card_gib: float) -> Expected:
    """Memory and speed of a candidate, GiB to four places."""
    kv = None if best.kv_gib_per_request is None else best.kv_gib_per_request * best.concurrency
    each = [best.weights_gib, kv, best.overhead_gib, best.required_gib]
    names = ("weights_gib", "kv_gib", "overhead_gib", "total_gib")
    ranks = best.tp * best.pp
    return Expected(
        **{
            name: _rounded(None if gib is None else gib * ranks)
            for name, gib in zip(names, each, strict=True)
        },
        per_gpu=MemoryShare(**{name: _rounded(gib) for name, gib in zip(names, each, strict=True)}),
        card_gib=_rounded(card_gib),
        budget_gib=_rounded(best.budget_gib),
        headroom_gib=_rounded(best.headroom_gib),
        missing_gib=_rounded(best.missing_gib),
        host_gib=_rounded(best.host_gib),
        max_context=best.max_context,
        max_concurrency=_rounded(best.max_concurrency),
        decode_tok_s=_speed(best.decode_tok_s),
        throughput_tok_s=_speed(best.throughput_tok_s),
        ttft_s=_speed(best.ttft_s),
    )


def overrides(
    request: PlanRequest,
    wishes: Sequence[str],
    free: ServingPlan | None,
    hub: str | None,
    found: ServingPlan,
) -> tuple[Override, ...]:
    """What the request decided otherwise than the planner, which would take `free` from `hub`."""
    best = free.chosen if free is not None else None
    planned: dict[str, str | None] = dict.fromkeys(wishes)
    if best is not None and free is not None and best.starts:
        planned |= {
            "variant": best.variant.variant_id,
            "quantization": best.scheme,
            "engine": best.engine,
            "engine_version": engine_release(best.engine, best.engine_version),
            "kv_cache_dtype": best.kv_cache_dtype,
            "tensor_parallel": str(best.tp),
            "pipeline_parallel": str(best.pp),
            "source": hub,
            "gpu_memory_utilization": None if best.utilization is None else f"{best.utilization:g}",
        }
    chosen = found.chosen
    assert chosen is not None
    listed = []
    for name in wishes:
        asked = getattr(request, name)
        if asked is None or name == "local_path":  # the source is what is overridden
            continue
        done = {"quantization": chosen.scheme, "variant": chosen.variant.variant_id}.get(name, str(asked))
        if done != planned[name]:
            listed.append(Override(field=name, asked=str(asked), planned=planned[name]))
    return tuple(listed)


def alternative_of(one: Alternative, request: PlanRequest) -> PlanAlternative:
    """A change of the planner's, with the request that asks for it."""
    found = one.candidate
    return PlanAlternative(
        change=one.change,
        text=one.text,
        request=PlanRequest(
            model=request.model,
            variant=found.variant.variant_id,
            gpu=f"{one.profile_id}:{one.count}",
            engine=found.engine,
            source=None if request.source == "local" else request.source,
            context=found.context,
            concurrency=found.concurrency,
            goal=request.goal,
            kv_cache_dtype=None if found.kv_cache_dtype == "auto" else found.kv_cache_dtype,
        ),
    )


def _cards(cards: Cards, count: int) -> dict[str, Any]:
    """The plan's fields of its cards; of detected ones those with the most free memory are taken."""
    taken = cards.free[:count] if cards.found and not cards.ids else ()
    return {
        "gpu_profile_id": cards.profile.id,
        "gpu_name": cards.profile.name,
        "gpu_vendor": cards.profile.vendor,
        "gpu_count": count,
        "gpu_ids": cards.ids[:count] or tuple(gpu.device_id for gpu in cards.found if gpu in taken),
        "detected": bool(cards.found),
    }


def _readable(found: ServingPlan, best: Candidate) -> Iterator[str]:
    yield from found.reasons
    if best.variant.architecture is None and not found.reasons:
        yield f"{best.variant.variant_id}: {best.reason}"


def _named(model: PublishedModel, request: PlanRequest) -> Iterator[str]:
    if model.explanation:
        yield model.explanation
    others = len(model.variants) - 1
    if model.named and not request.variant and request.quantization is None and others:
        yield f"{model.named} is one checkpoint; {model.id} leaves the choice among {others + 1}"


def _warnings(best: Candidate, cards: Cards, row: Variant, choice: Choice) -> Iterator[str]:
    """What does not stand in the way of the plan and may of its start."""
    if not best.starts:
        return
    for gpu in cards.free[: best.tp * best.pp]:
        if gpu.free_gib is not None and best.budget_gib is not None and gpu.free_gib < best.budget_gib:
            yield (
                f"GPU {gpu.index} has {gpu.free_gib:.1f} GiB free and the engine reserves "
                f"{best.budget_gib:.1f}: stop what runs there, or plan with a smaller --utilization"
            )
    if row.quantization is not None and row.quantization.evidence == "repo_name":
        yield f"how {row.repo} is stored is read from its name; its configuration is not known"
    if row.gated and choice.hub == "huggingface":
        yield f"{row.repo} is gated: accept its terms on the hub and set HF_TOKEN"
    if best.support.level == "plugin":
        yield f"{best.scheme}: {best.support.reason}"
    if (engine := canonical_engine(best.engine)) and best.engine_version:
        table = load_engine(engine, best.engine_version)
        if not table.exact:
            known = " and ".join(table.basis)
            yield f"{engine} {table.version} is not recorded: its flags and models are read from {known}"
    if best.engine == "llama.cpp":
        yield "llama.cpp has no flag table here: the plan has no flags and takes no manifest"


def _local(choice: Choice, cards: Cards) -> str | None:
    """Where the weights lie already: the directory asked for, or a cache of the machine that is planned."""
    path: Path | None = choice.path
    if path is None and cards.found:
        path = downloaded_copy(choice.row)
    return str(path) if path is not None else None


def _speed(band: Band | None) -> Speed | None:
    if band is None or not all(map(math.isfinite, (band.low, band.point, band.high))):
        return None
    low, point, high = (round(value, 2) for value in (band.low, band.point, band.high))
    return Speed(low=low, point=point, high=high, basis=band.basis)


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, 4)
