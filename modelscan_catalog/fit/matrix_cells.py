"""The matrix's arithmetic: verdict, memory and speed of variants x counts x KV dtypes x contexts on a card.

Arrays have those four axes, or broadcast to them. Nothing here knows Arrow or files.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelscan_catalog.fit import formulas
from modelscan_catalog.fit.card_rules import card_rules
from modelscan_catalog.fit.formulas import Array
from modelscan_catalog.fit.legality import kv_cache_support, quantization_support
from modelscan_catalog.fit.matrix_terms import COUNTS, KV_DTYPES, MatrixTerms
from modelscan_catalog.fit.profiles import GpuProfile
from modelscan_catalog.fit.speed import compute_tflops, decode_tokens_per_s, hardware, speed_constants

CONTEXTS = (4096, 32768, 131072)
"""Asked of every variant, beside its own declared context, which is the last entry of the axis."""
VERDICTS = ("fits", "tight", "does_not_fit", "unsupported", "unknown", "offload_only")
LARGEST_SPREAD = 0.1
"""A verdict's doubt goes no further than this share of the budget."""
FITS, TIGHT, DOES_NOT_FIT, UNSUPPORTED, UNKNOWN, OFFLOAD_ONLY = range(6)
BINDINGS = ("weights", "overhead", "kv_cache", "format", "split", "context", "architecture", "memory_facts")
WEIGHTS, OVERHEAD, KV_CACHE, FORMAT, SPLIT, CONTEXT, ARCHITECTURE, NO_FACTS = range(8)

Codes = NDArray[np.int8]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class CardCells:
    """A card's memory, and each engine's settings on it spread over the variants, (V, 1, 1, 1).

    `utilization` and `reserve_gib` have the counts' axis too.
    """

    total_gib: float
    total_spread_gib: float
    utilization: Array
    batched_tokens: Array
    max_sequences: Array
    reserve_gib: Array
    """Taken off the budget on this platform: the system's part of unified memory, ROCm's runtime, and what
    communication over this card's links needs beside the variant's own term."""
    weights_extra_gib: Array
    """Logged with the weights on this platform."""
    reserve_error_gib: Array
    edge: float
    tflops: Array

    @property
    def budget_gib(self) -> Array:
        """What an engine may use of one card."""
        return self.total_gib * self.utilization - self.reserve_gib

    def part(self, start: int, stop: int) -> CardCells:
        """The card's settings for the variants [start, stop)."""
        columns = {
            field.name: getattr(self, field.name)[start:stop]
            for field in fields(self)
            if isinstance(getattr(self, field.name), np.ndarray)
        }
        return replace(self, **columns)


def engine_version(terms: MatrixTerms, engine: int) -> str | None:
    """The matrix's engine has the version asked for, llama.cpp its newest."""
    return terms.version if terms.engines[engine] != "llama.cpp" else None


def card_cells(profile: GpuProfile, terms: MatrixTerms) -> CardCells:
    """The engines' defaults on the card, spread over the variants that they serve."""
    memory = profile.memory
    splits = np.stack([terms.tp, terms.pp], axis=-1).reshape(-1, 2)
    different, chosen = np.unique(splits, axis=0, return_inverse=True)
    sizes = [(int(tp), int(pp)) for tp, pp in different]
    rules = [
        {
            size: card_rules(
                memory.gib,
                profile.name,
                rocm=profile.vendor == "amd",
                unified=profile.unified_memory,
                engine=engine,
                version=engine_version(terms, code) or "",
                ranks=size[0],
                stages=size[1],
                pcie=profile.interconnect == "pcie",
            )
            for size in sizes
        }
        for code, engine in enumerate(terms.engines)
    ]
    plain = [by_size[sizes[0]] for by_size in rules]
    chosen = chosen.reshape(terms.tp.shape)
    flops = np.array(
        [
            [compute_tflops(profile, name, engine, engine_version(terms, code)) for name in terms.schemes]
            for code, engine in enumerate(terms.engines)
        ]
    )

    def column(values: list[float]) -> Array:
        return np.array(values, dtype=np.float64)[terms.engine_codes][:, None, None, None]

    def by_split(values: list[list[float]]) -> Array:
        return np.array(values, dtype=np.float64)[terms.engine_codes[:, None], chosen][:, :, None, None]

    share = by_split([[by_size[size].utilization for size in sizes] for by_size in rules])
    share = share - column([rule.latent_cut for rule in plain]) * terms.latent[:, None, None, None]
    cut = column([float(rule.vision_cut) for rule in plain]) > 0
    share = np.where(cut, share * terms.vision_share[:, None, None, None], share)
    return CardCells(
        total_gib=memory.gib,
        total_spread_gib=(memory.high_gib - memory.low_gib) / 2,
        utilization=share,
        batched_tokens=column([float(rule.batched_tokens) for rule in plain]),
        max_sequences=column([float(rule.max_sequences) for rule in plain]),
        reserve_gib=by_split([[by_size[size].reserve_gib for size in sizes] for by_size in rules]),
        weights_extra_gib=column([rule.weights_extra_gib for rule in plain]),
        reserve_error_gib=column([rule.reserve_error_gib for rule in plain]),
        edge=plain[0].edge,
        tflops=flops[terms.engine_codes, terms.scheme_codes][:, None, None, None],
    )


