"""The exact tensor list of a model: module name, shape, how tensor parallelism splits it, whether it is
quantized.

Shapes follow the checkpoints of each family; splits follow the engines' parallel layers. A fused expert
tensor is one entry with `copies` experts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from modelscan_catalog.fit.architecture import (
    Architecture,
    Attention,
    CompressedAttention,
    DeltaNet,
    Dense,
    Experts,
    LatentAttention,
    Layer,
    Mamba,
    Mixer,
    ShortConvolution,
)

Split = Literal["rows", "columns", "kv", "vocabulary", "experts", "replicated"]
Role = Literal["linear", "router", "embedding", "head", "norm", "small"]

EMBEDDING, HEAD, VISION = -1, -2, -3
"""`Tensor.layer` of what belongs to no layer: the first pipeline stage, the last, and (vision) the first."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One weight matrix (`rows` x `columns`, `copies` times) with its bias."""

    name: str
    layer: int
    role: Role
    rows: int
    columns: int
    split: Split
    copies: int = 1
    bias: int = 0
    kv_heads: int = 0
    """For `kv` splits: the heads that the rows hold; more ranks than heads repeat them."""
    element_bytes: int = 0
    """Fixed width (fp32 biases and states); 0 for the model's dtype."""
    in_checkpoint: bool = True

    @property
    def elements(self) -> int:
        """Parameters, bias included."""
        return self.copies * self.rows * self.columns + self.bias

    @property
    def shape(self) -> tuple[int | str, ...]:
        """All that its bytes on a rank follow from, beside its format; layers of a model repeat it."""
        down = self.split == "experts" and self.name.endswith("down_proj")
        sizes = self.rows, self.columns, self.copies, self.bias, self.kv_heads, self.element_bytes
        return (*sizes, self.split, down)


def _linear(name: str, layer: int, rows: int, columns: int, split: Split, bias: bool = False) -> Tensor:
    return Tensor(name, layer, "linear", rows, columns, split, bias=rows if bias else 0)


def _small(name: str, layer: int, elements: int, split: Split = "replicated", width: int = 0) -> Tensor:
    return Tensor(name, layer, "small", elements, 1, split, element_bytes=width)


def _attention(mixer: Attention, path: str, layer: int, hidden: int) -> Iterator[Tensor]:
    queries = mixer.heads * mixer.head_dim * (2 if mixer.query_gate == "per_element" else 1)
    yield _linear(f"{path}.q_proj", layer, queries, hidden, "rows", mixer.qkv_bias)
    if mixer.query_gate == "per_head":
        yield _linear(f"{path}.g_proj", layer, mixer.heads, hidden, "rows")
    for name, rows in (
        ("k_proj", mixer.kv_heads * mixer.head_dim),
        ("v_proj", mixer.kv_heads * mixer.value_dim),
    ):
        yield Tensor(
            f"{path}.{name}",
            layer,
            "linear",
            rows,
            hidden,
            "kv",
            bias=rows if mixer.qkv_bias else 0,
            kv_heads=mixer.kv_heads,
            in_checkpoint=not (name == "v_proj" and mixer.value_is_key),
        )
    yield _linear(
        f"{path}.o_proj", layer, hidden, mixer.heads * mixer.value_dim, "columns", mixer.output_bias
    )
    if mixer.qk_norm == "head":
        yield _small(f"{path}.qk_norm", layer, 2 * mixer.head_dim)
    elif mixer.qk_norm == "width":
        yield _small(f"{path}.qk_norm", layer, (mixer.heads + mixer.kv_heads) * mixer.head_dim)
    if mixer.sinks:
        yield _small(f"{path}.sinks", layer, mixer.heads)
    if mixer.index_heads:
        yield _linear(
            f"{path}.index_q_proj", layer, mixer.index_heads * mixer.index_dim, hidden, "replicated"
        )
        yield _linear(f"{path}.index_k_proj", layer, mixer.index_dim, hidden, "replicated")


