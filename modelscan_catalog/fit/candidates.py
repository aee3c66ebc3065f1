"""One way to serve a checkpoint on given cards, judged: legality, memory, capacity, speed, with the sums."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from modelscan_catalog.fit import formulas
from modelscan_catalog.fit.card_rules import CardRules, card_rules, crowds, variant_utilization
from modelscan_catalog.fit.formulas import GIB
from modelscan_catalog.fit.known import measured_weights_gib
from modelscan_catalog.fit.legality import (
    Support,
    kv_cache_support,
    quantization_support,
    rule_scheme,
    split_issue,
    version_key,
    weight_block,
)
from modelscan_catalog.fit.matrix_cells import LARGEST_SPREAD
from modelscan_catalog.fit.matrix_terms import FitVariant, choose_split, resident_gib, served_terms
from modelscan_catalog.fit.measured import better_known, measured_speed
from modelscan_catalog.fit.memory import Plan, contradictions
from modelscan_catalog.fit.profiles import GpuProfile
from modelscan_catalog.fit.quant_formats import expert_padding
from modelscan_catalog.fit.speed import (
    Band,
    compute_tflops,
    decode_band,
    hardware,
    speed_terms,
    ttft_band,
)
from modelscan_catalog.fit.tables import table
from modelscan_catalog.fit.weights import Parallel

Verdict = Literal["fits", "tight", "offload_only", "does_not_fit", "unsupported", "unknown"]
VERDICT_ORDER: tuple[Verdict, ...] = (
    "fits",
    "tight",
    "offload_only",
    "does_not_fit",
    "unknown",
    "unsupported",
)
"""Best first."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Cards of one profile and what is asked of them; None leaves it to the engine or the model."""

    profile: GpuProfile
    count: int = 1
    context: int | None = None
    concurrency: int = 1
    kv_cache_dtype: str = "auto"
    tp: int | None = None
    pp: int | None = None
    utilization: float | None = None
    max_sequences: int | None = None
    host_memory_gib: float | None = None
    """System memory that layers may be left in (llama.cpp)."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A checkpoint under one engine, split and KV dtype; GiB per GPU of the largest rank, None is unknown."""

    variant: FitVariant
    scheme: str
    """Name of the legality rules."""
    engine: str
    engine_version: str | None
    tp: int
    pp: int
    kv_cache_dtype: str
    support: Support
    verdict: Verdict
    binding: str | None
    reason: str
    context: int | None
    concurrency: int
    utilization: float | None = None
    weights_gib: float | None = None
    overhead_gib: float | None = None
    budget_gib: float | None = None
    required_gib: float | None = None
    kv_pool_gib: float | None = None
    kv_gib_per_request: float | None = None
    max_context: int | None = None
    safe_context: int | None = None
    """Longest context that fits with the model's error to spare."""
    max_concurrency: float | None = None
    decode_tok_s: Band | None = None
    """One request alone."""
    throughput_tok_s: Band | None = None
    """As many requests as fit, at most the engine's limit, all decoding."""
    ttft_s: Band | None = None
    host_gib: float | None = None
    """System memory that offloading needs."""

    @property
    def missing_gib(self) -> float | None:
        """GiB per GPU that the need is over the budget; 0 when it is not."""
        if self.required_gib is None or self.budget_gib is None:
            return None
        return max(self.required_gib - self.budget_gib, 0.0)

    @property
    def headroom_gib(self) -> float | None:
        """GiB per GPU that the budget is over the need; 0 when it is not."""
        if self.required_gib is None or self.budget_gib is None:
            return None
        return max(self.budget_gib - self.required_gib, 0.0)

    @property
    def starts(self) -> bool:
        """The engine is expected to start (`tight` within the model's error)."""
        return self.verdict in ("fits", "tight")


def scheme_name(variant: FitVariant) -> str:
    """The legality rules' name of a variant's format; a container of unknown content when nothing says."""
    return rule_scheme(variant.scheme) if variant.scheme is not None else "compressed-tensors"


def knows_architecture(variant: FitVariant, engine: str, version: str | None) -> bool | None:
    """Whether the engine version lists the checkpoint's class; None when its list is not known here."""
    if variant.architecture is None or engine not in ("vllm", "sglang"):
        return None
    document = table(f"engines/{engine}.json")
    listed = document["architectures"]
    if not listed:
        return None
    name = variant.architecture.name
    if name not in listed:
        return False
    held = listed[name]
    if held is None:
        return True
    known = sorted(document["versions"], key=version_key)
    at = [one for one in known if version_key(one) <= version_key(version)]
    return (at[-1] if at else known[0]) in held


