"""A serving plan as an answer: each memory term with its formula, engine flags, cost; one for all readers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelscan_catalog.fit import formulas
from modelscan_catalog.fit.alternatives import Alternative
from modelscan_catalog.fit.candidates import Candidate
from modelscan_catalog.fit.card_rules import card_rules
from modelscan_catalog.fit.cost import Comparison, OwnCost
from modelscan_catalog.fit.legality import version_key
from modelscan_catalog.fit.matrix_cells import LARGEST_SPREAD
from modelscan_catalog.fit.matrix_terms import served_terms
from modelscan_catalog.fit.memory import Plan
from modelscan_catalog.fit.plan import ServingPlan
from modelscan_catalog.fit.profiles import GpuProfile
from modelscan_catalog.fit.speed import Band
from modelscan_catalog.fit.tables import table
from modelscan_catalog.fit.weights import Parallel


@dataclass(frozen=True, slots=True)
class Term:
    """One part of the need, GiB per GPU of the largest rank."""

    name: str
    gib: float
    formula: str


@dataclass(frozen=True, slots=True)
class MemoryTerms:
    """Where a candidate's memory goes; the terms add up to its need."""

    terms: tuple[Term, ...]
    spread_gib: float
    """Half width of the 90 % band of the need and of the KV pool."""
    kv_bytes_per_token: float
    """Of one GPU, for one more token of a long request."""


def memory_terms(found: Candidate, profile: GpuProfile) -> MemoryTerms | None:
    """The terms of a candidate on its card; None where the arithmetic was not possible."""
    variant = found.variant
    if variant.architecture is None or variant.scheme is None or found.kv_pool_gib is None:
        return None
    memory = profile.memory
    rules = card_rules(
        memory.gib,
        profile.name,
        rocm=profile.vendor == "amd",
        unified=profile.unified_memory,
        engine=found.engine,
        version=found.engine_version or "",
        ranks=found.tp,
        stages=found.pp,
        pcie=profile.interconnect == "pcie",
    )
    plan = Plan(
        parallel=Parallel(tensor=found.tp, pipeline=found.pp),
        engine=found.engine,
        engine_version=found.engine_version or "",
        kv_cache_dtype=found.kv_cache_dtype,
    )
    terms = served_terms(variant.architecture, variant.scheme, plan)
    tokens, sequences = float(rules.batched_tokens), float(rules.max_sequences)
    activation = float(formulas.activation_gib(terms, tokens, sequences) * terms.activation_share)
    graphs = float(terms.graphs_gib * terms.graphs_share)
    non_torch = float(terms.non_torch_gib) + rules.non_torch_shift_gib
    platform = (found.overhead_gib or 0.0) - activation - graphs - non_torch
    cache = (found.kv_gib_per_request or 0.0) * found.concurrency
    blocks = float(formulas.request_blocks(terms, float(found.context or 0), tokens))
    listed = [
        Term("weights", found.weights_gib or 0.0, "tensors of the largest rank in their stored format"),
        Term("activation", activation, "largest of sampler, forward pass, vision encoder"),
        Term("graphs", graphs, "the engine's CUDA graph estimate"),
        Term("non_torch", non_torch, "driver and communication buffers, by ranks and link"),
        Term("platform", platform, "what this platform's runtime or unified memory takes"),
        Term(
            "kv_cache",
            cache,
            f"{found.concurrency:,} x {blocks:,.0f} blocks x {float(terms.bytes_per_block) / 1024:,.0f} KiB",
        ),
    ]
    low, high = formulas.pool_band_gib(terms, memory.gib, found.utilization or 1.0, tokens, sequences)
    doubt = rules.reserve_error_gib + (memory.high_gib - memory.low_gib) / 2
    usable = (found.budget_gib or 0.0) - rules.reserve_gib
    return MemoryTerms(
        tuple(term for term in listed if term.name != "platform" or abs(term.gib) >= 0.005),
        min(math.hypot(float(high - low) / 2, doubt), usable * LARGEST_SPREAD),
        float(terms.kv_bytes_per_token),
    )


def engine_release(engine: str, version: str | None) -> str | None:
    """The version that a plan is for: the one asked for, else the newest that the flag tables hold."""
    if version or engine not in ("vllm", "sglang"):
        return version
    return str(table(f"engines/{engine}.json")["versions"][-1])


def engine_flags(found: ServingPlan, repos: Sequence[str]) -> list[str]:
    """The flags that start the plan with its engine, parsers of the first known of `repos` included.

    Empty where the plan does not start, and for engines without a flag table.
    """
    chosen = found.chosen
    if chosen is None or not chosen.starts or chosen.engine not in ("vllm", "sglang"):
        return []
    names = table("engines/launch_names.json")
    settings = found.settings()

    def translated(concept: str, value: str) -> str:
        pairs = names["values"].get(concept, ()) if chosen.engine == "sglang" else ()
        return next((str(pair["sglang"]) for pair in pairs if pair["vllm"] == value), value)

    def flag(concept: str) -> str:
        return str(names["flags"][concept][chosen.engine])

    concepts = {
        "tensor_parallel": settings["tensor_parallel"] if settings["tensor_parallel"] > 1 else None,
        "pipeline_parallel": settings["pipeline_parallel"] if settings["pipeline_parallel"] > 1 else None,
        "context": settings["max_model_len"],
        "memory_fraction": settings.get("gpu_memory_utilization"),
        "kv_cache_dtype": settings.get("kv_cache_dtype"),
    }
    flags = [f"{flag(name)}={translated(name, str(value))}" for name, value in concepts.items() if value]
    checkpoints = table("engines/parsers.json")["checkpoints"]
    recipe: dict[str, str] = next((checkpoints[repo] for repo in repos if repo in checkpoints), {})
    for concept, key in (("reasoning_parser", "reasoning"), ("tool_parser", "tool")):
        parser = translated(concept, recipe[key]) if key in recipe else None
        if parser and _held(chosen.engine, f"{concept}s", parser, chosen.engine_version):
            flags.append(f"{flag(concept)}={parser}")
            if concept == "tool_parser" and chosen.engine == "vllm":
                flags.append(flag("auto_tool_choice"))
    return flags


