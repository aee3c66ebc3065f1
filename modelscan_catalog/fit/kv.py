"""KV-cache layout: bytes a token of each layer, the engine's blocks, groups and pages, and what a request
takes.

Rules of vLLM's `v1/core/kv_cache_utils.py` and `v1/kv_cache_interface.py`, by engine version (`KvRules`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf
from typing import Literal

import numpy as np

from modelscan_catalog.fit.architecture import (
    Architecture,
    Attention,
    CompressedAttention,
    DeltaNet,
    LatentAttention,
    Mamba,
    Mixer,
    ShortConvolution,
)
from modelscan_catalog.fit.formulas import Array

KvKind = Literal["full", "sliding", "state"]


@dataclass(frozen=True, slots=True)
class KvRules:
    """How an engine version lays out its cache."""

    block_tokens: int
    """Tokens of a block where nothing asks for more."""
    latent_block_tokens: int
    hybrid_groups: bool
    """Groups by kind; without, sliding layers keep everything (vLLM before 0.9.1, the V0 engine, SGLang)."""
    wide_groups: bool
    """The largest type sets the group size where it is under 1.5 times the smallest."""
    state_alignment: int = 16
    latent_state_alignment: int = 64
    prefix_states: bool = False
    """Prefix caching keeps one more state a request."""


@dataclass(frozen=True, slots=True)
class LayerCache:
    """The cache of one layer on one rank. Equal ones share a type."""

    kind: KvKind
    token_bytes: float
    """Bytes a token (0 for states)."""
    window: int = 0
    state_bytes: float = 0.0


@dataclass(frozen=True, slots=True)
class KvLayout:
    """Blocks of a rank's cache; arrays have one entry for each kind of group."""

    bytes_per_block: float
    """Bytes of one block in all the layers of a group (or of the model, with a single group)."""
    token_bytes: float
    """Bytes of one more token of a long request: all its growing layers."""
    attention_block: int
    block_tokens: Array
    limit_tokens: Array
    in_flight: Array
    extra_blocks: Array
    groups: Array

    def held_bytes(self, context_tokens: float) -> float:
        """Bytes of the cache that one request of ``context_tokens`` holds, beside tokens in flight."""
        held = np.ceil(np.minimum(context_tokens, self.limit_tokens) / self.block_tokens)
        return self.bytes_per_block * float(np.sum(self.groups * (held + self.extra_blocks)))


def state_bytes(mixer: Mixer, ranks: int, drafts: int) -> float:
    """Bytes of a recurrent state: the convolution's window (longer with speculation) and the state itself."""
    if isinstance(mixer, DeltaNet):
        keys, values = mixer.key_heads * mixer.key_dim, mixer.value_heads * mixer.value_dim
        window = (2 * keys + values) / ranks * (mixer.kernel - 1 + drafts) * 2
        return window + values * mixer.key_dim / ranks * mixer.state_bytes
    if isinstance(mixer, Mamba):
        if not mixer.heads:
            return mixer.inner / ranks * ((mixer.kernel - 1) * 2 + mixer.state * mixer.state_bytes)
        groups = mixer.groups if mixer.groups % ranks == 0 else mixer.groups + ranks - mixer.groups
        window = (mixer.inner + 2 * groups * mixer.state) / ranks * (mixer.kernel - 1 + drafts) * 2
        return window + mixer.heads / ranks * mixer.head_dim * mixer.state * mixer.state_bytes
    if isinstance(mixer, ShortConvolution):
        return mixer.width / ranks * (mixer.kernel - 1) * 2
    return 0.0


def layer_cache(
    mixer: Mixer, ranks: int, kv_bytes: float, rules: KvRules, drafts: int, sparse_fp8: bool
) -> list[LayerCache]:
    """What one mixer adds to the cache: nothing, one layer, or a layer and its indexer."""
    if isinstance(mixer, Attention):
        if mixer.shares_cache or mixer.kind == "cross":
            return []
        heads = max(1.0, mixer.kv_heads / ranks)
        token = heads * (mixer.head_dim + mixer.value_dim) * kv_bytes + mixer.index_dim * 2.0 * bool(
            mixer.index_heads
        )
        if mixer.kind != "sliding" or not mixer.window or not rules.hybrid_groups:
            return [
                LayerCache("full", token)
            ]  # vLLM keeps chunked layers whole: groups of them are off by default
        return [LayerCache("sliding", token, mixer.window)]
    if isinstance(mixer, LatentAttention):
        width = mixer.kv_rank + mixer.rope_dim
        token = 656.0 if mixer.index_heads and sparse_fp8 else width * kv_bytes
        indexer = [LayerCache("full", mixer.index_dim + 4.0)] if mixer.index_heads else []
        return [LayerCache("full", token), *indexer]
    if isinstance(mixer, CompressedAttention):
        return _compressed_cache(mixer, rules)
    size = state_bytes(mixer, ranks, drafts)
    return [LayerCache("state", 0.0, 0, size)]


def _compressed_cache(mixer: CompressedAttention, rules: KvRules) -> list[LayerCache]:
    """DeepSeek V4: 584 B an entry (448 fp8 values, 64 bf16 rotary values, 8 scales), an entry every `ratio`
    tokens.
    """
    entry = mixer.head_dim - mixer.rope_dim + 2.0 * mixer.rope_dim + 8.0
    caches = [LayerCache("sliding" if rules.hybrid_groups else "full", entry, mixer.window)]
    if mixer.ratio:
        caches.append(LayerCache("full", entry / mixer.ratio))
    if mixer.ratio == 4 and mixer.index_heads:
        caches.append(LayerCache("full", (mixer.index_dim + 4.0) / mixer.ratio))
    return caches


