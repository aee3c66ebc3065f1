"""The memory arithmetic of fit, written once over arrays: a single answer and the whole matrix call these
functions.

Shapes. A *cell* is one question (variant, GPU, utilization, context, ...). Every argument is a float or an
array that broadcasts to the shape of the cells. The fields of `VariantTerms` that start with `kind_` carry
one more axis in FRONT, of length K: the kinds of KV-cache group a model has (full attention, sliding
window, state, ...). A scalar variant therefore holds `kind_*` of shape (K,) and broadcasts against any
array of cells; `stack_terms` puts many variants side by side, giving `kind_*` of shape (K, V) and every
other field shape (V,).

Units. GiB are 2**30 bytes and per GPU (of the largest rank). Tokens, requests and contexts are for the
whole engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

GIB = float(1 << 30)

Array = NDArray[np.float64]
Floats = float | Array

FITS, TIGHT, DOES_NOT_FIT = 0, 1, 2


@dataclass(frozen=True, slots=True)
class VariantTerms:
    """All that the formulas need of one variant under one plan (tensor and pipeline parallel size, KV
    dtype, engine).

    Built by `memory.variant_terms`; nothing in it depends on the GPU's size, the context or the
    concurrency.

    One request at a context of `c` tokens takes, in each of `kind_groups[k]` groups of kind `k`,
    `ceil(min(c, limit) / kind_block_tokens[k]) + kind_extra_blocks[k]` blocks, where
    `limit = kind_limit_tokens[k] + kind_in_flight[k] * batched_tokens`. Full attention has an infinite
    limit, a sliding window `window - 1` with in-flight 1, a recurrent state limit 0 (only its extra
    blocks).
    """

    weights_gib: Floats
    """Weights of the largest rank, with the rotary cache; the engine's own figure when it logs one."""
    weights_relative_error: Floats
    """Half width of the weights' 90 % band, as a share of the weights."""
    bytes_per_block: Floats
    """Bytes of one block: the unified page times the layers of a group (per GPU)."""
    kv_bytes_per_token: Floats
    """Bytes one more token of a long request costs on one GPU (full-attention layers only)."""
    sampler_bytes_per_sequence: Floats
    sampler_bytes_per_token: Floats
    """Hidden states that live through sampling."""
    forward_bytes_per_token: Floats
    activation_fixed_gib: Floats
    """A floor under the activation peak: the vision encoder or an early engine's measured floor."""
    activation_extra_gib: Floats
    """Added to the activation peak whatever the batch (work spaces of kernels)."""
    activation_share: Floats
    """1 where the engine takes the activation peak off the pool (vLLM), 0 where it does not (SGLang)."""
    graphs_gib: Floats
    graphs_share: Floats
    """1 where the engine takes the CUDA-graph estimate off the pool, 0 where graphs come on top of it."""
    non_torch_gib: Floats
    overhead_relative_error: Floats
    overhead_error_gib: Floats
    """Half width of the overhead's 90 % band: a share of it plus a fixed part."""
    declared_context_tokens: Floats
    kind_block_tokens: Array
    kind_limit_tokens: Array
    kind_in_flight: Array
    kind_extra_blocks: Array
    kind_groups: Array

    @property
    def kinds(self) -> int:
        """K, the length of the first axis of every `kind_` field."""
        return int(self.kind_groups.shape[0])


def stack_terms(variants: Sequence[VariantTerms]) -> VariantTerms:
    """Many scalar variants side by side: plain fields get shape (V,), `kind_` fields (K, V).

    Variants with fewer kinds are padded with kinds of zero groups, which add nothing to any sum.
    """
    kinds = max(variant.kinds for variant in variants)
    padding = {"kind_block_tokens": 1.0}
    stacked: dict[str, Any] = {}
    for field in fields(VariantTerms):
        values = [getattr(variant, field.name) for variant in variants]
        if field.name.startswith("kind_"):
            column = np.full((kinds, len(variants)), padding.get(field.name, 0.0))
            for index, value in enumerate(values):
                column[: value.shape[0], index] = value
            stacked[field.name] = column
        else:
            stacked[field.name] = np.array(values, dtype=np.float64)
    return VariantTerms(**stacked)


def activation_gib(terms: VariantTerms, batched_tokens: Floats, max_sequences: Floats) -> Floats:
    """Peak activation of the profile run: the largest of sampler, forward pass and vision encoder."""
    sampler = (
        terms.sampler_bytes_per_sequence * max_sequences + terms.sampler_bytes_per_token * batched_tokens
    ) / GIB
    forward = terms.forward_bytes_per_token * batched_tokens / GIB
    peak: Floats = np.maximum(np.maximum(sampler, forward), terms.activation_fixed_gib)
    return peak + terms.activation_extra_gib


def overhead_gib(terms: VariantTerms, batched_tokens: Floats, max_sequences: Floats) -> Floats:
    """What the engine deducts from its budget beside the weights: non-torch, activation peak and graphs."""
    activation = activation_gib(terms, batched_tokens, max_sequences) * terms.activation_share
    return terms.non_torch_gib + activation + terms.graphs_gib * terms.graphs_share


def pool_gib(
    terms: VariantTerms, total_gib: Floats, utilization: Floats, batched_tokens: Floats, max_sequences: Floats
) -> Floats:
    """GiB per GPU left for the KV cache; negative when the weights alone go over the budget.

    vLLM: total x utilization - weights - non-torch - activation peak - graphs (from 0.21 on).
    SGLang: free after load - total x (1 - mem_fraction_static), that is total x fraction - weights - non-
    torch.
    """
    return total_gib * utilization - terms.weights_gib - overhead_gib(terms, batched_tokens, max_sequences)


