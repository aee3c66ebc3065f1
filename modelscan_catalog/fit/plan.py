"""Which checkpoint of a model to serve on given cards, with which engine and how, and why that one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from modelscan_catalog.errors import FitInputError
from modelscan_catalog.fit.alternatives import Alternative, alternatives
from modelscan_catalog.fit.candidates import (
    VERDICT_ORDER,
    Candidate,
    Placement,
    Verdict,
    judge,
    knows_architecture,
)
from modelscan_catalog.fit.legality import ENGINES, version_key
from modelscan_catalog.fit.matrix_terms import FitVariant
from modelscan_catalog.fit.profiles import GpuProfile
from modelscan_catalog.fit.tables import table

SIZES = ("weights", "overhead", "kv_cache")
"""Bindings that are a matter of memory."""
LEAST_CONTEXT = 2048
"""A context below this is no offer when none was asked for."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The order of choice; `registry/fit/policy.json`, or a setting in its shape."""

    fidelity: tuple[tuple[str, ...], ...]
    support: tuple[str, ...]
    order: tuple[str, ...]
    engines: Mapping[str, Sequence[str]]
    enough_context: int
    """Tokens that a plan without an asked context is content with."""
    lowest_fidelity_group: int | None = None

    def group(self, scheme: str) -> int:
        """Fidelity group of a format, 0 best; unlisted formats come last."""
        return next((i for i, names in enumerate(self.fidelity) if scheme in names), len(self.fidelity))

    def rank(self, scheme: str) -> int:
        """Place of a format in all groups together."""
        flat = [name for names in self.fidelity for name in names]
        return flat.index(scheme) if scheme in flat else len(flat)

    def engine_order(self, vendor: str) -> tuple[str, ...]:
        """Engines to try on a vendor's cards, best first."""
        return tuple(self.engines.get(vendor, self.engines["*"]))


def policy_for(goal: str, document: Mapping[str, Any] | None = None) -> Policy:
    """The policy of a goal. Raises FitInputError (field `goal`) for an unknown one."""
    rules = document if document is not None else table("fit/policy.json")
    goals = rules["goals"]
    if goal not in goals:
        raise FitInputError(f"goal: {goal!r} is unknown; use one of {', '.join(goals)}", field="goal")
    chosen = goals[goal]
    return Policy(
        fidelity=tuple(tuple(names) for names in rules["fidelity"]),
        support=tuple(rules["support"]),
        order=tuple(chosen["order"]),
        engines=chosen["engines"],
        enough_context=rules["context_when_none_is_asked"],
        lowest_fidelity_group=chosen.get("lowest_fidelity_group"),
    )


@dataclass(frozen=True, slots=True)
class ServingPlan:
    """The answer: a choice that starts, or the nearest miss with what would run instead."""

    model_id: str
    profile_id: str
    count: int
    goal: str
    verdict: Verdict
    binding: str | None
    chosen: Candidate | None
    """The best candidate, whether or not it starts; None when the model has no checkpoint at all."""
    reasons: tuple[str, ...]
    considered: tuple[Candidate, ...]
    """Every candidate, best first."""
    alternatives: tuple[Alternative, ...] = ()
    utilization: float | None = None
    """Asked for; None is the engine's default."""

    @property
    def missing_gib(self) -> float | None:
        """GiB per GPU that the chosen candidate is short of."""
        return self.chosen.missing_gib if self.chosen else None

    @property
    def headroom_gib(self) -> float | None:
        """GiB per GPU that the chosen candidate leaves of its budget."""
        return self.chosen.headroom_gib if self.chosen else None

    def settings(self) -> dict[str, Any]:
        """What to set on the engine, by the launch plan's field names; the engine's table names the flags.

        Empty unless the plan starts. Defaults of the engine are left out.
        """
        found = self.chosen
        if found is None or not found.starts:
            return {}
        values: dict[str, Any] = {
            "tensor_parallel": found.tp,
            "pipeline_parallel": found.pp,
            "max_model_len": found.context,
        }
        if found.kv_cache_dtype != "auto":
            values["kv_cache_dtype"] = found.kv_cache_dtype
        if self.utilization is not None:
            values["gpu_memory_utilization"] = self.utilization
        return values