def judge(variant: FitVariant, place: Placement, engine: str, version: str | None = None) -> Candidate:
    """The candidate of a checkpoint under an engine on the placed cards."""
    scheme = scheme_name(variant)
    support = quantization_support(scheme, place.profile, engine, version)
    block = weight_block(variant.scheme) if variant.scheme is not None else None
    split = _split(variant, place, block, engine)
    base = Candidate(
        variant=variant,
        scheme=scheme,
        engine=engine,
        engine_version=version,
        tp=split[0],
        pp=split[1],
        kv_cache_dtype=place.kv_cache_dtype,
        support=support,
        verdict="unknown",
        binding=None,
        reason="",
        context=place.context or variant.declared_context,
        concurrency=place.concurrency,
    )
    refused = _refusal(base, place, block)
    if refused is not None:
        return refused
    if variant.architecture is None or variant.scheme is None:
        return _bound(base, place, "the architecture or format")
    if engine == "mindie":
        return _bound(base, place, "a rule for MindIE's memory")
    return _measured(base, place)


def _split(variant: FitVariant, place: Placement, block: int | None, engine: str) -> tuple[int, int]:
    if place.tp is not None or place.pp is not None:
        tp = place.tp or max(1, place.count // (place.pp or 1))
        return tp, place.pp or max(1, place.count // tp)
    return choose_split(variant.architecture, place.count, block, engine) or (place.count, 1)


def _refusal(base: Candidate, place: Placement, block: int | None) -> Candidate | None:
    """`unsupported` or `unknown` before any arithmetic, or None."""
    modelled = base.variant.architecture is not None and base.variant.scheme is not None
    if base.support.level == "unknown" and modelled:
        bound = _bound(base, place, "a rule for this format")
        why = base.support.reason or bound.reason
        return bound if bound.verdict == "does_not_fit" else replace(bound, binding="format", reason=why)
    if base.support.level == "unsupported":
        why = base.support.reason or f"{base.scheme} does not run on {place.profile.id} with {base.engine}"
        return replace(base, verdict="unsupported", binding="format", reason=why)
    cache = kv_cache_support(place.kv_cache_dtype, place.profile, base.engine, base.engine_version)
    if cache.level == "unsupported" or (cache.level == "unknown" and modelled):
        return replace(base, verdict=cache.level, binding="kv_cache_dtype", reason=cache.reason)
    if base.tp * base.pp > place.count:
        return replace(
            base,
            verdict="unsupported",
            binding="split",
            reason=f"TP {base.tp} x PP {base.pp} needs {base.tp * base.pp} cards, there are {place.count}",
        )
    issue = split_issue(base.variant.architecture, place.profile, base.tp, base.pp, block)
    if issue:
        return replace(base, verdict="unsupported", binding="split", reason=issue)
    if knows_architecture(base.variant, base.engine, base.engine_version) is False:
        name = base.variant.architecture.name if base.variant.architecture else ""
        return replace(
            base,
            verdict="unsupported",
            binding="architecture",
            reason=f"{base.engine} {base.engine_version or '(newest known)'} does not list {name}",
        )
    declared = base.variant.declared_context
    if place.context is not None and declared is not None and place.context > declared:
        return replace(
            base,
            verdict="unsupported",
            binding="context",
            reason=f"{place.context} tokens are asked, the model declares {declared}",
        )
    return None


def _rules(base: Candidate, place: Placement) -> CardRules:
    return card_rules(
        place.profile.memory.gib,
        place.profile.name,
        rocm=place.profile.vendor == "amd",
        unified=place.profile.unified_memory,
        engine=base.engine,
        version=base.engine_version or "",
        ranks=base.tp,
        stages=base.pp,
        pcie=place.profile.interconnect == "pcie",
    )


def _bound(base: Candidate, place: Placement, lacking: str) -> Candidate:
    """What the weights alone say where nothing more is known."""
    size = resident_gib(base.variant)
    if math.isnan(size):
        return replace(
            base, binding="memory_facts", reason="neither the architecture nor the weights' size is known"
        )
    each, memory = size / (base.tp * base.pp), place.profile.memory
    if each * 0.98 > memory.high_gib:
        return replace(
            base,
            verdict="does_not_fit",
            binding="weights",
            weights_gib=each,
            required_gib=each,
            budget_gib=memory.gib,
            reason=f"weights alone take {each:.2f} GiB of the card's {memory.gib:.2f} GiB",
        )
    return replace(
        base,
        binding="architecture",
        weights_gib=each,
        reason=f"weights take {each:.2f} GiB a card; without {lacking} the KV cache is not known",
    )


def _measured(base: Candidate, place: Placement) -> Candidate:
    """Memory, capacity and speed of a variant whose architecture and format are known."""
    variant, memory, rules = base.variant, place.profile.memory, _rules(base, place)
    assert variant.architecture is not None
    assert variant.scheme is not None
    plan = Plan(
        parallel=Parallel(tensor=base.tp, pipeline=base.pp),
        engine=base.engine,
        engine_version=base.engine_version or "",
        kv_cache_dtype=base.kv_cache_dtype,
        exact_parameters=variant.parameters,
        checkpoint_bytes=variant.weights_bytes,
        known_weights_gib=measured_weights_gib(variant.repo),
        rounding=place.profile.vendor != "amd",
        padding=expert_padding(place.profile.name),
    )
    terms = served_terms(variant.architecture, variant.scheme, plan)
    batch = float(rules.batched_tokens)
    sequences = float(min(place.max_sequences or rules.max_sequences, rules.batched_tokens))
    utilization = place.utilization or variant_utilization(rules, variant.architecture)
    budget = memory.gib * utilization
    overhead = float(formulas.overhead_gib(terms, batch, sequences)) + rules.reserve_gib
    weights = float(terms.weights_gib) + rules.weights_extra_gib
    pool = budget - weights - overhead
    low, high = formulas.pool_band_gib(terms, memory.gib, utilization, batch, sequences)
    doubt = rules.reserve_error_gib + (memory.high_gib - memory.low_gib) / 2
    usable = budget - rules.reserve_gib
    spread = min(math.hypot(float(high - low) / 2, doubt), usable * LARGEST_SPREAD)
    requests = float(place.concurrency)
    longest = int(formulas.max_context_tokens(terms, pool, requests, batch))
    spare = pool - max(usable * rules.edge, spread)
    safe = int(formulas.max_context_tokens(terms, spare, requests, batch))
    context = base.context or longest
    each = float(formulas.request_gib(terms, float(context), batch))
    required = weights + overhead + each * requests
    code = int(formulas.verdict_codes(required - rules.reserve_gib, usable, rules.edge, spread))
    if code == formulas.FITS and crowds(rules, place.utilization):
        code = formulas.TIGHT
    known = replace(
        base,
        verdict=VERDICT_BY_CODE[code],
        context=context,
        utilization=utilization,
        weights_gib=weights,
        overhead_gib=overhead,
        budget_gib=budget,
        required_gib=required,
        kv_pool_gib=pool,
        kv_gib_per_request=each,
        max_context=longest,
        safe_context=safe,
        max_concurrency=float(formulas.capacity_requests(terms, pool, float(context), batch)),
        reason=(
            f"{memory.gib:.2f} GiB x {utilization:g} = {budget:.2f}; weights {weights:.2f} + overhead "
            f"{overhead:.2f} + KV cache {each * requests:.2f} ({place.concurrency} x {context} tokens) = "
            f"{required:.2f} GiB a card"
            + "".join(
                f"; ignored: {one}" for one in contradictions(variant.architecture, variant.scheme, plan)
            )
        ),
    )
    if code == formulas.DOES_NOT_FIT:
        return _short(known, place)
    if code == formulas.TIGHT:
        known = replace(known, binding=_binding(known))
    return _with_speed(known, place, float(terms.kv_bytes_per_token), sequences)


VERDICT_BY_CODE: dict[int, Verdict] = {
    formulas.FITS: "fits",
    formulas.TIGHT: "tight",
    formulas.DOES_NOT_FIT: "does_not_fit",
}


def _binding(found: Candidate) -> str:
    weights, overhead, budget = found.weights_gib or 0.0, found.overhead_gib or 0.0, found.budget_gib or 0.0
    return "weights" if weights > budget else "overhead" if weights + overhead > budget else "kv_cache"


def _short(found: Candidate, place: Placement) -> Candidate:
    """A need over the budget: refused, or under llama.cpp left in system memory that is large enough."""
    missing = (found.missing_gib or 0.0) * found.tp * found.pp
    bound = replace(
        found, binding=_binding(found), reason=f"{found.reason}: {found.missing_gib:.2f} GiB over"
    )
    if found.engine != "llama.cpp":
        return bound
    offloaded = replace(bound, host_gib=missing)
    if place.host_memory_gib is None or missing > place.host_memory_gib:
        return offloaded
    return replace(
        offloaded,
        verdict="offload_only",
        reason=f"{bound.reason}; {missing:.2f} GiB stay in {place.host_memory_gib:g} GiB of system memory",
    )


def _with_speed(found: Candidate, place: Placement, kv_bytes: float, sequences: float) -> Candidate:
    """The candidate with its speed bands."""
    variant = found.variant
    assert variant.architecture is not None
    assert variant.scheme is not None
    speed = speed_terms(variant.architecture, variant.scheme)
    flops = compute_tflops(place.profile, found.scheme, found.engine, found.engine_version)
    machine = hardware(place.profile, flops, float(found.tp), float(found.pp))
    context = float(found.context or 1)
    kv_gib, weights = kv_bytes * context / GIB, found.weights_gib or 0.0
    full = max(1.0, math.floor(min(found.max_concurrency or 1.0, sequences)))
    single = decode_band(speed, machine, weights, kv_gib, 1.0)
    many = decode_band(speed, machine, weights, kv_gib, full)
    first = ttft_band(speed, machine, context)
    seen = measured_speed(variant.variant_id, place.profile.id, found.engine, found.tp, found.pp)
    alone, together = better_known(single, many, seen)
    return replace(
        found,
        decode_tok_s=alone,
        throughput_tok_s=together,
        ttft_s=first if first.known and np.isfinite(first.point) else None,
    )
