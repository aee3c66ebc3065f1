"""Bytes of weights on each rank: every tensor by its shape, its split over the ranks and its storage
format.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from modelscan_catalog.fit.allocator import allocator_excess
from modelscan_catalog.fit.architecture import Architecture, LatentAttention
from modelscan_catalog.fit.formulas import GIB
from modelscan_catalog.fit.quant_formats import UNPADDED, Padding
from modelscan_catalog.fit.quantization import Scheme
from modelscan_catalog.fit.tensors import EMBEDDING, VISION, Tensor, tensor_list

VOCABULARY_MULTIPLE = 64
FUSED = {
    "q_proj": "qkv",
    "k_proj": "qkv",
    "v_proj": "qkv",
    "gate_proj": "gate_up",
    "up_proj": "gate_up",
    "in_proj_qkv": "in_proj_qkvz",
    "in_proj_z": "in_proj_qkvz",
    "q_a_proj": "qkv_a",
    "kv_a_proj_with_mqa": "qkv_a",
}
"""Checkpoint tensors that the engine holds as one parameter."""


@dataclass(frozen=True, slots=True)
class Parallel:
    """How many ranks share a model: tensor, pipeline, expert, data and decode-context parallel sizes."""

    tensor: int = 1
    pipeline: int = 1
    expert: int = 1
    data: int = 1
    decode_context: int = 1


def padded(size: float, multiple: int) -> float:
    """`size` rounded up to a multiple."""
    return float(-(-size // multiple) * multiple)


@dataclass(frozen=True, slots=True)
class StageWeights:
    """Weights of one rank of a pipeline stage."""

    first_layer: int
    last_layer: int
    weights_bytes: float
    """Tensors as stored, with scales."""
    rope_bytes: float
    derived_bytes: float
    """Copies that the engine makes after loading (absorbed latent projections)."""
    rounding_bytes: float
    """What PyTorch's allocator adds to large parameters."""

    @property
    def total_gib(self) -> float:
        """What the engine logs as its model's memory."""
        return (self.weights_bytes + self.rope_bytes + self.derived_bytes + self.rounding_bytes) / GIB