def plan(
    variants: Sequence[FitVariant],
    profile: GpuProfile,
    count: int = 1,
    *,
    goal: str = "standard",
    context: int | None = None,
    concurrency: int = 1,
    engine: str | None = None,
    engine_version: str | None = None,
    kv_cache_dtype: str = "auto",
    tp: int | None = None,
    pp: int | None = None,
    utilization: float | None = None,
    host_memory_gib: float | None = None,
    policy: Mapping[str, Any] | None = None,
    with_alternatives: bool = True,
    siblings: Sequence[FitVariant] | None = None,
) -> ServingPlan:
    """The checkpoint, engine, split and context for a model on `count` cards; `variants` are its checkpoints.

    The highest-fidelity existing checkpoint that meets the target comes first (order: `policy.json`, or
    `policy` in its shape). Without `context` the declared one is tried, then the longest that fits. Raises
    FitInputError naming the field of an impossible input. What would run instead is sought among `siblings`,
    all of the model's checkpoints where `variants` are only some.
    """
    if not variants:
        raise FitInputError("model: it has no checkpoint to plan with", field="model")
    place = Placement(
        profile=profile,
        count=count,
        context=context,
        concurrency=concurrency,
        kv_cache_dtype=kv_cache_dtype,
        tp=tp,
        pp=pp,
        utilization=utilization,
        host_memory_gib=host_memory_gib,
    )
    _refuse_impossible(place)
    rules = policy_for(goal, policy)
    version_key(engine_version)
    if engine is not None and engine not in ENGINES:
        raise FitInputError(f"engine: {engine!r} is unknown; use one of {', '.join(ENGINES)}", field="engine")
    engines = (engine,) if engine is not None else rules.engine_order(profile.vendor)
    found = [
        _shortened(judge(variant, place, name, engine_version), place)
        for variant in variants
        for name in engines
    ]
    ranked = sorted(found, key=lambda candidate: _key(candidate, rules, profile.vendor))
    best = ranked[0]
    instead: tuple[Alternative, ...] = ()
    if with_alternatives and best.verdict != "fits":
        if best.binding in SIZES and best.engine != "llama.cpp":
            engines = (best.engine,)  # memory is in the way, and other servers need as much
        instead = alternatives(siblings or variants, place, engines, engine_version, rank=rules.rank)
    return ServingPlan(
        model_id=best.variant.model_id,
        profile_id=profile.id,
        count=count,
        goal=goal,
        verdict=best.verdict,
        binding=best.binding,
        chosen=best,
        reasons=_reasons(ranked, place, rules),
        considered=tuple(ranked),
        alternatives=instead,
        utilization=utilization,
    )


def _refuse_impossible(place: Placement) -> None:
    """Raise ``FitInputError``, which names the field, for a question that makes no sense."""
    for name, value, most in (
        ("count", place.count, 1024),
        ("context", place.context, 1 << 31),
        ("concurrency", place.concurrency, 1 << 20),
        ("tp", place.tp, 1024),
        ("pp", place.pp, 1024),
    ):
        if value is not None and not 1 <= value <= most:
            raise FitInputError(f"{name}: {value} is not between 1 and {most}", field=name)
    share = place.utilization
    if share is not None and not 0.05 <= share <= 1.0:
        raise FitInputError(
            f"gpu_memory_utilization: {share} is not between 0.05 and 1", field="gpu_memory_utilization"
        )
    host = place.host_memory_gib
    if host is not None and not 0 <= host < math.inf:
        raise FitInputError(
            f"host_memory_gib: {host} is no size in GiB; give 0 or more", field="host_memory_gib"
        )


