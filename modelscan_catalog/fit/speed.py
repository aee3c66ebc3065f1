"""Speed and cost as bands from a roofline: decode by memory bandwidth, prefill by arithmetic, over arrays.

Decode reads the active weights and the KV cache once a step; prefill computes 2 FLOPs per active parameter
and token plus attention; tensor parallelism adds two all-reduces a layer. Units are in the names; GB is 10**9
bytes, GiB 2**30. Unknown inputs are NaN and stay NaN.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from modelscan_catalog.fit.architecture import Architecture, Attention, LatentAttention
from modelscan_catalog.fit.formulas import GIB, Floats
from modelscan_catalog.fit.legality import quantization_support
from modelscan_catalog.fit.profiles import GpuProfile
from modelscan_catalog.fit.quantization import UNQUANTIZED, Scheme
from modelscan_catalog.fit.tables import table
from modelscan_catalog.fit.tensors import tensor_list
from modelscan_catalog.fit.weights import Parallel, tensor_bytes

BASIS = "roofline"
"""Every figure here is an estimate; `measured` figures outrank it."""
COMPUTE_DTYPE = {
    "fp8": "fp8",
    "modelopt_fp8": "fp8",
    "w4a8_fp8": "fp8",
    "mxfp8": "fp8",
    "int8_w8a8": "int8",
    "nvfp4": "fp4",
    "modelopt_mixed": "fp8",
    "mxfp4": "fp4",
}
"""Dtype of the matrix products where the card computes natively in the checkpoint's format."""


@dataclass(frozen=True, slots=True)
class SpeedConstants:
    """One end of the band (or its middle); see `registry/fit/speed.json`."""

    bandwidth_efficiency: float
    step_overhead_ms: float
    compute_efficiency: float
    link_efficiency: float
    allreduce_latency_us: float


@lru_cache(maxsize=1)
def speed_constants() -> Mapping[str, SpeedConstants]:
    """`low` (slow end), `point` and `high` (fast end)."""
    data: dict[str, Any] = table("fit/speed.json")
    return {
        end: SpeedConstants(
            bandwidth_efficiency=data["decode_bandwidth_efficiency"][end],
            step_overhead_ms=data["step_overhead_ms"][{"low": "high", "high": "low"}.get(end, end)],
            compute_efficiency=data["compute_efficiency"][end],
            link_efficiency=data["link_efficiency"][end],
            allreduce_latency_us=data["allreduce_latency_us"][end],
        )
        for end in ("low", "point", "high")
    }


@dataclass(frozen=True, slots=True)
class SpeedTerms:
    """What the speed formulas need of a model; arrays where many variants stand side by side."""

    always_read_share: Floats
    """Share of the resident weights that every decode step reads (all but experts, embedding, vision)."""
    expert_share: Floats
    """Share of the resident weights that are routed experts."""
    expert_top_share: Floats
    """Experts a token uses over experts there are; 0 for a dense model."""
    active_parameters: Floats
    """Parameters that one token is multiplied with."""
    attention_flops_per_token2: Floats
    """FLOPs of causal attention per prompt token squared, all full-attention layers."""
    layers: Floats
    hidden: Floats


@lru_cache(maxsize=256)
def speed_terms(architecture: Architecture, scheme: Scheme = UNQUANTIZED) -> SpeedTerms:
    """Read and active shares of a model, from the bytes of its exact tensor list."""
    always = experts = total = active = 0.0
    widest = architecture.experts
    top_share = widest.top_k / widest.experts if widest and widest.experts else 0.0
    for tensor in tensor_list(architecture):
        if architecture.tied and tensor.role == "embedding":
            continue
        size = tensor_bytes(tensor, scheme, Parallel(), architecture.dtype_bytes)
        total += size
        if tensor.split == "experts":
            experts += size
            active += tensor.elements * top_share
        elif tensor.role != "embedding" and tensor.name != "vision":
            always += size
            active += tensor.elements
    square = 0.0
    for layer in architecture.layers:
        for mixer in (layer.mixer, layer.second_mixer):
            if isinstance(mixer, Attention) and mixer.kind == "full":
                square += mixer.heads * (mixer.head_dim + mixer.value_dim)
            elif isinstance(mixer, LatentAttention):
                square += mixer.heads * (mixer.nope_dim + mixer.rope_dim + mixer.value_dim)
    return SpeedTerms(
        always_read_share=always / total if total else math.nan,
        expert_share=experts / total if total else math.nan,
        expert_top_share=top_share,
        active_parameters=active,
        attention_flops_per_token2=square,
        layers=float(len(architecture.layers)),
        hidden=float(architecture.hidden),
    )


UNKNOWN_SPEED = SpeedTerms(*([math.nan] * 7))
"""For a model whose architecture is not known: every speed is NaN."""


def compute_tflops(
    profile: GpuProfile, scheme: str, engine: str = "vllm", version: str | None = None
) -> float:
    """Dense TFLOPS of one card in the dtype the products run in; NaN where the profile does not know it.

    `scheme` is a name of the legality rules (`legality.rule_scheme`).
    """
    flops = profile.tflops_dense
    half = flops.get("bf16", flops.get("fp16", math.nan))
    dtype = COMPUTE_DTYPE.get(scheme)
    if dtype is None or quantization_support(scheme, profile, engine, version).level != "native":
        return half
    return flops.get(dtype, half)


def _number(value: float | None) -> float:
    return math.nan if value is None else value


@dataclass(frozen=True, slots=True)
class Hardware:
    """Rates of one card and how many work together; arrays broadcast with the terms."""

    bandwidth_gb_s: Floats
    tflops: Floats
    interconnect_gb_s: Floats
    tp: Floats
    pp: Floats


