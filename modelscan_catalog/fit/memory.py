"""From architecture, storage scheme and plan to the `VariantTerms` that the formulas run on.

Everything here is computed once for a variant under a plan; what depends on the card, the context or the
concurrency is left to `formulas`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf

import numpy as np

from modelscan_catalog.errors import FitInputError
from modelscan_catalog.fit.architecture import (
    Architecture,
    Attention,
    CompressedAttention,
    DeltaNet,
    Mamba,
)
from modelscan_catalog.fit.engine_rules import EngineRules, engine_rules
from modelscan_catalog.fit.formulas import GIB, VariantTerms
from modelscan_catalog.fit.kv import KvLayout, KvRules, kv_layout
from modelscan_catalog.fit.quant_formats import UNPADDED, Padding, expert_padding
from modelscan_catalog.fit.quantization import Scheme
from modelscan_catalog.fit.tables import constant, table
from modelscan_catalog.fit.tensors import parameter_count, tensor_list
from modelscan_catalog.fit.weights import Parallel, StageWeights, largest_stage, stage_weights

KV_BYTES = {
    "auto": 2.0,
    "bf16": 2.0,
    "bfloat16": 2.0,
    "fp16": 2.0,
    "float16": 2.0,
    "half": 2.0,
    "fp8": 1.0,
    "fp8_e4m3": 1.0,
    "fp8_e5m2": 1.0,
    "fp8_inc": 1.0,
    "fp8_ds_mla": 1.0,
    "fp8_per_token_head": 1.0,
    "int8_per_token_head": 1.0,
    "float32": 4.0,
    "int8": 1.0,
    "q8_0": 1.0625,
    "q4_0": 0.5625,
    "nvfp4": 0.5625,
}


SINGLE = Parallel()
LARGEST_DISAGREEMENT = 0.15
"""A stated parameter count further off than this is another way of counting, and said so."""
LEAST_SHARE, MOST_SHARE = 0.9, 1.5
"""Stated bytes over the architecture's: below, files are missing; above, it is another storage."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a variant is served, beside the card: parallel sizes, engine, KV dtype and options."""

    parallel: Parallel = SINGLE
    engine: str = "vllm"
    engine_version: str = ""
    kv_cache_dtype: str = "auto"
    speculative_tokens: int = 0
    enforce_eager: bool = False
    exact_parameters: int | None = None
    """The publisher's parameter count, which corrects what the shapes miss."""
    checkpoint_bytes: int | None = None
    """The safetensors index's total_size, or the file sizes' sum."""
    lora_rank: int = 0
    lora_count: int = 1
    lora_assumed: bool = False
    """The rank is not stated but usual: the weights' band reaches down to none."""
    draft_gib: float = 0.0
    """Weights of a separate draft model, per GPU."""
    draft_full_layers: int = 0
    """Full-attention layers of a separate draft model of the target's KV shape; they share the pool."""
    known_weights_gib: float = 0.0
    """Measured weights of the checkpoint on one GPU, which outrank the layout's."""
    prefix_states: bool = False
    padding: Padding | None = None
    """How the card's kernels pad MXFP4 experts; None takes the padding of unnamed cards."""
    vision: bool = True
    rounding: bool = True
    """Logged weights hold the allocator's rounding; ROCm builds log them from the driver, without it."""

    @property
    def rules(self) -> EngineRules:
        """The engine version's rules; raises FitInputError for unknown ones."""
        return engine_rules(self.engine, self.engine_version)


def kv_element_bytes(plan: Plan, scheme: Scheme, architecture: Architecture) -> float:
    """Bytes of a cached number: the dtype asked for, or for `auto` the checkpoint's own scheme or dtype.

    Raises FitInputError for an unknown dtype.
    """
    name = plan.kv_cache_dtype.strip().lower() or "auto"
    if name not in KV_BYTES:
        raise FitInputError(
            f"kv_cache_dtype {name[:40]!r} is not known; use one of {', '.join(sorted(KV_BYTES))}",
            field="kv_cache_dtype",
        )
    if name == "auto":
        if scheme.kv_fp8 and plan.rules.checkpoint_kv_dtype:
            return 1.0
        return float(architecture.dtype_bytes) if architecture.dtype_bytes == 2 else 4.0
    return KV_BYTES[name]


