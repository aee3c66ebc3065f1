"""Variants of real shapes that the plan and matrix tests share: configs' dimensions, no files."""

from __future__ import annotations

from typing import Any

from modelscan_catalog.fit.architecture import Architecture
from modelscan_catalog.fit.architecture_parse import parse_architecture
from modelscan_catalog.fit.matrix_terms import FitVariant
from modelscan_catalog.fit.quantization import scheme_of

LLAMA_8B: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
QWEN_MOE: dict[str, Any] = {
    "architectures": ["Qwen3MoeForCausalLM"],
    "model_type": "qwen3_moe",
    "hidden_size": 2048,
    "intermediate_size": 6144,
    "moe_intermediate_size": 768,
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "norm_topk_prob": True,
    "num_hidden_layers": 48,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "vocab_size": 151936,
    "max_position_embeddings": 40960,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
GEMMA: dict[str, Any] = {
    "architectures": ["Gemma3ForCausalLM"],
    "model_type": "gemma3_text",
    "hidden_size": 3840,
    "intermediate_size": 15360,
    "num_hidden_layers": 48,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 256,
    "vocab_size": 262208,
    "sliding_window": 1024,
    "max_position_embeddings": 131072,
    "torch_dtype": "bfloat16",
}
DEEPSEEK_R1: dict[str, Any] = {
    "architectures": ["DeepseekV3ForCausalLM"],
    "model_type": "deepseek_v3",
    "hidden_size": 7168,
    "intermediate_size": 18432,
    "moe_intermediate_size": 2048,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "num_experts_per_tok": 8,
    "first_k_dense_replace": 3,
    "moe_layer_freq": 1,
    "num_hidden_layers": 61,
    "num_nextn_predict_layers": 1,
    "num_attention_heads": 128,
    "num_key_value_heads": 128,
    "q_lora_rank": 1536,
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "vocab_size": 129280,
    "max_position_embeddings": 163840,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
FP8_BLOCK = {"quant_method": "fp8", "weight_block_size": [128, 128], "activation_scheme": "dynamic"}
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True}


def variant(
    name: str,
    config: dict[str, Any],
    *,
    model: str = "",
    label: str | None = None,
    quantization: dict[str, Any] | None = None,
    weights_bytes: int | None = None,
) -> FitVariant:
    """A variant as the catalogue would give it: parsed config, its own quantization config or a label."""
    full = config | ({"quantization_config": quantization} if quantization else {})
    architecture = parse_architecture(full)
    assert isinstance(architecture, Architecture)
    return FitVariant(
        variant_id=name,
        model_id=model or name,
        repo=name,
        architecture=architecture,
        scheme=scheme_of(full, label=label, model=name),
        weights_bytes=weights_bytes,
        declared_context=config["max_position_embeddings"],
    )


LLAMA = variant("meta/Llama-3.1-8B", LLAMA_8B)
LLAMA_FP8 = variant("meta/Llama-3.1-8B-FP8", LLAMA_8B, model=LLAMA.model_id, quantization=FP8_BLOCK)
LLAMA_AWQ = variant("meta/Llama-3.1-8B-AWQ", LLAMA_8B, model=LLAMA.model_id, quantization=AWQ)
LLAMA_GGUF = variant("meta/Llama-3.1-8B-GGUF", LLAMA_8B, model=LLAMA.model_id, label="q4_k_m")
MOE = variant("qwen/Qwen3-30B-A3B", QWEN_MOE)
MOE_FP8 = variant("qwen/Qwen3-30B-A3B-FP8", QWEN_MOE, model=MOE.model_id, quantization=FP8_BLOCK)
SLIDING = variant("google/gemma-3-12b", GEMMA)
R1 = variant("deepseek-ai/DeepSeek-R1", DEEPSEEK_R1, quantization=FP8_BLOCK)
R1_NVFP4 = variant("nvidia/DeepSeek-R1-NVFP4", DEEPSEEK_R1, model=R1.model_id, label="nvfp4")
R1_GGUF = variant("unsloth/DeepSeek-R1-GGUF", DEEPSEEK_R1, model=R1.model_id, label="q4_k_m")
UNREAD_LARGE = FitVariant("lab/unread-large", "lab/unread-large", "lab/unread-large", weights_bytes=900 << 30)
UNREAD_SMALL = FitVariant("lab/unread-small", "lab/unread-small", "lab/unread-small", weights_bytes=1 << 30)
UNREAD_BARE = FitVariant("lab/unread-bare", "lab/unread-bare", "lab/unread-bare")
ALL = [LLAMA, LLAMA_FP8, LLAMA_AWQ, LLAMA_GGUF, MOE, MOE_FP8, SLIDING, R1, R1_NVFP4, R1_GGUF]
ALL += [UNREAD_LARGE, UNREAD_SMALL, UNREAD_BARE]