def pool_band_gib(
    terms: VariantTerms, total_gib: Floats, utilization: Floats, batched_tokens: Floats, max_sequences: Floats
) -> tuple[Floats, Floats]:
    """Low and high end of the pool's 90 % band: the point and the spread of weights and overhead."""
    pool = pool_gib(terms, total_gib, utilization, batched_tokens, max_sequences)
    overhead = overhead_gib(terms, batched_tokens, max_sequences)
    spread = np.hypot(
        terms.weights_gib * terms.weights_relative_error,
        np.abs(overhead) * terms.overhead_relative_error + terms.overhead_error_gib,
    )
    return pool - spread, pool + spread


def pool_blocks(terms: VariantTerms, pool: Floats) -> Floats:
    """Whole KV blocks in a pool of `pool` GiB per GPU."""
    blocks: Floats = np.maximum(np.floor(pool * GIB / terms.bytes_per_block), 0.0)
    return blocks


def request_blocks(terms: VariantTerms, context_tokens: Floats, batched_tokens: Floats) -> Floats:
    """Blocks one request of `context_tokens` takes, summed over all groups."""
    total: Floats = 0.0
    for kind in range(terms.kinds):
        limit = terms.kind_limit_tokens[kind] + terms.kind_in_flight[kind] * batched_tokens
        held = np.ceil(np.minimum(context_tokens, limit) / terms.kind_block_tokens[kind])
        total = total + terms.kind_groups[kind] * (held + terms.kind_extra_blocks[kind])
    return total


def capacity_requests(
    terms: VariantTerms, pool: Floats, context_tokens: Floats, batched_tokens: Floats
) -> Floats:
    """Requests of `context_tokens` that fit at once (the engine's "maximum concurrency", a fraction)."""
    need = request_blocks(terms, context_tokens, batched_tokens)
    requests: Floats = pool_blocks(terms, pool) / np.maximum(need, 1.0)
    return requests


def request_gib(terms: VariantTerms, context_tokens: Floats, batched_tokens: Floats) -> Floats:
    """GiB per GPU of KV cache that one request of `context_tokens` needs."""
    return request_blocks(terms, context_tokens, batched_tokens) * terms.bytes_per_block / GIB


def max_context_tokens(
    terms: VariantTerms, pool: Floats, concurrency: Floats, batched_tokens: Floats
) -> Floats:
    """Longest context at which `concurrency` requests fit, capped at the declared context; 0 when none
    does.

    `request_blocks` is a rising staircase in the context, and between the limits of its kinds it is linear
    at multiples of the largest block; each segment is solved in closed form and the best segment wins.
    Rounded down to whole blocks, so the answer always fits.
    """
    blocks = np.floor(pool_blocks(terms, pool) / np.maximum(concurrency, 1.0))
    limits = [
        terms.kind_limit_tokens[kind] + terms.kind_in_flight[kind] * batched_tokens
        for kind in range(terms.kinds)
    ]
    step: Floats = 1.0
    for kind in range(terms.kinds):
        used = (terms.kind_groups[kind] > 0) & (limits[kind] > 0)
        step = np.maximum(step, np.where(used, terms.kind_block_tokens[kind], 1.0))
    best: Floats = 0.0
    for upper in [np.asarray(np.inf), *limits]:
        fixed: Floats = 0.0
        rate: Floats = 0.0
        lower: Floats = 0.0
        for kind in range(terms.kinds):
            grows = limits[kind] >= upper
            groups, block = terms.kind_groups[kind], terms.kind_block_tokens[kind]
            finite = np.where(np.isinf(limits[kind]), 0.0, limits[kind])
            held = np.where(grows, 0.0, np.ceil(finite / block))
            fixed = fixed + groups * (held + terms.kind_extra_blocks[kind])
            rate = rate + np.where(grows, groups / block, 0.0)
            lower = np.where(grows, lower, np.maximum(lower, np.where(groups > 0, finite, 0.0)))
        room = np.maximum(blocks - fixed, 0.0)
        reach = np.floor(room / np.maximum(rate, 1e-12) / step + 1e-9) * step
        reach = np.where(rate > 0, reach, np.where(blocks >= fixed, np.inf, 0.0))
        reach = np.minimum(reach, upper)
        best = np.maximum(best, np.where(reach > lower, reach, 0.0))
    capped: Floats = np.minimum(best, terms.declared_context_tokens)
    return capped


def required_gib(
    terms: VariantTerms,
    context_tokens: Floats,
    concurrency: Floats,
    batched_tokens: Floats,
    max_sequences: Floats,
) -> Floats:
    """GiB per GPU that a start needs: weights, overhead and the KV cache of `concurrency` requests."""
    kv = request_gib(terms, context_tokens, batched_tokens) * concurrency
    return terms.weights_gib + overhead_gib(terms, batched_tokens, max_sequences) + kv


def verdict_codes(
    required: Floats, budget_gib: Floats, edge: float, spread_gib: Floats = 0.0
) -> NDArray[np.int8]:
    """FITS, TIGHT or DOES_NOT_FIT of a need against a budget (total x utilization), both in GiB per GPU.

    TIGHT is within `edge` (a share, 0.03) of the budget either way, or where the need's band crosses the
    budget.
    """
    codes = np.full(np.broadcast(required, budget_gib, spread_gib).shape, TIGHT, dtype=np.int8)
    margin = np.maximum(budget_gib * edge, spread_gib)
    codes[np.asarray(required + margin <= budget_gib)] = FITS
    codes[np.asarray(required - margin > budget_gib)] = DOES_NOT_FIT
    return codes