def _latent(mixer: LatentAttention, path: str, layer: int, hidden: int) -> Iterator[Tensor]:
    width = mixer.nope_dim + mixer.rope_dim
    if mixer.query_rank:
        yield _linear(f"{path}.q_a_proj", layer, mixer.query_rank, hidden, "replicated")
        yield _small(f"{path}.q_a_layernorm", layer, mixer.query_rank)
        yield _linear(f"{path}.q_b_proj", layer, mixer.heads * width, mixer.query_rank, "rows")
    else:
        yield _linear(f"{path}.q_proj", layer, mixer.heads * width, hidden, "rows")
    yield _linear(f"{path}.kv_a_proj_with_mqa", layer, mixer.kv_rank + mixer.rope_dim, hidden, "replicated")
    yield _small(f"{path}.kv_a_layernorm", layer, mixer.kv_rank)
    up = mixer.heads * (mixer.nope_dim + mixer.value_dim)
    yield _linear(f"{path}.kv_b_proj", layer, up, mixer.kv_rank, "rows")
    yield _linear(f"{path}.o_proj", layer, hidden, mixer.heads * mixer.value_dim, "columns")
    if mixer.output_gate:
        yield _linear(f"{path}.g_proj", layer, mixer.heads * mixer.value_dim, hidden, "rows")
    if mixer.index_heads:
        rows = mixer.index_heads * mixer.index_dim
        yield _linear(f"{path}.indexer.wq_b", layer, rows, mixer.query_rank or hidden, "replicated")
        yield _linear(f"{path}.indexer.wk", layer, mixer.index_dim, hidden, "replicated")
        yield _small(f"{path}.indexer.k_norm", layer, 2 * mixer.index_dim)
        yield Tensor(f"{path}.indexer.weights_proj", layer, "router", mixer.index_heads, hidden, "replicated")


def _compressor(path: str, layer: int, width: int, ratio: int, hidden: int) -> Iterator[Tensor]:
    """V4's compressor; the short ratio overlaps its windows and keeps two of everything."""
    wide = width * (2 if ratio == 4 else 1)
    yield Tensor(f"{path}.wkv", layer, "router", wide, hidden, "replicated")
    yield Tensor(f"{path}.wgate", layer, "router", wide, hidden, "replicated")
    yield _small(f"{path}.ape", layer, ratio * wide, width=4)
    yield _small(f"{path}.norm", layer, width)


def _compressed(mixer: CompressedAttention, path: str, layer: int, hidden: int) -> Iterator[Tensor]:
    yield _linear(f"{path}.wq_a", layer, mixer.query_rank, hidden, "replicated")
    yield _small(f"{path}.norms", layer, mixer.query_rank + mixer.head_dim)
    yield _linear(f"{path}.wq_b", layer, mixer.heads * mixer.head_dim, mixer.query_rank, "rows")
    yield _linear(f"{path}.wkv", layer, mixer.head_dim, hidden, "replicated")
    grouped = mixer.heads * mixer.head_dim // mixer.output_groups
    yield _linear(f"{path}.wo_a", layer, mixer.output_groups * mixer.output_rank, grouped, "rows")
    yield _linear(f"{path}.wo_b", layer, hidden, mixer.output_groups * mixer.output_rank, "columns")
    yield _small(f"{path}.attn_sink", layer, mixer.heads, width=4)
    if mixer.ratio:
        yield from _compressor(f"{path}.compressor", layer, mixer.head_dim, mixer.ratio, hidden)
    if mixer.ratio == 4 and mixer.index_heads:
        rows = mixer.index_heads * mixer.index_dim
        yield _linear(f"{path}.indexer.wq_b", layer, rows, mixer.query_rank, "replicated")
        yield Tensor(f"{path}.indexer.weights_proj", layer, "router", mixer.index_heads, hidden, "replicated")
        yield from _compressor(f"{path}.indexer.compressor", layer, mixer.index_dim, mixer.ratio, hidden)