def stage_ranges(layers: int, stages: int) -> list[tuple[int, int]]:
    """vLLM's split of layers over pipeline stages: what is left over goes to the stages before the last.

    Half-open ranges. (`vllm/distributed/utils.py`, get_pp_indices.)
    """
    sizes = [layers // stages] * stages
    for index in range(2, layers % stages + 2):
        sizes[-index] += 1
    starts = [sum(sizes[:stage]) for stage in range(stages)]
    return [(start, start + size) for start, size in zip(starts, sizes, strict=True)]


def local_shape(tensor: Tensor, parallel: Parallel) -> tuple[float, float, float]:
    """Rows, columns and copies of a tensor on one rank."""
    ranks = parallel.tensor
    rows, columns, copies = float(tensor.rows), float(tensor.columns), float(tensor.copies)
    if tensor.split == "rows":
        rows /= ranks
    elif tensor.split == "columns":
        columns /= ranks
    elif tensor.split == "vocabulary":
        padded = -(-tensor.rows // VOCABULARY_MULTIPLE) * VOCABULARY_MULTIPLE
        rows = padded / ranks
    elif tensor.split == "kv":
        rows = rows / tensor.kv_heads * max(1.0, tensor.kv_heads / ranks)
    elif tensor.split == "experts":
        if parallel.expert > 1:
            copies = -(-tensor.copies // parallel.expert)
        elif tensor.name.endswith("down_proj"):
            columns /= ranks
        else:
            rows /= ranks
    return rows, columns, copies


def tensor_bytes(
    tensor: Tensor, scheme: Scheme, parallel: Parallel, dtype_bytes: int, padding: Padding = UNPADDED
) -> float:
    """Bytes of a tensor on one rank, experts padded as MXFP4 kernels do."""
    rows, columns, copies = local_shape(tensor, parallel)
    if tensor.split == "experts" and padding != UNPADDED:
        if tensor.name.endswith("down_proj"):
            rows, columns = padded(rows, padding.hidden), padded(columns, padding.inner)
        else:
            rows, columns = 2 * padded(rows / 2, padding.inner), padded(columns, padding.hidden)
    bias = tensor.bias * copies * rows / (tensor.copies * tensor.rows) * dtype_bytes if tensor.bias else 0.0
    if tensor.element_bytes:
        return rows * columns * copies * tensor.element_bytes + bias
    chosen = scheme.format_of(tensor)
    if chosen is None:
        return rows * columns * copies * dtype_bytes + bias
    return copies * chosen.bytes_of(rows, columns) + bias


@lru_cache(maxsize=20_000)
def fused_name(tensor_name: str) -> str:
    """The engine's parameter that a checkpoint tensor becomes part of."""
    path, _, name = tensor_name.rpartition(".")
    return f"{path}.{FUSED.get(name, name)}"


def stage_weights(
    architecture: Architecture,
    scheme: Scheme,
    parallel: Parallel,
    *,
    with_draft: bool = False,
    latent_copies: bool = True,
    padding: Padding = UNPADDED,
    correction: float = 1.0,
) -> list[StageWeights]:
    """Weights of one rank of every pipeline stage.

    `latent_copies`: the engine keeps bf16 copies of the latent up-projections that it absorbs (vLLM's V1
    MLA). `correction` scales the tensors where an index or a parameter count says that the shapes miss
    something.
    """
    tensors = tensor_list(architecture, with_draft=with_draft)
    ranges = stage_ranges(len(architecture.layers), parallel.pipeline)
    sums = [0.0] * parallel.pipeline
    parameters: dict[tuple[int, str, int], float] = {}
    stage_of = [stage for stage, (start, end) in enumerate(ranges) for _ in range(end - start)]
    equal: dict[tuple[object, ...], tuple[float, float]] = {}
    for tensor in tensors:
        if tensor.role == "head" and architecture.tied and parallel.pipeline == 1:
            continue
        key = (*tensor.shape, id(scheme.format_of(tensor)))
        if key not in equal:
            whole = tensor_bytes(tensor, scheme, parallel, architecture.dtype_bytes, padding)
            equal[key] = whole * correction, _scales_bytes(tensor, scheme, parallel)
        size, scales = equal[key]
        stage = 0 if tensor.layer in (EMBEDDING, VISION) else -1
        stage = stage if tensor.layer < 0 else stage_of[tensor.layer]
        sums[stage] += size
        if tensor.role in {"linear", "embedding", "head"}:
            fused = fused_name(tensor.name)
            for place, part in ((0, size - scales), (1, scales)):
                owner = (stage % len(sums), fused, place)
                parameters[owner] = parameters.get(owner, 0.0) + part
    held = [
        [size for (owner, *_), size in parameters.items() if owner == stage] for stage in range(len(sums))
    ]
    held[0] = [*_vision_sizes(architecture, parallel), *held[0]]
    rounding = [allocator_excess(sizes) for sizes in held]
    rope = 0.0
    if architecture.rope is not None:
        one = architecture.rope
        rope = float(one.positions * one.rotary_dim * one.element_bytes)
    return [
        StageWeights(
            first_layer=start,
            last_layer=end,
            weights_bytes=size,
            rope_bytes=rope,
            derived_bytes=_latent_copies(architecture, start, end, parallel) * latent_copies,
            rounding_bytes=excess,
        )
        for (start, end), size, excess in zip(ranges, sums, rounding, strict=True)
    ]


def _vision_sizes(architecture: Architecture, parallel: Parallel) -> list[float]:
    """Bytes of the tower's matrices, which models create before their text layers."""
    tower = architecture.vision
    if tower is None:
        return []
    ranks = parallel.tensor if tower.sharded else 1
    return [elements * 2.0 / ranks for _ in range(tower.depth) for elements in tower.layer_matrices]


def _scales_bytes(tensor: Tensor, scheme: Scheme, parallel: Parallel) -> float:
    """Scales, zero points and bias, which are parameters of their own."""
    rows, columns, copies = local_shape(tensor, parallel)
    bias = tensor.bias * copies * rows / (tensor.copies * tensor.rows) * 2.0 if tensor.bias else 0.0
    chosen = scheme.format_of(tensor)
    if chosen is None:
        return bias
    return copies * (chosen.bytes_of(rows, columns) - rows * columns * chosen.bits / 8) + bias


def _latent_copies(architecture: Architecture, start: int, end: int, parallel: Parallel) -> float:
    mixers = [layer.mixer for layer in architecture.layers[start:end]]
    return sum(
        mixer.heads * (mixer.nope_dim + mixer.value_dim) * mixer.kv_rank * 2.0 / parallel.tensor
        for mixer in mixers
        if isinstance(mixer, LatentAttention)
    )


def largest_stage(stages: Sequence[StageWeights]) -> StageWeights:
    """The stage whose rank holds the most."""
    return max(stages, key=lambda stage: stage.total_gib)