def uses_draft_layers(architecture: Architecture, plan: Plan) -> bool:
    """Whether speculation loads the model's own multi-token-prediction layers."""
    return plan.speculative_tokens > 0 and bool(architecture.draft_layers) and plan.draft_gib == 0


def correction_factor(architecture: Architecture, exact_parameters: int | None) -> float:
    """How much the shapes are off by the publisher's count, 1 when they agree within 0.02 % or it cannot be
    meant.

    Counts with or without draft layers and tied heads all occur; packed checkpoints count words, not
    weights, so only differences under 8 % are taken as parameters that the shapes miss.
    """
    if not exact_parameters:
        return 1.0
    bare = parameter_count(architecture)
    head = architecture.vocabulary * architecture.hidden
    drafted = parameter_count(architecture, with_draft=True)
    text = bare - (architecture.vision.parameters if architecture.vision else 0)
    for known in (bare, drafted, bare + head, drafted + 2 * head, text):
        if abs(exact_parameters / known - 1) < 2e-4:
            return 1.0
    ratio = exact_parameters / bare
    return ratio if abs(ratio - 1) < 0.08 else 1.0


@lru_cache(maxsize=64)
def whole_bytes(architecture: Architecture, scheme: Scheme) -> float:
    """Bytes of all tensors as the scheme stores them, on one card."""
    return stage_weights(architecture, scheme, SINGLE, latent_copies=False)[0].weights_bytes


def contradictions(architecture: Architecture, scheme: Scheme, plan: Plan) -> tuple[str, ...]:
    """Stated counts that the architecture contradicts and that are therefore left out of account.

    Packed checkpoints count words or weights, as their publishers like; an index's total may lack files.
    """
    found = []
    if plan.exact_parameters:
        bare = parameter_count(architecture)
        if abs(plan.exact_parameters / bare - 1) > LARGEST_DISAGREEMENT:
            found.append(f"{plan.exact_parameters:,} parameters stated, {bare:,} by the architecture")
    if plan.checkpoint_bytes:
        whole = whole_bytes(architecture, scheme)
        if not LEAST_SHARE <= plan.checkpoint_bytes / whole <= MOST_SHARE:
            sizes = f"{plan.checkpoint_bytes / GIB:.2f} GiB stated, {whole / GIB:.2f} by the architecture"
            found.append(f"weights of {sizes}")
    return tuple(found)


def plan_weights(architecture: Architecture, scheme: Scheme, plan: Plan) -> list[StageWeights]:
    """Weights of each pipeline stage's rank, as the engine would log them."""
    model = architecture if plan.vision else replace(architecture, vision=None)
    rules = plan.rules
    packed = scheme.default is not None and scheme.default.name == "mxfp4" and scheme.experts_only
    served = packed and rules.engine != "llama.cpp"
    stages = stage_weights(
        model,
        scheme,
        plan.parallel,
        with_draft=uses_draft_layers(architecture, plan),
        latent_copies=rules.latent_copies,
        padding=(plan.padding or expert_padding("")) if served else UNPADDED,
        correction=correction_factor(architecture, plan.exact_parameters),
    )
    if not plan.rounding:
        stages = [replace(stage, rounding_bytes=0.0) for stage in stages]
    if plan.checkpoint_bytes:
        share = plan.checkpoint_bytes / whole_bytes(model, scheme)
        if LEAST_SHARE <= share <= MOST_SHARE:
            stages = [replace(stage, weights_bytes=stage.weights_bytes * share) for stage in stages]
    if plan.known_weights_gib:
        share = plan.known_weights_gib * GIB / whole_bytes(model, scheme)
        stages = [replace(stage, weights_bytes=stage.weights_bytes * share) for stage in stages]
    return stages


def lora_gib(architecture: Architecture, plan: Plan) -> float:
    """Buffers of `lora_count` adapters of `lora_rank` on every linear layer: rank x (inputs + outputs) x 2
    B each; the embedding and the head have theirs where the model's class says so.
    """
    if not plan.lora_rank:
        return 0.0
    edges = sum(
        tensor.copies * (tensor.rows + tensor.columns)
        for tensor in tensor_list(architecture)
        if tensor.role == "linear" and tensor.layer >= 0
    )
    each = plan.lora_rank * edges
    facts = table("fit/unsloth.json")
    if architecture.name in facts["embedding_classes"]:
        rows = architecture.vocabulary + facts["extra_rows"]
        each += 2 * (
            plan.lora_rank * (rows + architecture.hidden) + facts["extra_rows"] * architecture.hidden
        )
    return plan.lora_count * each * 2.0 / plan.parallel.tensor / plan.parallel.pipeline / GIB