def _delta(mixer: DeltaNet, path: str, layer: int, hidden: int) -> Iterator[Tensor]:
    keys, values = mixer.key_heads * mixer.key_dim, mixer.value_heads * mixer.value_dim
    if mixer.flavour == "kda":
        for name in ("q_proj", "k_proj", "v_proj"):
            yield _linear(f"{path}.{name}", layer, values, hidden, "rows")
        yield _small(f"{path}.conv1d", layer, 3 * values * mixer.kernel, "rows")
        yield _linear(f"{path}.f_a_proj", layer, mixer.value_dim, hidden, "replicated")
        yield _linear(f"{path}.f_b_proj", layer, values, mixer.value_dim, "rows")
        yield _linear(f"{path}.b_proj", layer, mixer.value_heads, hidden, "rows")
        if mixer.full_rank_gate:
            yield _linear(f"{path}.g_proj", layer, values, hidden, "rows")
        else:
            yield _linear(f"{path}.g_a_proj", layer, mixer.value_dim, hidden, "replicated")
            yield _linear(f"{path}.g_b_proj", layer, values, mixer.value_dim, "rows")
        yield _small(f"{path}.state", layer, values + mixer.value_heads, "rows", 4)
    else:
        if mixer.flavour == "next":
            yield _linear(f"{path}.in_proj_qkvz", layer, 2 * keys + 2 * values, hidden, "rows")
            yield _linear(f"{path}.in_proj_ba", layer, 2 * mixer.value_heads, hidden, "rows")
        else:
            yield _linear(f"{path}.in_proj_qkv", layer, 2 * keys + values, hidden, "rows")
            yield _linear(f"{path}.in_proj_z", layer, values, hidden, "rows")
            for name in ("in_proj_a", "in_proj_b"):
                yield Tensor(f"{path}.{name}", layer, "router", mixer.value_heads, hidden, "rows")
        yield _small(f"{path}.conv1d", layer, (2 * keys + values) * mixer.kernel, "rows")
        yield _small(f"{path}.state", layer, 2 * mixer.value_heads, "rows")
    yield _small(f"{path}.norm", layer, mixer.value_dim)
    out = "o_proj" if mixer.flavour == "kda" else "out_proj"
    yield _linear(f"{path}.{out}", layer, hidden, values, "columns")


def _mamba(mixer: Mamba, path: str, layer: int, hidden: int) -> Iterator[Tensor]:
    if mixer.heads:
        mixed = mixer.inner + 2 * mixer.groups * mixer.state
        rows = mixer.inner + mixed + mixer.heads
        yield _linear(f"{path}.in_proj", layer, rows, hidden, "rows", mixer.projection_bias)
        yield _small(f"{path}.conv1d", layer, mixed * (mixer.kernel + int(mixer.conv_bias)), "rows")
        yield _small(f"{path}.state", layer, 3 * mixer.heads, "rows", 4)
        if mixer.gated_norm:
            yield _small(f"{path}.norm", layer, mixer.inner, "rows")
    else:
        yield _linear(f"{path}.in_proj", layer, 2 * mixer.inner, hidden, "rows", mixer.projection_bias)
        yield _small(f"{path}.conv1d", layer, mixer.inner * (mixer.kernel + int(mixer.conv_bias)), "rows")
        yield _linear(f"{path}.x_proj", layer, mixer.step_rank + 2 * mixer.state, mixer.inner, "columns")
        yield _linear(f"{path}.dt_proj", layer, mixer.inner, mixer.step_rank, "rows", True)
        yield _small(f"{path}.state", layer, mixer.inner * (mixer.state + 1), "rows", 4)
        yield _small(f"{path}.norms", layer, mixer.step_rank + 2 * mixer.state)
    yield _linear(f"{path}.out_proj", layer, hidden, mixer.inner, "columns", mixer.projection_bias)


def _mixer(mixer: Mixer, layer: int, hidden: int, root: str) -> Iterator[Tensor]:
    if isinstance(mixer, Attention):
        yield from _attention(mixer, f"{root}.self_attn", layer, hidden)
    elif isinstance(mixer, LatentAttention):
        yield from _latent(mixer, f"{root}.self_attn", layer, hidden)
    elif isinstance(mixer, CompressedAttention):
        yield from _compressed(mixer, f"{root}.self_attn", layer, hidden)
    elif isinstance(mixer, DeltaNet):
        name = "self_attn" if mixer.flavour == "kda" else "linear_attn"
        yield from _delta(mixer, f"{root}.{name}", layer, hidden)
    elif isinstance(mixer, Mamba):
        yield from _mamba(mixer, f"{root}.mamba", layer, hidden)
    elif isinstance(mixer, ShortConvolution):
        yield _linear(f"{root}.conv.in_proj", layer, 3 * mixer.width, hidden, "rows")
        yield _small(f"{root}.conv.conv", layer, mixer.width * mixer.kernel, "rows")
        yield _linear(f"{root}.conv.out_proj", layer, hidden, mixer.width, "columns")


def _dense(block: Dense, path: str, layer: int, hidden: int) -> Iterator[Tensor]:
    if block.gated:
        yield _linear(f"{path}.gate_proj", layer, block.intermediate, hidden, "rows", block.bias)
    yield _linear(f"{path}.up_proj", layer, block.intermediate, hidden, "rows", block.bias)
    yield _linear(f"{path}.down_proj", layer, hidden, block.intermediate, "columns", block.bias)