def hardware(profile: GpuProfile, tflops: Floats, tp: Floats, pp: Floats) -> Hardware:
    """The profile's rates, NaN where unknown."""
    return Hardware(_number(profile.bandwidth_gb_s), tflops, _number(profile.interconnect_gb_s), tp, pp)


def read_share(terms: SpeedTerms, batch: Floats) -> Floats:
    """Share of the resident weights one decode step of `batch` tokens reads.

    A batch touches `1 - (1 - top_k / experts)**batch` of the experts when tokens choose independently.
    """
    touched = 1.0 - (1.0 - terms.expert_top_share) ** np.maximum(batch, 1.0)
    return terms.always_read_share + terms.expert_share * touched


def _allreduce_s(terms: SpeedTerms, machine: Hardware, tokens: Floats, constants: SpeedConstants) -> Floats:
    """Seconds of a stage's all-reduces, 2 a layer of 2-byte values; a ring moves 2 (tp - 1) / tp of them."""
    count = 2.0 * terms.layers / machine.pp
    moved = tokens * terms.hidden * 2.0 * 2.0 * (machine.tp - 1.0) / machine.tp
    wire = moved / (machine.interconnect_gb_s * 1e9 * constants.link_efficiency)
    each = constants.allreduce_latency_us * 1e-6 + wire
    seconds: Floats = np.where(np.asarray(machine.tp) > 1, count * each, 0.0)
    return seconds


def decode_tokens_per_s(
    terms: SpeedTerms,
    machine: Hardware,
    weights_gib: Floats,
    kv_gib_per_request: Floats,
    batch: Floats,
    constants: SpeedConstants,
) -> Floats:
    """Tokens per second of the whole engine while `batch` requests decode together.

    `weights_gib` and `kv_gib_per_request` are per GPU (one stage). With pipeline stages the batch goes round
    in `pp` groups, so one token of each request takes `pp` stage times.
    """
    group = np.maximum(np.asarray(batch) / machine.pp, 1.0)
    read_gib = weights_gib * read_share(terms, group) + kv_gib_per_request * group
    memory_s = read_gib * GIB / (machine.bandwidth_gb_s * 1e9 * constants.bandwidth_efficiency)
    flops = 2.0 * terms.active_parameters * group / (machine.tp * machine.pp)
    compute_s = flops / (machine.tflops * 1e12 * constants.compute_efficiency)
    busy_s = np.fmax(memory_s, np.where(np.isnan(memory_s), np.nan, compute_s))
    stage_s = busy_s + _allreduce_s(terms, machine, group, constants)
    tokens: Floats = batch / (machine.pp * stage_s + constants.step_overhead_ms * 1e-3)
    return tokens


def prefill_s(
    terms: SpeedTerms, machine: Hardware, prompt_tokens: Floats, constants: SpeedConstants
) -> Floats:
    """Seconds until the first token of one prompt on an idle engine (time to first token)."""
    linear = 2.0 * terms.active_parameters * prompt_tokens
    attention = terms.attention_flops_per_token2 * np.square(np.asarray(prompt_tokens, dtype=np.float64))
    rate = machine.tflops * 1e12 * constants.compute_efficiency * machine.tp
    compute = (linear + attention) / rate
    wire = _allreduce_s(terms, machine, prompt_tokens, constants) * machine.pp
    seconds: Floats = compute + wire + constants.step_overhead_ms * 1e-3
    return seconds


@dataclass(frozen=True, slots=True)
class Band:
    """Low, middle and high of an estimate; NaN where an input is unknown."""

    low: float
    point: float
    high: float
    basis: str = BASIS

    @property
    def known(self) -> bool:
        """False when an input of the estimate is unknown."""
        return not math.isnan(self.point)


def decode_band(
    terms: SpeedTerms, machine: Hardware, weights_gib: float, kv_gib_per_request: float, batch: float
) -> Band:
    """Decode tokens per second of the engine, with its band."""
    ends = {
        end: float(decode_tokens_per_s(terms, machine, weights_gib, kv_gib_per_request, batch, constants))
        for end, constants in speed_constants().items()
    }
    return Band(ends["low"], ends["point"], ends["high"])


def ttft_band(terms: SpeedTerms, machine: Hardware, prompt_tokens: float) -> Band:
    """Time to first token in seconds; low is the fast end."""
    ends = {end: float(prefill_s(terms, machine, prompt_tokens, c)) for end, c in speed_constants().items()}
    return Band(ends["high"], ends["point"], ends["low"])


def usd_per_mtok(usd_per_hour: Floats, tokens_per_s: Floats) -> Floats:
    """USD per million tokens of cards that cost `usd_per_hour` together and produce `tokens_per_s`."""
    return usd_per_hour / (tokens_per_s * 3600.0) * 1e6


def break_even_tokens_per_s(usd_per_hour: Floats, offer_usd_per_mtok: Floats) -> Floats:
    """Sustained tokens per second above which the cards cost less than the offer; infinite for a free one."""
    price = np.asarray(offer_usd_per_mtok, dtype=np.float64)
    with np.errstate(divide="ignore"):
        rate: Floats = np.where(price > 0, usd_per_hour / price * 1e6 / 3600.0, np.inf)
    return rate


def break_even_load(usd_per_hour: Floats, tokens_per_s: Floats, offer_usd_per_mtok: Floats) -> Floats:
    """Share of the engine's capacity that must be used all day to match the offer; above 1 it never does."""
    return break_even_tokens_per_s(usd_per_hour, offer_usd_per_mtok) / tokens_per_s


def blended_usd_per_mtok(input_usd: Floats, output_usd: Floats, input_per_output: Floats) -> Floats:
    """An offer's price per million output tokens when each comes with `input_per_output` input tokens."""
    return output_usd + input_usd * input_per_output
