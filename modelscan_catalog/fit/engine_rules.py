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
    """Default share of a card; SGLang works its own out (`default_utilization`)."""
    kv: KvRules
    graphs_deducted: bool
    length_capacity: bool
    """The engine reports its cache in tokens as concurrency x length (vLLM from 0.21), not blocks x block."""
    checkpoint_kv_dtype: bool
    """KV dtype `auto` follows the checkpoint's own KV scheme."""
    latent_copies: bool
    sparse_auto_fp8: bool
    """`auto` stores sparse latent attention (DSA) in its own fp8 layout (vLLM 0.11)."""
    context_counted: bool
    """CUDA's context is part of the non-torch memory."""
    sampler: str
    tiers: tuple[Mapping[str, Any], ...]
    share: Mapping[str, Any] | None = None
    """SGLang: how the default share follows from the card and the parallelism."""
    vision_cut: bool = False
    """SGLang: models with an image tower get less of the default share."""
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


OLDER_CARDS = re.compile(
    r"\b(t4|v100|p40|p100|(rtx )?20[678]0|(gtx )?1[06]\d0|titan (v|rtx)|quadro rtx)", re.IGNORECASE
)
"""Cards below compute capability 8.0."""


def served_version(engine: str, version: str, gpu: str, *, notebook: bool = False) -> str:
    """A version with the vLLM engine that really served: V0 where 0.8 to 0.9 fell back to it, on cards below
    compute capability 8.0 and in Unsloth's notebooks.
    """
    if engine != "vllm" or not version or re.search(r"\b[Vv][01]\b(?!\.)", version):
        return version
    try:
        number, _ = parse_version(engine, version)
    except FitInputError:
        return version
    falls_back = (0, 8, 0) <= number < (0, 9, 1) and (notebook or OLDER_CARDS.search(gpu))
    return f"{version} V0" if falls_back else version


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
        counted = merged.get("context_counted", False) and merged["engine"] == "v0"
        merged = {**table("engines/memory_defaults.json")[key][0], "context_counted": counted}
    elif named == "v1" and merged["engine"] == "v0":
        merged.update(
            {"engine": "v1", "context_counted": True, "tiers": [{"sequences": 256, "tokens": 8192}]}
        )
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
        context_counted=merged.get("context_counted", False),
        sampler=merged["sampler"],
        tiers=tuple(merged["tiers"]),
        share=merged.get("share"),
        vision_cut=merged.get("vision_cut", False),
        window_share=merged.get("window_share", 0.0),
        state_share=merged.get("state_share", 0.0),
    )


def batch_defaults(rules: EngineRules, total_gib: float, gpu: str, max_model_len: int) -> tuple[int, int]:
    """Default sequences and batched tokens of a server on a card: (max_num_seqs, max_num_batched_tokens).

    vLLM's V0 engine batches a whole prompt up to 32,768 tokens, and chunks longer ones.
    """
    tier = _tier(rules, total_gib, gpu)
    tokens = int(tier["tokens"])
    if not tokens:
        tokens = max(max_model_len, 2048) if max_model_len <= 32_768 else 2048
    return int(tier["sequences"]), tokens


def _tier(rules: EngineRules, total_gib: float, gpu: str) -> Mapping[str, Any]:
    name = gpu.lower()
    for tier in rules.tiers:
        if total_gib >= tier.get("least_gib", 0) and not ("not" in tier and tier["not"] in name):
            return tier
    raise FitInputError("the engine's defaults name no tier for this card", field="gpu_total_gib")


def default_utilization(rules: EngineRules, total_gib: float, ranks: int = 1, stages: int = 1) -> float:
    """The share of a card of `total_gib` that an engine takes for weights and cache when nothing says.

    vLLM's is fixed. SGLang's `mem_fraction_static` leaves a reserve by tensor parallel size, by class of
    card, or by chunk and graphs, as its version has it (`sglang_source` in the data).
    """
    share = rules.share
    if share is None:
        return rules.utilization
    if "by_ranks" in share:
        return float(next(value for size, value in reversed(share["by_ranks"].items()) if ranks >= int(size)))
    if "by_card" in share:
        entry = next(one for one in share["by_card"] if total_gib >= one["least_gib"])
        reserve_mib = (entry["gib"] + entry["rank_gib"] * ranks * stages) * 1024
    else:
        tier = _tier(rules, total_gib, "")
        reserve_mib = share["base_mib"] + share["token_mib"] * max(tier["tokens"], 2048)
        reserve_mib += share["graph_mib"] * tier["graphs"][ranks >= 4]
        reserve_mib += share["rank_mib"] * ranks * stages
        reserve_mib += share["prefill_graph_mib"] * prefill_graphs(tier["tokens"])
        if total_gib > share["large_card_gib"]:
            reserve_mib = max(reserve_mib, share["large_card_mib"])
    return max(round(1 - float(reserve_mib) / 1024 / total_gib, 3), 0.0)


def prefill_graphs(chunk_tokens: int) -> int:
    """Prefill graphs that SGLang captures for chunks of up to `chunk_tokens`: steps that widen with the
    size. (`_generate_piecewise_cuda_graph_tokens`.)
    """
    steps = ((4, 33, 4), (48, 257, 16), (288, 513, 32), (576, 1025, 64), (1280, 4097, 256))
    sizes = [size for step in steps for size in range(*step)] + list(range(4608, chunk_tokens + 1, 512))
    return sum(size <= chunk_tokens for size in sizes)


def latent_cut(rules: EngineRules, total_gib: float) -> float:
    """What multi-head latent attention takes off SGLang's default share: its prefill graphs' own reserve in
    the place of the plain one.
    """
    share = rules.share or {}
    own = share.get("latent_prefill_mib", 0)
    if not own:
        return 0.0
    plain = share["prefill_graph_mib"] * prefill_graphs(_tier(rules, total_gib, "")["tokens"])
    return float(own - plain) / 1024 / total_gib
