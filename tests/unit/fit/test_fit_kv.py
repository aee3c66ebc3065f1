"""Claims about the KV cache: bytes a token, the hybrid attention block, groups, and what a request takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from modelscan_catalog.fit.architecture import Architecture
from modelscan_catalog.fit.architecture_parse import parse_architecture
from modelscan_catalog.fit.engine_rules import engine_rules
from modelscan_catalog.fit.kv import KvLayout, kv_layout
from modelscan_catalog.fit.tables import table

MODELS: dict[str, Any] = table("fit/configs.json")["models"]


def layout(
    model: str, *, version: str = "0.25.1", ranks: int = 1, kv_bytes: float = 2.0, **options: Any
) -> KvLayout:
    found = parse_architecture(MODELS[model]["config"])
    assert isinstance(found, Architecture)
    return kv_layout(
        found,
        engine_rules("vllm", version).kv,
        first_layer=0,
        last_layer=len(found.layers),
        ranks=ranks,
        kv_bytes=kv_bytes,
        **options,
    )


@pytest.mark.parametrize(
    ("model", "ranks", "kv_bytes", "drafts", "block"),
    [
        ("Qwen/Qwen3-Next-80B-A3B-Instruct", 2, 2.0, 0, 544),
        ("RedHatAI/Qwen3.8-27B-INT4", 1, 2.0, 3, 800),
        ("RedHatAI/Qwen3.6-35B-A3B-NVFP4", 1, 2.0, 3, 1072),
        ("Qwen/Qwen3.6-27B-FP8", 1, 1.0, 0, 1568),
        ("Qwen/Qwen3.6-35B-A3B-FP8", 1, 1.0, 0, 2096),
        ("nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-FP8", 1, 1.0, 3, 8432),
    ],
)
def test_hybrid_attention_block_is_the_logged_one(
    model: str, ranks: int, kv_bytes: float, drafts: int, block: int
) -> None:
    assert layout(model, ranks=ranks, kv_bytes=kv_bytes, drafts=drafts).attention_block == block


@pytest.mark.parametrize(
    ("model", "ranks", "token_bytes"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", 1, 131_072),
        ("meta-llama/Llama-3.1-8B-Instruct", 8, 16_384),
        ("meta-llama/Llama-3.1-8B-Instruct", 16, 16_384),
        ("moonshotai/Kimi-K2-Instruct", 8, 70_272),
        ("Qwen/Qwen3-30B-A3B-Instruct-2507", 1, 98_304),
    ],
)
def test_bytes_a_token_follow_kv_heads_ranks_and_latent_width(
    model: str, ranks: int, token_bytes: int
) -> None:
    assert layout(model, ranks=ranks).token_bytes == token_bytes


def test_sparse_attention_adds_its_indexer_and_has_its_own_fp8_layout() -> None:
    plain = layout("deepseek-ai/DeepSeek-V3.2", ranks=8)
    packed = layout("deepseek-ai/DeepSeek-V3.2", ranks=8, kv_bytes=1.0, sparse_fp8=True)

    assert plain.token_bytes == 61 * (576 * 2 + 132)
    assert packed.token_bytes == 61 * (656 + 132)


def test_decode_context_ranks_hold_disjoint_tokens() -> None:
    one, eight = (layout("moonshotai/Kimi-K2-Instruct", ranks=8, decode_context=size) for size in (1, 8))

    assert eight.block_tokens[0] == 8 * one.block_tokens[0]
    assert eight.bytes_per_block == one.bytes_per_block


def test_sliding_and_full_layers_share_pages_in_groups_of_the_smaller_kind() -> None:
    gemma = layout("google/gemma-3-12b-it")

    assert sorted(gemma.groups.tolist()) == [1, 5]
    assert gemma.bytes_per_block == 8 * 16 * 2 * 8 * 256 * 2
    assert np.isinf(gemma.limit_tokens).tolist().count(True) == 1
    assert gemma.extra_blocks[np.isfinite(gemma.limit_tokens)].tolist() == [1]


def test_draft_layers_join_the_full_attention_layers() -> None:
    drafted = layout("RedHatAI/Qwen3.8-27B-INT4", drafts=3, draft_layers=True)

    assert drafted.bytes_per_block == 17 * 800 * 4096
    assert sorted(drafted.groups.tolist()) == [1, 3]
    assert max(drafted.extra_blocks) == 4


def test_kinds_of_nearly_equal_size_take_the_larger_as_group_size() -> None:
    wide = layout("openai/gpt-oss-20b", version="0.12.0", draft_full_layers=1)
    old = layout("openai/gpt-oss-20b", version="0.10.2", draft_full_layers=1)

    assert wide.groups.tolist() == [1, 1]
    assert sorted(old.groups.tolist()) == [1, 2]


def test_early_engines_keep_every_token_of_sliding_layers() -> None:
    assert np.isinf(layout("google/gemma-3-12b-it", version="0.8.5").limit_tokens).all()


def test_layers_that_read_another_cache_add_none() -> None:
    config = {**MODELS["google/gemma-4-26B-A4B"]["config"]}
    config["text_config"] = {**config["text_config"], "num_kv_shared_layers": 10}
    shared, whole = parse_architecture(config), parse_architecture(MODELS["google/gemma-4-26B-A4B"]["config"])
    assert isinstance(shared, Architecture)
    assert isinstance(whole, Architecture)
    sizes = [
        kv_layout(
            one, engine_rules("vllm", "0.8.5").kv, first_layer=0, last_layer=30, ranks=1, kv_bytes=2.0
        ).token_bytes
        for one in (shared, whole)
    ]

    assert sizes[0] < sizes[1]