def refusals(terms: MatrixTerms, profile: GpuProfile) -> tuple[Codes, Codes]:
    """What no arithmetic changes: verdict code (or -1) and binding over (variant, count, KV dtype)."""
    size = len(terms.variant_ids)
    refused, unsure = np.zeros(size, dtype=bool), np.zeros(size, dtype=bool)
    for scheme, engine in sorted(
        set(zip(terms.scheme_codes.tolist(), terms.engine_codes.tolist(), strict=True))
    ):
        level = quantization_support(
            terms.schemes[scheme], profile, terms.engines[engine], engine_version(terms, engine)
        ).level
        here = (terms.scheme_codes == scheme) & (terms.engine_codes == engine)
        refused |= here & (level == "unsupported")
        unsure |= here & (level == "unknown")
    cache = np.array(
        [
            [kv_cache_support(dtype, profile, name, engine_version(terms, code)).level for dtype in KV_DTYPES]
            for code, name in enumerate(terms.engines)
        ]
    )[terms.engine_codes][:, None, :]
    shape = (size, len(COUNTS), len(KV_DTYPES))
    verdict, binding = np.full(shape, -1, dtype=np.int8), np.full(shape, -1, dtype=np.int8)

    def mark(where: Any, code: int, why: int) -> None:
        spots = np.broadcast_to(where, shape) & (verdict < 0)
        verdict[spots], binding[spots] = code, why

    alone = profile.interconnect == "none"
    mark(refused[:, None, None], UNSUPPORTED, FORMAT)
    mark((alone & (np.array(COUNTS) > 1))[None, :, None], UNSUPPORTED, SPLIT)
    mark(~terms.split_legal[:, :, None], UNSUPPORTED, SPLIT)
    mark(cache == "unsupported", UNSUPPORTED, FORMAT)
    modelled = terms.modelled[:, None, None]
    mark(unsure[:, None, None] & modelled, UNKNOWN, FORMAT)
    mark((cache == "unknown") & modelled, UNKNOWN, FORMAT)
    return verdict, binding


@dataclass(frozen=True, slots=True)
class Cells:
    """All columns of a block of the matrix, and which of them hold a value."""

    verdict: Codes
    binding: Codes
    contexts: Array
    """(V, 1, 1, contexts); NaN where the declared context is unknown."""
    pool_gib: Array
    required_gib: Array
    concurrency: Array
    max_context: Array
    decode_low: Array
    decode_high: Array
    started: Flags
    counted: Flags
    """The arithmetic decided the verdict."""
    modelled: Flags
    """Counted, with the architecture known."""