def kv_layout(
    architecture: Architecture,
    rules: KvRules,
    *,
    first_layer: int,
    last_layer: int,
    ranks: int,
    kv_bytes: float,
    sparse_fp8: bool = False,
    drafts: int = 0,
    draft_layers: bool = False,
    draft_full_layers: int = 0,
    decode_context: int = 1,
) -> KvLayout:
    """The cache layout of the layers [first_layer, last_layer) on one rank of a tensor-parallel group.

    `drafts`: speculative tokens a step (they lengthen states); `draft_layers`: the model's own draft layers
    load; `draft_full_layers`: those of a separate draft model.
    """
    caches: list[LayerCache] = []
    layers = list(architecture.layers[first_layer:last_layer])
    if draft_layers and last_layer == len(architecture.layers):
        layers += architecture.draft_layers
    latent = False
    for layer in layers:
        for mixer in (layer.mixer, layer.second_mixer):
            if mixer is not None:
                caches += layer_cache(mixer, ranks, kv_bytes, rules, drafts, sparse_fp8)
                latent = latent or isinstance(mixer, LatentAttention | CompressedAttention)
    full = [cache for cache in caches if cache.kind == "full"]
    caches += full[:1] * draft_full_layers
    block = rules.latent_block_tokens if latent else rules.block_tokens
    if not caches:
        return _layout([], 1.0, 0.0, block, 1, drafts, rules)
    token_bytes = sum(cache.token_bytes for cache in caches if cache.kind == "full")
    compressed = any(isinstance(layer.mixer, CompressedAttention) for layer in layers)
    if compressed or len({(cache.kind, cache.window) for cache in caches}) == 1:
        return _single_group(caches, token_bytes, block, decode_context, drafts, rules)
    alignment = rules.latent_state_alignment if latent else rules.state_alignment
    return _grouped(caches, token_bytes, block, alignment, decode_context, drafts, rules)


def _single_group(
    caches: Sequence[LayerCache],
    token_bytes: float,
    block: int,
    decode_context: int,
    drafts: int,
    rules: KvRules,
) -> KvLayout:
    """One table of blocks for all layers; windows beside a growing history cost their own part of each
    block.
    """
    growing = [cache for cache in caches if cache.kind == "full"] or list(caches)
    if growing[0].kind == "state":
        size = sum(cache.state_bytes for cache in caches)
        return _layout([("state", 0, 1, 1)], size, 0.0, block, decode_context, drafts, rules)
    size = block * sum(cache.token_bytes for cache in growing)
    token_bytes = sum(cache.token_bytes for cache in growing)
    kinds: list[tuple[KvKind, int, int, float]] = [(growing[0].kind, growing[0].window, block, 1.0)]
    for window in {cache.window for cache in caches if cache not in growing}:
        share = sum(c.token_bytes for c in caches if c not in growing and c.window == window) * block / size
        kinds.append(("sliding", window, block, share))
    return _layout(kinds, size, token_bytes, block, decode_context, drafts, rules)


def _grouped(
    caches: Sequence[LayerCache],
    token_bytes: float,
    block: int,
    alignment: int,
    decode_context: int,
    drafts: int,
    rules: KvRules,
) -> KvLayout:
    """Groups of equal page size: states pad to the attention page, smaller attention pages take longer
    blocks.
    """
    attention = [cache for cache in caches if cache.kind != "state"]
    states = [cache.state_bytes for cache in caches if cache.kind == "state"]
    widest = max(cache.token_bytes for cache in attention)
    if states:
        narrowest = min(cache.token_bytes for cache in attention)
        block = max(block, alignment * ceil(max(states) / (alignment * narrowest) - 1e-9))
    page = block * widest
    counts: dict[tuple[KvKind, int, int], int] = {}
    for cache in caches:
        own = block
        if cache.kind == "state":
            own = 1
        elif page % (block * cache.token_bytes) == 0:
            own = block * int(page // (block * cache.token_bytes))
        counts[(cache.kind, cache.window, own)] = counts.get((cache.kind, cache.window, own), 0) + 1
    smallest, largest = min(counts.values()), max(counts.values())
    size = largest if rules.wide_groups and largest < 1.5 * smallest else smallest
    kinds = [(kind, window, own, ceil(count / size)) for (kind, window, own), count in counts.items()]
    return _layout(kinds, page * size, token_bytes, block, decode_context, drafts, rules)


def _layout(
    kinds: Sequence[tuple[KvKind, int, int, float]],
    size: float,
    token_bytes: float,
    block: int,
    decode_context: int,
    drafts: int,
    rules: KvRules,
) -> KvLayout:
    blocks, limits, flying, extras, groups = [], [], [], [], []
    for kind, window, own, count in kinds:
        blocks.append(float(own * (decode_context if kind == "full" else 1)))
        limits.append({"full": inf, "sliding": window - 1.0, "state": 0.0}[kind])
        flying.append(1.0 if kind == "sliding" else 0.0)
        extras.append({"sliding": 1.0, "state": 1.0 + drafts + rules.prefix_states}.get(kind, 0.0))
        groups.append(float(count))
    return KvLayout(
        bytes_per_block=max(size, 1.0),
        token_bytes=token_bytes / decode_context,
        attention_block=block,
        block_tokens=np.array(blocks),
        limit_tokens=np.array(limits),
        in_flight=np.array(flying),
        extra_blocks=np.array(extras),
        groups=np.array(groups),
    )