def layout_of(architecture: Architecture, scheme: Scheme, plan: Plan, first: int, last: int) -> KvLayout:
    """The KV layout of the layers of a stage on one rank."""
    rules = plan.rules
    kv: KvRules = replace(rules.kv, prefix_states=plan.prefix_states)
    element = kv_element_bytes(plan, scheme, architecture)
    layout = kv_layout(
        architecture,
        kv,
        first_layer=first,
        last_layer=last,
        ranks=plan.parallel.tensor,
        kv_bytes=element,
        sparse_fp8=rules.engine == "v1"
        and (element == 1.0 or (rules.sparse_auto_fp8 and plan.kv_cache_dtype == "auto")),
        drafts=plan.speculative_tokens,
        draft_layers=uses_draft_layers(architecture, plan),
        draft_full_layers=plan.draft_full_layers,
        decode_context=plan.parallel.decode_context,
    )
    return (
        _pools_apart(architecture, layout, plan, first, last, element) if rules.engine == "sglang" else layout
    )


def stages_layout(
    architecture: Architecture, scheme: Scheme, plan: Plan, stages: Sequence[StageWeights]
) -> KvLayout:
    """The KV layout of the stage whose cache a long request fills the most.

    All stages hold the same number of blocks, the fewest that one of them has room for (vLLM's
    ``get_kv_cache_configs``). That this stage also holds the heaviest weights is assumed, so the capacity of
    uneven stages is a lower bound.
    """
    layouts = [layout_of(architecture, scheme, plan, one.first_layer, one.last_layer) for one in stages]
    return max(layouts, key=lambda layout: layout.held_bytes(float(architecture.context)))


def _pools_apart(
    architecture: Architecture, layout: KvLayout, plan: Plan, first: int, last: int, element: float
) -> KvLayout:
    """SGLang: a token costs its full layers, a fixed share of its sliding layers, and the states' share on
    top.
    """
    rules, ranks = plan.rules, plan.parallel.tensor
    mixers = [layer.mixer for layer in architecture.layers[first:last]]
    sliding = [mixer for mixer in mixers if isinstance(mixer, Attention) and mixer.kind == "sliding"]
    window = sum(max(1.0, one.kv_heads / ranks) * (one.head_dim + one.value_dim) * element for one in sliding)
    size = layout.token_bytes if layout.token_bytes else layout.bytes_per_block
    if len(sliding) < len([mixer for mixer in mixers if isinstance(mixer, Attention)]):
        size = size - window * (1 - rules.window_share)
    if any(isinstance(mixer, DeltaNet | Mamba) for mixer in mixers):
        size *= 1 + rules.state_share
    return replace(
        layout,
        bytes_per_block=size,
        block_tokens=np.array([float(plan.parallel.decode_context)]),
        limit_tokens=np.array([inf]),
        in_flight=np.zeros(1),
        extra_blocks=np.zeros(1),
        groups=np.ones(1),
    )


def non_torch_gib(ranks: int, *, small: bool = False, pcie: bool = False) -> float:
    """Communication buffers and the driver's own, by the ranks of a group; between the fitted sizes the
    next one.

    `small`: a card under 38 GiB alone; `pcie`: ranks without a fast link, whose collectives keep fewer
    buffers.
    """
    if ranks == 1 and small:
        return constant("non_torch_small")
    if ranks > 1 and pcie:
        return constant("non_torch_pcie")
    return constant(f"non_torch_{next((size for size in (1, 2, 4, 8) if ranks <= size), 8)}")


def is_recurrent(architecture: Architecture) -> bool:
    """Whether any layer keeps a recurrent state."""
    return any(isinstance(layer.mixer, DeltaNet | Mamba) for layer in architecture.layers)


def recurrent_gib(architecture: Architecture, plan: Plan) -> float:
    """Work space of the recurrent kernels beside the allocator, on several ranks."""
    several = plan.parallel.tensor > 1
    return constant("non_torch_recurrent") if several and is_recurrent(architecture) else 0.0


def context_gib(rules: EngineRules, ranks: int) -> float:
    """What versions that count CUDA's context log beyond the usual non-torch memory."""
    if not rules.context_counted:
        return 0.0
    return max(0.0, constant("non_torch_context") * min(ranks, 2) - non_torch_gib(ranks))