def evaluate_cells(
    terms: MatrixTerms, profile: GpuProfile, card: CardCells, refusal: tuple[Codes, Codes]
) -> Cells:
    """Verdict, capacity and speed of every cell: one request of the context must fit."""
    size = len(terms.variant_ids)
    contexts = np.empty((size, 1, 1, len(CONTEXTS) + 1))
    contexts[..., :-1] = CONTEXTS
    contexts[..., -1] = terms.declared_context[:, None, None]
    asked = np.where(np.isnan(contexts), 1.0, contexts)
    cell, batch, sequences = terms.memory, card.batched_tokens, card.max_sequences
    with np.errstate(all="ignore"):
        raw = formulas.pool_gib(cell, card.total_gib, card.utilization, batch, sequences)
        low, _ = formulas.pool_band_gib(cell, card.total_gib, card.utilization, batch, sequences)
        pool = np.asarray(raw - card.reserve_gib - card.weights_extra_gib)
        needed = formulas.required_gib(cell, asked, 1.0, batch, sequences)
        required = np.asarray(needed + card.weights_extra_gib)
        spread = np.hypot(raw - low, card.reserve_error_gib + card.total_spread_gib)
        spread = np.minimum(spread, card.budget_gib * LARGEST_SPREAD)
        codes = formulas.verdict_codes(required, card.budget_gib, card.edge, spread)
        concurrency = np.asarray(formulas.capacity_requests(cell, pool, asked, batch), dtype=np.float64)
        longest = np.asarray(formulas.max_context_tokens(cell, pool, 1.0, batch), dtype=np.float64)
        overhead = np.asarray(formulas.overhead_gib(cell, batch, sequences)) + card.weights_extra_gib
        speeds = _decode(terms, profile, card, contexts)
    verdict, binding = _verdicts(terms, card, codes, overhead, contexts, refusal)
    started = (verdict == FITS) | (verdict == TIGHT)
    counted = started | (verdict == DOES_NOT_FIT) | (verdict == OFFLOAD_ONLY)
    return Cells(
        verdict=verdict,
        binding=binding,
        contexts=contexts,
        pool_gib=pool,
        required_gib=required,
        concurrency=concurrency,
        max_context=longest,
        decode_low=speeds[0],
        decode_high=speeds[1],
        started=started,
        counted=counted,
        modelled=counted & terms.modelled[:, None, None, None],
    )


def _verdicts(
    terms: MatrixTerms,
    card: CardCells,
    codes: Codes,
    overhead: Array,
    contexts: Array,
    refusal: tuple[Codes, Codes],
) -> tuple[Codes, Codes]:
    """Verdict and binding codes: refusals first, then what is not known, then the arithmetic."""
    shape = (*refusal[0].shape, contexts.shape[3])
    verdict = np.array(np.broadcast_to(codes, shape), dtype=np.int8)
    weights, budget = np.asarray(terms.memory.weights_gib), card.budget_gib
    start = np.where(weights + overhead > budget, OVERHEAD, KV_CACHE)
    start = np.where(weights > budget, WEIGHTS, start).astype(np.int8)
    binding = np.where(verdict == FITS, np.int8(-1), start)

    def put(where: Any, code: int, reason: int) -> None:
        if where.any():
            spots = np.broadcast_to(where, shape)
            verdict[spots], binding[spots] = code, reason

    offloads = np.array([engine == "llama.cpp" for engine in terms.engines])[terms.engine_codes]
    verdict[offloads[:, None, None, None] & (verdict == DOES_NOT_FIT)] = OFFLOAD_ONLY
    blind = ~terms.modelled[:, None, None, None]
    over = weights * (1.0 - terms.memory.weights_relative_error) > card.total_gib + card.total_spread_gib
    put(blind & ~over, UNKNOWN, ARCHITECTURE)
    put(blind & over, DOES_NOT_FIT, WEIGHTS)
    put(~terms.has_weights[:, None, None, None], UNKNOWN, NO_FACTS)
    put(~blind & np.isnan(contexts), UNKNOWN, CONTEXT)
    put(contexts > terms.declared_context[:, None, None, None], UNSUPPORTED, CONTEXT)
    refused = (refusal[0] >= 0)[..., None]
    if refused.any():
        verdict = np.where(refused, refusal[0][..., None], verdict)
        binding = np.where(refused, refusal[1][..., None], binding)
    return verdict, binding


def _decode(terms: MatrixTerms, profile: GpuProfile, card: CardCells, contexts: Array) -> tuple[Array, Array]:
    """Tokens per second of a single request at the cell's context, slow and fast end."""
    machine = hardware(profile, card.tflops, terms.tp[:, :, None, None], terms.pp[:, :, None, None])
    kv_gib = terms.memory.kv_bytes_per_token * contexts / formulas.GIB
    constants = speed_constants()
    low, high = (
        decode_tokens_per_s(terms.speed, machine, terms.memory.weights_gib, kv_gib, 1.0, constants[end])
        for end in ("low", "high")
    )
    return np.asarray(low), np.asarray(high)