def _held(engine: str, group: str, name: str, version: str | None) -> bool:
    """Whether the recorded version nearest below `version` (the newest for None) knows a parser."""
    document = table(f"engines/{engine}.json")
    if name not in document[group]:
        return False
    held = document[group][name]
    older = [one for one in document["versions"] if version_key(one) <= version_key(version)]
    return held is None or (older[-1] if older else document["versions"][0]) in held


def answer_document(
    found: ServingPlan,
    profile: GpuProfile,
    *,
    flags: Sequence[str] = (),
    cost: OwnCost | None = None,
    offers: Sequence[Comparison] = (),
    unread: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The answer as JSON: sizes in GiB per GPU of the largest rank, null where unknown."""
    memory = profile.memory
    chosen = found.chosen
    document: dict[str, Any] = {
        "model": found.model_id,
        "gpu": profile.id,
        "gpu_count": found.count,
        "card_gib": memory.gib,
        "card_gib_basis": memory.basis,
        "goal": found.goal,
        "verdict": found.verdict,
    }
    if chosen is not None:
        document |= _candidate(chosen) | {"reasons": list(found.reasons)}
        terms = memory_terms(chosen, profile)
        if terms is not None:
            document |= {f"{term.name}_gib": round(term.gib, 4) for term in terms.terms}
            document["formulas"] = {f"{term.name}_gib": term.formula for term in terms.terms}
            document["kv_bytes_per_token"] = round(terms.kv_bytes_per_token, 3)
            document["bands"] = {
                f"{name}_gib": [round(value - terms.spread_gib, 4), round(value + terms.spread_gib, 4)]
                for name, value in (("required", chosen.required_gib), ("kv_pool", chosen.kv_pool_gib))
                if value is not None
            }
    document["settings"] = found.settings()
    document["flags"] = list(flags)
    document["alternatives"] = [_alternative(one) for one in found.alternatives]
    document["cost"] = None if cost is None else _cost(cost, offers)
    document["unread"] = dict(unread or {})
    return document


def _candidate(found: Candidate) -> dict[str, Any]:
    return {
        "variant": found.variant.variant_id,
        "repo": found.variant.repo,
        "quantization": None if found.variant.scheme is None else found.scheme,
        "support": found.support.level,
        "engine": found.engine,
        "engine_version": engine_release(found.engine, found.engine_version),
        "tp": found.tp,
        "pp": found.pp,
        "kv_cache_dtype": found.kv_cache_dtype,
        "context": found.context,
        "declared_context": found.variant.declared_context,
        "concurrency": found.concurrency,
        "gpu_memory_utilization": found.utilization,
        "binding": found.binding,
        "reason": found.reason,
        "weights_gib": _rounded(found.weights_gib),
        "overhead_gib": _rounded(found.overhead_gib),
        "required_gib": _rounded(found.required_gib),
        "budget_gib": _rounded(found.budget_gib),
        "headroom_gib": _rounded(found.headroom_gib),
        "missing_gib": _rounded(found.missing_gib),
        "kv_pool_gib": _rounded(found.kv_pool_gib),
        "kv_request_gib": _rounded(found.kv_gib_per_request),
        "host_gib": _rounded(found.host_gib),
        "max_context": found.max_context,
        "safe_context": found.safe_context,
        "max_concurrency": _rounded(found.max_concurrency),
        "decode_tok_s": _band(found.decode_tok_s),
        "throughput_tok_s": _band(found.throughput_tok_s),
        "ttft_s": _band(found.ttft_s),
    }


def _alternative(one: Alternative) -> dict[str, Any]:
    found = one.candidate
    return {
        "change": one.change,
        "text": one.text,
        "gpu": one.profile_id,
        "gpu_count": one.count,
        "variant": found.variant.variant_id,
        "engine": found.engine,
        "tp": found.tp,
        "pp": found.pp,
        "context": found.context,
        "kv_cache_dtype": found.kv_cache_dtype,
        "verdict": found.verdict,
        "required_gib": _rounded(found.required_gib),
        "host_gib": _rounded(found.host_gib),
    }


def _cost(cost: OwnCost, offers: Sequence[Comparison]) -> dict[str, Any]:
    return {
        "usd_per_hour": cost.usd_per_hour,
        "price_source": cost.price_source,
        "input_tokens_per_output_token": cost.input_per_output,
        "usd_per_mtok": _band(cost.usd_per_mtok),
        "offers": [
            {
                "seller": one.offer.seller,
                "usd_per_mtok": round(one.offer_usd_per_mtok, 4),
                "break_even_load": _band(one.break_even_load),
            }
            for one in offers
        ],
    }


def _band(band: Band | None) -> dict[str, Any] | None:
    if band is None:
        return None
    return {
        "low": _rounded(band.low),
        "point": _rounded(band.point),
        "high": _rounded(band.high),
        "basis": band.basis,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, 4)
