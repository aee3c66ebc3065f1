"""The typed record of a model's architecture: what each layer is made of, and nothing about bytes or
engines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

AttentionKind = Literal["full", "sliding", "chunked", "cross"]


@dataclass(frozen=True, slots=True)
class Attention:
    """Multi-head, grouped-query or multi-query attention of one layer."""

    kind: AttentionKind
    heads: int
    kv_heads: int
    head_dim: int
    value_dim: int
    window: int = 0
    """Sliding window or chunk, in tokens; 0 for full attention."""
    qkv_bias: bool = False
    output_bias: bool = False
    query_gate: Literal["none", "per_element", "per_head"] = "none"
    """An output gate computed beside the queries (Qwen3-Next doubles q_proj, Laguna adds one gate a head)."""
    qk_norm: Literal["none", "head", "width"] = "none"
    sinks: bool = False
    value_is_key: bool = False
    """The checkpoint has no v_proj; keys are read as values, and both are cached."""
    shares_cache: bool = False
    """Reads another layer's KV cache and adds none."""
    index_heads: int = 0
    index_dim: int = 0
    """Block-sparse selection (MiniMax M3): an index key of this width a token."""


@dataclass(frozen=True, slots=True)
class LatentAttention:
    """Multi-head latent attention (DeepSeek V2 and later), with DSA's indexer when `index_heads` > 0."""

    heads: int
    query_rank: int
    kv_rank: int
    nope_dim: int
    rope_dim: int
    value_dim: int
    index_heads: int = 0
    index_dim: int = 0
    output_gate: bool = False


@dataclass(frozen=True, slots=True)
class CompressedAttention:
    """DeepSeek V4: shared-KV attention over a window plus a compressed history (ratio 0, 4 or 128)."""

    heads: int
    head_dim: int
    rope_dim: int
    query_rank: int
    output_groups: int
    output_rank: int
    window: int
    ratio: int
    index_heads: int
    index_dim: int


@dataclass(frozen=True, slots=True)
class DeltaNet:
    """Gated DeltaNet (Qwen3-Next, Qwen3.5) or Kimi Delta Attention: a recurrent state a request."""

    key_heads: int
    value_heads: int
    key_dim: int
    value_dim: int
    kernel: int
    state_bytes: int
    flavour: Literal["next", "split", "kda"]
    """`next`: fused qkvz and ba projections; `split`: qkv, z, a, b apart; `kda`: q, k, v with low-rank
    gates.
    """
    full_rank_gate: bool = False


@dataclass(frozen=True, slots=True)
class Mamba:
    """Mamba-1 (`heads` 0) or Mamba-2 mixer."""

    inner: int
    state: int
    kernel: int
    state_bytes: int
    heads: int = 0
    head_dim: int = 0
    groups: int = 1
    step_rank: int = 0
    conv_bias: bool = True
    projection_bias: bool = False
    gated_norm: bool = True


@dataclass(frozen=True, slots=True)
class ShortConvolution:
    """LFM2's gated short convolution."""

    width: int
    kernel: int


Mixer = Attention | LatentAttention | CompressedAttention | DeltaNet | Mamba | ShortConvolution


@dataclass(frozen=True, slots=True)
class Dense:
    """A feed-forward block; `gated` ones have a gate and an up projection."""

    intermediate: int
    gated: bool = True
    bias: bool = False


@dataclass(frozen=True, slots=True)
class Experts:
    """A mixture of experts with its router and shared experts."""

    experts: int
    top_k: int
    intermediate: int
    shared_intermediate: int = 0
    shared_gate: bool = False
    gated: bool = True
    bias: bool = False
    router_bias: bool = False
    correction_bias: bool = False
    latent: int = 0
    """Width the experts work in when tokens are projected down first (Nemotron 3 Super); 0: the hidden
    size.
    """
    extra_dense: Dense | None = None
    """A dense block beside the experts in the same layer (Gemma 4)."""
    router_scales: int = 0
    """Further small vectors of the router, in elements."""


FeedForward = Dense | Experts


@dataclass(frozen=True, slots=True)
class Layer:
    """One decoder layer; either part may be missing (Nemotron-H keeps one a layer). Two mixers run side by
    side in Falcon-H1."""

    mixer: Mixer | None
    feed_forward: FeedForward | None
    second_mixer: Mixer | None = None
    norm_elements: int = 0
    other_elements: int = 0
    """Replicated weights that no quantizer touches (per-layer gates, residual mixers)."""


@dataclass(frozen=True, slots=True)
class VisionTower:
    """An image, video or audio encoder with its projector; engines keep it in the model's dtype."""

    parameters: int
    sharded: bool
    """Whether tensor parallelism divides it (vLLM's `mm_encoder_tp_mode=weights`)."""
    hidden: int
    patches: int
    """Patches of the largest item that an engine profiles with."""
    depth: int
    layer_matrices: tuple[int, ...]
    """Elements of the matrices of a layer as engines hold them: qkv, output, up (with gate), down."""
    source: str

    @property
    def peak_bytes(self) -> float:
        """Activation peak of one item: an MLP of about 3.7 times the width and the attention's inputs,
        bf16.
        """
        return 23.0 * self.hidden * self.patches


@dataclass(frozen=True, slots=True)
class Rope:
    """The rotary cache that the engine allocates beside the weights."""

    positions: int
    """Of all caches together: a model with local and global ropes has two."""
    rotary_dim: int
    element_bytes: int


@dataclass(frozen=True, slots=True)
class Architecture:
    """All facts that weights, KV cache and activations follow from."""

    model_type: str
    name: str
    """The class of the checkpoint (`architectures[0]`), or the model type when the config names none."""
    layers: tuple[Layer, ...]
    draft_layers: tuple[Layer, ...]
    """Multi-token-prediction layers; loaded only when speculation uses them."""
    draft_elements: int
    """Parameters of the draft layers beside `draft_layers` themselves (projection, norms)."""
    hidden: int
    vocabulary: int
    tied: bool
    intermediate: int
    """The dense width that the activation peak follows."""
    context: int
    dtype_bytes: int
    """2: engines load float32 checkpoints in 16 bits unless told otherwise."""
    rope: Rope | None
    vision: VisionTower | None
    extra_embedding: int = 0
    """Per-layer or position embeddings beside the token embedding, in parameters."""
    head_bias: int = 0
    encoder_only: bool = False
    assumed: bool = False
    """No rule is known for this model type; the common decoder layout was assumed."""

    @property
    def experts(self) -> Experts | None:
        """The widest mixture of experts of any layer, or None for a dense model."""
        found = [layer.feed_forward for layer in self.layers if isinstance(layer.feed_forward, Experts)]
        return max(found, key=lambda block: block.experts * block.intermediate, default=None)


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A config that no rule covers: what is missing, and the little that holds anyway."""

    model_type: str
    reason: str
    missing: tuple[str, ...]
    context: int
