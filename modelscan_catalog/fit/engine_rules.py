"""How each engine version uses memory: its defaults and cache rules, from
`registry/engines/memory_defaults.json`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from modelscan_catalog.errors import FitInputError
from modelscan_catalog.fit.kv import KvRules
from modelscan_catalog.fit.tables import table

NAMES = {
    "vllm": "vllm",
    "sglang": "sglang",
    "llama.cpp": "llama.cpp",
    "llamacpp": "llama.cpp",
    "llama-cpp": "llama.cpp",
}


BARE_ENGINE = {"v0": (0, 8, 0), "v1": (0, 10, 0)}
"""The version that a log naming only the engine is taken for."""


@dataclass(frozen=True, slots=True)
class EngineRules:
    """What one engine version does with memory."""

    engine: str
    """`v0` or `v1` (vLLM), `sglang`, `llama.cpp`."""
    version: tuple[int, int, int]
    utilization: float
    kv: KvRules
    graphs_deducted: bool
    length_capacity: bool
    """The engine reports its cache in tokens as concurrency x length (vLLM from 0.21), not blocks x block."""
    checkpoint_kv_dtype: bool
    """KV dtype `auto` follows the checkpoint's own KV scheme."""
    latent_copies: bool
    sparse_auto_fp8: bool
    """`auto` stores sparse latent attention (DSA) in its own fp8 layout (vLLM 0.11)."""
    sampler: str
    tiers: tuple[Mapping[str, Any], ...]
    window_share: float = 0.0
    """SGLang: tokens of the sliding layers' pool for each token of the full layers' pool."""
    state_share: float = 0.0
    """SGLang: bytes of the recurrent states' pool for each byte of the KV pool."""


def parse_version(engine: str, text: str) -> tuple[tuple[int, int, int], str | None]:
    """A version of logs and tags (`v0.26.1rc1.dev156+g0ee`, `0.11.x (V1)`) and the vLLM engine that it names.

    An empty text is the newest. Raises FitInputError when no number is in it.
    """
    marked = re.search(r"\b[Vv]([01])\b(?!\.)", text)
    named = f"v{marked.group(1)}" if marked and engine == "vllm" else None
    patterns = (r"\bv?(0)\.(\d+)(?:\.(\d+))?", r"(\d+)\.(\d+)(?:\.(\d+))?")
    found = next((match for pattern in patterns if (match := re.search(pattern, text))), None)
    if found is None and named is not None:
        return BARE_ENGINE[named], named
    if found is None:
        moving = re.search(r"latest|nightly|main|dev|unknown|image|docker|source|git", text, re.IGNORECASE)
        if engine == "vllm" and text.strip() and not moving:
            raise FitInputError(
                f"engine_version {text[:40]!r} has no version number; write one such as 0.33.0",
                field="engine_version",
            )
        return (99, 0, 0), named
    return (int(found.group(1)), int(found.group(2)), int(found.group(3) or 0)), named


def _tuple(text: str) -> tuple[int, int, int]:
    major, minor, patch, *_ = [*(int(part) for part in text.split(".")), 0, 0]
    return major, minor, patch


@lru_cache(maxsize=256)
def engine_rules(engine: str, version: str = "") -> EngineRules:
    """The rules of an engine version; versions between two rows follow the older one.

    Raises FitInputError for an engine or a version that is not known.
    """
    key = NAMES.get(engine.strip().lower())
    if key is None:
        raise FitInputError(
            f"engine {engine[:40]!r} is not known; use one of {', '.join(sorted(set(NAMES.values())))}",
            field="engine",
        )
    number, named = parse_version(key, version)
    if key == "vllm" and number < (0, 4, 0):
        raise FitInputError(
            f"engine_version {version!r}: vLLM rules are known from 0.4.0 on", field="engine_version"
        )
    merged: dict[str, Any] = {}
    for row in table("engines/memory_defaults.json")[key]:
        if _tuple(row["since"]) <= number:
            merged.update(row)
    if named == "v0":
        merged = {**table("engines/memory_defaults.json")[key][0]}
    elif named == "v1" and merged["engine"] == "v0":
        merged.update({"engine": "v1", "tiers": [{"sequences": 256, "tokens": 8192}]})
    return EngineRules(
        engine=merged["engine"],
        version=number,
        utilization=merged["utilization"],
        kv=KvRules(
            block_tokens=merged["block_tokens"],
            latent_block_tokens=merged["latent_block_tokens"],
            hybrid_groups=merged["hybrid_groups"],
            wide_groups=merged["wide_groups"],
        ),
        graphs_deducted=merged["graphs_deducted"],
        length_capacity=merged["length_capacity"],
        checkpoint_kv_dtype=merged["checkpoint_kv_dtype"],
        latent_copies=merged["latent_copies"],
        sparse_auto_fp8=merged.get("sparse_auto_fp8", False),
        sampler=merged["sampler"],
        tiers=tuple(merged["tiers"]),
        window_share=merged.get("window_share", 0.0),
        state_share=merged.get("state_share", 0.0),
    )


def batch_defaults(rules: EngineRules, total_gib: float, gpu: str, max_model_len: int) -> tuple[int, int]:
    """Default sequences and batched tokens of a server on a card: (max_num_seqs, max_num_batched_tokens).

    vLLM's V0 engine batches a whole prompt up to 32,768 tokens, and chunks longer ones.
    """
    name = gpu.lower()
    for tier in rules.tiers:
        if total_gib >= tier.get("least_gib", 0) and not ("not" in tier and tier["not"] in name):
            tokens = int(tier["tokens"])
            if not tokens:
                tokens = max(max_model_len, 2048) if max_model_len <= 32_768 else 2048
            return int(tier["sequences"]), tokens
    raise FitInputError("the engine's defaults name no tier for this card", field="gpu_total_gib")
