"""Claims about families that the registry has no config of: dimensions in, published parameter count out."""

from __future__ import annotations

from typing import Any

import pytest

from modelscan_catalog.fit.architecture import Architecture
from modelscan_catalog.fit.architecture_parse import parse_architecture
from modelscan_catalog.fit.tensors import parameter_count


def marked(count: int, chosen: list[int], name: str, other: str) -> list[str]:
    """`count` layer kinds: `name` at the chosen places, `other` elsewhere."""
    return [name if index in chosen else other for index in range(count)]


FAMILIES: dict[str, tuple[int, dict[str, Any]]] = {
    "baidu/ERNIE-4.5-21B-A3B-PT": (
        21825437888,
        {
            "model_type": "ernie4_5_moe",
            "hidden_size": 2560,
            "num_hidden_layers": 28,
            "num_attention_heads": 20,
            "num_key_value_heads": 4,
            "intermediate_size": 12288,
            "moe_intermediate_size": 1536,
            "moe_num_experts": 64,
            "moe_num_shared_experts": 2,
            "moe_k": 6,
            "moe_layer_start_index": 1,
            "moe_layer_interval": 1,
            "vocab_size": 103424,
            "tie_word_embeddings": True,
            "use_bias": False,
            "max_position_embeddings": 131072,
        },
    ),
    "tencent/Hunyuan-A13B-Instruct": (
        80393183232,
        {
            "model_type": "hunyuan_v1_moe",
            "hidden_size": 4096,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "intermediate_size": 3072,
            "moe_intermediate_size": [3072] * 32,
            "num_experts": 64,
            "moe_topk": [8] * 32,
            "num_shared_expert": [1] * 32,
            "vocab_size": 128167,
            "tie_word_embeddings": True,
            "max_position_embeddings": 32768,
        },
    ),
    "microsoft/phi-4": (
        14659507200,
        {
            "model_type": "phi3",
            "hidden_size": 5120,
            "num_hidden_layers": 40,
            "num_attention_heads": 40,
            "num_key_value_heads": 10,
            "intermediate_size": 17920,
            "vocab_size": 100352,
            "tie_word_embeddings": False,
            "max_position_embeddings": 16384,
        },
    ),
    "allenai/OLMo-2-1124-7B": (
        7298617344,
        {
            "model_type": "olmo2",
            "hidden_size": 4096,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 32,
            "intermediate_size": 11008,
            "vocab_size": 100352,
            "max_position_embeddings": 4096,
        },
    ),
    "CohereLabs/c4ai-command-r7b-12-2024": (
        8028033024,
        {
            "model_type": "cohere2",
            "hidden_size": 4096,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "intermediate_size": 14336,
            "vocab_size": 256000,
            "max_position_embeddings": 8192,
            "sliding_window": 4096,
        },
    ),
    "ai21labs/AI21-Jamba-Mini-1.5": (
        51570323328,
        {
            "model_type": "jamba",
            "hidden_size": 4096,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "intermediate_size": 14336,
            "num_experts": 16,
            "num_experts_per_tok": 2,
            "attn_layer_period": 8,
            "attn_layer_offset": 4,
            "expert_layer_period": 2,
            "expert_layer_offset": 1,
            "mamba_d_state": 16,
            "mamba_d_conv": 4,
            "mamba_expand": 2,
            "mamba_dt_rank": 256,
            "vocab_size": 65536,
            "max_position_embeddings": 262144,
            "tie_word_embeddings": False,
        },
    ),
    "LiquidAI/LFM2-1.2B": (
        1170340608,
        {
            "model_type": "lfm2",
            "hidden_size": 2048,
            "num_hidden_layers": 16,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "block_ff_dim": 12288,
            "intermediate_size": 8192,
            "vocab_size": 65536,
            "conv_L_cache": 3,
            "layer_types": marked(16, [2, 5, 8, 10, 12, 14], "full_attention", "conv"),
            "max_position_embeddings": 128000,
        },
    ),
    "ibm-granite/granite-4.0-h-tiny": (
        6939037248,
        {
            "model_type": "granitemoehybrid",
            "hidden_size": 1536,
            "num_hidden_layers": 40,
            "num_attention_heads": 12,
            "num_key_value_heads": 4,
            "intermediate_size": 512,
            "shared_intermediate_size": 1024,
            "num_local_experts": 64,
            "num_experts_per_tok": 6,
            "vocab_size": 100352,
            "mamba_n_heads": 48,
            "mamba_d_head": 64,
            "mamba_d_state": 128,
            "mamba_n_groups": 1,
            "mamba_d_conv": 4,
            "layer_types": marked(40, [5, 15, 25, 35], "attention", "mamba"),
            "max_position_embeddings": 131072,
        },
    ),
    "mistralai/Mistral-Small-24B-Instruct-2501": (
        23572403200,
        {
            "model_type": "mistral",
            "hidden_size": 5120,
            "num_hidden_layers": 40,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "intermediate_size": 32768,
            "vocab_size": 131072,
            "max_position_embeddings": 32768,
        },
    ),
    "Qwen/Qwen1.5-MoE-A2.7B": (
        14315784192,
        {
            "model_type": "qwen2_moe",
            "hidden_size": 2048,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "num_key_value_heads": 16,
            "intermediate_size": 5632,
            "moe_intermediate_size": 1408,
            "shared_expert_intermediate_size": 5632,
            "num_experts": 60,
            "num_experts_per_tok": 4,
            "vocab_size": 151936,
            "max_position_embeddings": 8192,
        },
    ),
    "deepseek-ai/deepseek-moe-16b-base": (
        16375728128,
        {
            "model_type": "deepseek",
            "hidden_size": 2048,
            "num_hidden_layers": 28,
            "num_attention_heads": 16,
            "num_key_value_heads": 16,
            "intermediate_size": 10944,
            "moe_intermediate_size": 1408,
            "n_routed_experts": 64,
            "n_shared_experts": 2,
            "num_experts_per_tok": 6,
            "first_k_dense_replace": 1,
            "moe_layer_freq": 1,
            "vocab_size": 102400,
            "max_position_embeddings": 4096,
        },
    ),
    "zai-org/GLM-4-9B-0414": (
        9400279040,
        {
            "model_type": "glm4",
            "hidden_size": 4096,
            "num_hidden_layers": 40,
            "num_attention_heads": 32,
            "num_key_value_heads": 2,
            "head_dim": 128,
            "intermediate_size": 13696,
            "vocab_size": 151552,
            "attention_bias": True,
            "max_position_embeddings": 32768,
        },
    ),
    "moonshotai/Kimi-Linear-48B-A3B-Instruct": (
        49122681728,
        {
            "model_type": "kimi_linear",
            "hidden_size": 2304,
            "num_hidden_layers": 27,
            "num_attention_heads": 32,
            "num_key_value_heads": 32,
            "head_dim": 72,
            "intermediate_size": 9216,
            "moe_intermediate_size": 1024,
            "num_experts": 256,
            "num_shared_experts": 1,
            "num_experts_per_token": 8,
            "first_k_dense_replace": 1,
            "kv_lora_rank": 512,
            "q_lora_rank": None,
            "qk_nope_head_dim": 128,
            "qk_rope_head_dim": 64,
            "v_head_dim": 128,
            "vocab_size": 163840,
            "linear_attn_config": {
                "full_attn_layers": [4, 8, 12, 16, 20, 24, 27],
                "kda_layers": [],
                "num_heads": 32,
                "head_dim": 128,
                "short_conv_kernel_size": 4,
            },
            "tie_word_embeddings": False,
        },
    ),
    "google/gemma-3-4b-it": (
        4300079472,
        {
            "architectures": ["Gemma3ForConditionalGeneration"],
            "model_type": "gemma3",
            "text_config": {
                "model_type": "gemma3_text",
                "hidden_size": 2560,
                "num_hidden_layers": 34,
                "intermediate_size": 10240,
                "sliding_window": 1024,
            },
            "vision_config": {
                "model_type": "siglip_vision_model",
                "hidden_size": 1152,
                "intermediate_size": 4304,
                "num_hidden_layers": 27,
                "patch_size": 14,
                "image_size": 896,
            },
        },
    ),
    "openbmb/MiniCPM-2B-sft-bf16": (
        2724880896,
        {
            "model_type": "minicpm",
            "hidden_size": 2304,
            "num_hidden_layers": 40,
            "num_attention_heads": 36,
            "num_key_value_heads": 36,
            "intermediate_size": 5760,
            "vocab_size": 122753,
        },
    ),
    "mistralai/Mamba-Codestral-7B-v0.1": (
        7285403648,
        {
            "model_type": "mamba2",
            "architectures": ["Mamba2ForCausalLM"],
            "hidden_size": 4096,
            "num_hidden_layers": 64,
            "num_heads": 128,
            "head_dim": 64,
            "state_size": 128,
            "n_groups": 8,
            "conv_kernel": 4,
            "expand": 2,
            "vocab_size": 32768,
            "tie_word_embeddings": False,
        },
    ),
    "HuggingFaceTB/SmolLM3-3B": (
        3075098624,
        {
            "model_type": "smollm3",
            "hidden_size": 2048,
            "num_hidden_layers": 36,
            "num_attention_heads": 16,
            "num_key_value_heads": 4,
            "intermediate_size": 11008,
            "vocab_size": 128256,
            "tie_word_embeddings": True,
            "max_position_embeddings": 65536,
        },
    ),
}


@pytest.mark.parametrize("model", sorted(FAMILIES))
def test_family_shapes_add_up_to_the_published_count(model: str) -> None:
    published, config = FAMILIES[model]
    found = parse_architecture(config)

    assert isinstance(found, Architecture)
    assert not found.assumed
    assert parameter_count(found) == published