def runtime_gib(rules: EngineRules) -> float:
    """The driver's context, which SGLang's pool pays for (it starts from free memory) and vLLM's does not."""
    return constant("sglang_runtime") if rules.engine == "sglang" else 0.0


def forward_bytes_per_token(architecture: Architecture, ranks: int) -> float:
    """Activation bytes a batched token: the dense block's, or the experts' where they are wider."""
    hidden = architecture.hidden
    dense = constant("dense_forward") * (architecture.intermediate / ranks + hidden)
    experts = architecture.experts
    if experts is None:
        return dense
    routed = experts.top_k * (3 * experts.intermediate / ranks + hidden) + 3 * hidden
    return constant("expert_forward") * routed


def graphs_estimate_gib(plan: Plan) -> float:
    """What vLLM sets aside for CUDA graphs: more with speculation; 0 when eager."""
    if plan.enforce_eager:
        return 0.0
    if plan.speculative_tokens or plan.draft_gib:
        return constant("graphs_speculative")
    return constant("graphs_plain")


def bands_of(architecture: Architecture, scheme: Scheme) -> tuple[float, float, float]:
    """Half widths of the 90 % bands: weights (share), overhead (share) and overhead (GiB)."""
    bands = table("fit/bands.json")
    stored = scheme.default is None and not scheme.rules
    weights = bands["weights"]["exact" if stored else "hybrid" if is_recurrent(architecture) else "quantized"]
    if not scheme.certain:
        weights = bands["weights"]["label"]
    if architecture.assumed or any(
        isinstance(layer.mixer, CompressedAttention) for layer in architecture.layers
    ):
        weights = bands["weights"]["assumed"]
    return float(weights), float(bands["overhead"]["share"]), float(bands["overhead"]["gib"])


def variant_terms(architecture: Architecture, scheme: Scheme, plan: Plan) -> VariantTerms:
    """All that the formulas need of a variant under a plan: the most weights and the most cache of a rank.

    Raises FitInputError for an unknown engine, version or KV dtype, or more stages than layers.
    """
    if plan.parallel.pipeline > len(architecture.layers):
        raise FitInputError(
            f"pp {plan.parallel.pipeline} is more than the model's {len(architecture.layers)} layers",
            field="pp",
        )
    rules = plan.rules
    stages = plan_weights(architecture, scheme, plan)
    stage = largest_stage(stages)
    layout = stages_layout(architecture, scheme, plan, stages)
    lora = lora_gib(architecture, plan)
    extra = lora + plan.draft_gib
    sampler = constant(f"sampler_{rules.sampler}") * architecture.vocabulary
    vision = architecture.vision if plan.vision else None
    weights_error, share, error_gib = bands_of(architecture, scheme)
    if plan.lora_assumed:
        weights_error += lora / (stage.total_gib + extra)
    uneven = 1 - min(one.total_gib for one in stages) / stage.total_gib  # a log may be of any stage
    return VariantTerms(
        weights_gib=stage.total_gib + extra,
        weights_relative_error=weights_error + uneven,
        bytes_per_block=layout.bytes_per_block,
        kv_bytes_per_token=layout.token_bytes,
        sampler_bytes_per_sequence=sampler,
        sampler_bytes_per_token=constant("sampler_hidden") * architecture.hidden,
        forward_bytes_per_token=forward_bytes_per_token(architecture, plan.parallel.tensor),
        activation_fixed_gib=vision.peak_bytes / GIB if vision else 0.0,
        activation_extra_gib=0.0,
        activation_share=0.0 if rules.engine == "sglang" else 1.0,
        graphs_gib=graphs_estimate_gib(plan),
        graphs_share=1.0 if rules.graphs_deducted else 0.0,
        non_torch_gib=non_torch_gib(plan.parallel.tensor)
        + runtime_gib(rules)
        + recurrent_gib(architecture, plan)
        + context_gib(rules, plan.parallel.tensor),
        overhead_relative_error=share,
        overhead_error_gib=error_gib,
        declared_context_tokens=float(architecture.context),
        kind_block_tokens=layout.block_tokens,
        kind_limit_tokens=layout.limit_tokens,
        kind_in_flight=layout.in_flight,
        kind_extra_blocks=layout.extra_blocks,
        kind_groups=layout.groups,
    )