def _shortened(found: Candidate, place: Placement) -> Candidate:
    """Without an asked context, the longest that fits where the declared one does not."""
    if place.context is not None or found.verdict not in ("tight", "does_not_fit") or not found.max_context:
        return found
    longest = found.safe_context or 0
    if longest < LEAST_CONTEXT:
        longest = found.max_context if found.verdict == "does_not_fit" else 0
    rounded = longest // 1024 * 1024
    if rounded < LEAST_CONTEXT:
        return found
    shorter = judge(found.variant, replace(place, context=rounded), found.engine, found.engine_version)
    return shorter if shorter.starts else found


def _key(found: Candidate, rules: Policy, vendor: str) -> tuple[float, ...]:
    """Sort key by the policy's order; the smallest is best."""
    levels = (*rules.support, "unknown", "unsupported")
    engines = rules.engine_order(vendor)
    group = rules.group(found.scheme)
    floor = rules.lowest_fidelity_group
    values: dict[str, float] = {
        "verdict": VERDICT_ORDER.index(found.verdict),
        "fidelity": group,
        "support": levels.index(found.support.level),
        "engine": engines.index(found.engine) if found.engine in engines else len(engines),
        "speed": -(found.decode_tok_s.point if found.decode_tok_s else 0.0),
        "throughput": -(found.throughput_tok_s.point if found.throughput_tok_s else 0.0),
    }
    below = float(floor is not None and group > floor)
    missing = found.missing_gib if found.missing_gib is not None else math.inf
    verdict, rest = values["verdict"], [values[name] for name in rules.order if name != "verdict"]
    enough = min(found.variant.declared_context or rules.enough_context, rules.enough_context)
    shortened = float(found.context is not None and found.context < enough)
    if not found.starts:
        return (verdict, missing, *rest, float(rules.rank(found.scheme)))
    return (verdict, shortened, below, *rest, float(rules.rank(found.scheme)))


def _reasons(ranked: Sequence[Candidate], place: Placement, rules: Policy) -> tuple[str, ...]:
    """Why the first was chosen, and why checkpoints of higher fidelity were not."""
    best = ranked[0]
    name = f"{best.variant.variant_id} with {best.engine}"
    lines = [f"{name}: {best.verdict}; {best.reason}"]
    if best.support.level == "weight_only":
        lines.append(f"{best.scheme}: {best.support.reason or 'stored so, computed in 16 bit'}")
    elif best.support.level == "plugin":
        lines.append(f"{best.scheme}: {best.support.reason}")
    known = knows_architecture(best.variant, best.engine, best.engine_version)
    if best.starts and known is None and best.engine == "sglang":
        lines.append("SGLang's list of model classes is not known here; vLLM's is")
    if best.starts and place.profile.unified_memory:
        lines.append("unified memory: the budget is a share of the system's, which other processes use too")
    declared = best.variant.declared_context
    if best.starts and place.context is None and declared is not None and best.context != declared:
        lines.append(f"the declared {declared} tokens do not fit; {best.context} do")
    if best.pp > 1 and best.engine != "llama.cpp":
        lines.append(
            f"TP {best.tp} x PP {best.pp}: a larger tensor parallel size is not legal for this model"
        )
    seen = {best.variant.variant_id}
    for other in ranked[1:]:
        if other.variant.variant_id in seen:
            continue
        seen.add(other.variant.variant_id)
        if rules.group(other.scheme) >= rules.group(best.scheme):
            continue
        if other.verdict == best.verdict and best.starts:
            short = place.context is None and (other.context or 0) < (best.context or 0)
            why = f"only {other.context} tokens" if short else f"the order is {', '.join(rules.order)}"
            lines.append(f"{other.variant.variant_id} keeps more bits and {other.verdict}, but: {why}")
        else:
            lines.append(f"{other.variant.variant_id} keeps more bits, but: {other.verdict}; {other.reason}")
    return tuple(lines)