def _experts(block: Experts, path: str, layer: int, hidden: int) -> Iterator[Tensor]:
    yield Tensor(
        f"{path}.gate",
        layer,
        "router",
        block.experts,
        hidden,
        "replicated",
        bias=block.experts * block.router_bias,
    )
    if block.correction_bias:
        yield _small(f"{path}.gate.e_score_correction_bias", layer, block.experts, width=4)
    if block.router_scales:
        yield _small(f"{path}.router.scales", layer, block.router_scales)
    width = block.latent or hidden
    if block.latent:
        yield _linear(f"{path}.fc1_latent_proj", layer, width, hidden, "replicated")
        yield _linear(f"{path}.fc2_latent_proj", layer, hidden, width, "replicated")
    up_rows = block.intermediate * (2 if block.gated else 1)
    for name, rows, columns in (("gate_up_proj", up_rows, width), ("down_proj", width, block.intermediate)):
        yield Tensor(
            f"{path}.experts.0.{name}",
            layer,
            "linear",
            rows,
            columns,
            "experts",
            copies=block.experts,
            bias=block.experts * rows if block.bias else 0,
        )
    if block.shared_intermediate:
        shared = Dense(block.shared_intermediate, block.gated)
        yield from _dense(shared, f"{path}.shared_experts", layer, hidden)
    if block.shared_gate:
        yield Tensor(f"{path}.shared_expert_gate", layer, "router", 1, hidden, "replicated")
    if block.extra_dense is not None:
        yield from _dense(block.extra_dense, path, layer, hidden)


def layer_tensors(layer: Layer, index: int, hidden: int, root: str) -> Iterator[Tensor]:
    """The tensors of one layer, under the module path `root` (`model.layers.3`)."""
    for mixer in (layer.mixer, layer.second_mixer):
        if mixer is not None:
            yield from _mixer(mixer, index, hidden, root)
    if isinstance(layer.feed_forward, Dense):
        yield from _dense(layer.feed_forward, f"{root}.mlp", index, hidden)
    elif isinstance(layer.feed_forward, Experts):
        yield from _experts(layer.feed_forward, f"{root}.mlp", index, hidden)
    if layer.norm_elements:
        yield Tensor(f"{root}.norms", index, "norm", layer.norm_elements, 1, "replicated")
    if layer.other_elements:
        yield Tensor(f"{root}.other", index, "small", layer.other_elements, 1, "replicated")


@lru_cache(maxsize=32)
def tensor_list(architecture: Architecture, *, with_draft: bool = False) -> tuple[Tensor, ...]:
    """Every tensor of the model; draft (multi-token-prediction) layers only when asked for.

    Remembered, because every split and engine of a model asks for the same.
    """
    hidden, vocabulary = architecture.hidden, architecture.vocabulary
    tensors = [Tensor("model.embed_tokens", EMBEDDING, "embedding", vocabulary, hidden, "vocabulary")]
    if architecture.extra_embedding:
        tensors.append(
            Tensor("model.extra_embed", EMBEDDING, "embedding", architecture.extra_embedding, 1, "rows")
        )
    for index, layer in enumerate(architecture.layers):
        tensors.extend(layer_tensors(layer, index, hidden, f"model.layers.{index}"))
    last = len(architecture.layers) - 1
    tensors.append(Tensor("model.norm", last, "norm", hidden, 1, "replicated"))
    if not architecture.encoder_only:
        tensors.append(
            Tensor(
                "lm_head",
                HEAD,
                "head",
                vocabulary,
                hidden,
                "vocabulary",
                bias=architecture.head_bias,
                in_checkpoint=not architecture.tied,
            )
        )
    if architecture.vision is not None:
        split: Split = "rows" if architecture.vision.sharded else "replicated"
        tensors.append(Tensor("vision", VISION, "small", architecture.vision.parameters, 1, split))
    if with_draft:
        for index, layer in enumerate(architecture.draft_layers):
            tensors.extend(layer_tensors(layer, last, hidden, f"mtp.layers.{index}"))
        if architecture.draft_elements:
            tensors.append(Tensor("mtp.fc", last, "small", architecture.draft_elements, 1, "replicated"))
    return tuple(tensors)


def parameter_count(architecture: Architecture, *, with_draft: bool = False) -> int:
    """Parameters in the checkpoint, as `safetensors.total` of an unquantized one counts them."""
    return sum(
        tensor.elements for tensor in tensor_list(architecture, with_draft=with_draft) if tensor.in_checkpoint
    )
