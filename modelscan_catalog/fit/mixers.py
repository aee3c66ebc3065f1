"""From a config's fields to the mixer of each layer: attention of every kind, latent attention, recurrent
states.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelscan_catalog.fit.architecture import (
    Attention,
    AttentionKind,
    CompressedAttention,
    DeltaNet,
    LatentAttention,
    Mamba,
    Mixer,
    ShortConvolution,
)
from modelscan_catalog.fit.fields import Fields

Family = Mapping[str, Any]

KIND_NAMES: dict[str, AttentionKind] = {
    "full_attention": "full",
    "attention": "full",
    "deepseek_sparse_attention": "full",
    "global": "full",
    "sliding_attention": "sliding",
    "sliding_window": "sliding",
    "local": "sliding",
    "chunked_attention": "chunked",
}
LINEAR_NAMES = {"linear_attention", "kda", "gated_deltanet"}
MAMBA_NAMES = {"mamba", "mamba2"}


def option(family: Family, name: str, fields: Fields, default: bool = False) -> bool:
    """A family's yes/no rule: literally given, or the name of the config key that says it."""
    rule = family.get(name, default)
    return fields.flag(rule, False) if isinstance(rule, str) else bool(rule)


def head_width(fields: Fields) -> int:
    """The head's width: `head_dim`, or hidden / heads where the config leaves it out."""
    heads = fields.integer("num_attention_heads", "n_head", default=0)
    fallback = fields.integer("hidden_size", "n_embd", "d_model", least=1) // heads if heads else 0
    return fields.integer("head_dim", "attention_head_dim", "kv_channels", default=fallback) or fallback


def key_value_heads(fields: Fields, heads: int) -> int:
    """KV heads: given, multi-query, ChatGLM's groups, or as many as query heads."""
    if fields.flag("multi_query", False):
        return 1
    return (
        fields.integer(
            "num_key_value_heads", "multi_query_group_num", "n_head_kv", "num_kv_heads", default=heads
        )
        or heads
    )


def attention_kinds(fields: Fields, family: Family, count: int) -> list[str]:
    """The kind of each layer, by name: `full`, `sliding`, `chunked`, `linear` or `mamba`."""
    declared = list(fields.sequence("layer_types")) or list(fields.sequence("layers_block_type"))
    if declared:
        names = [str(name) for name in declared[:count]]
        names += ["full_attention"] * (count - len(names))
        return [_kind_of(name, fields) for name in names]
    pattern = fields.sequence("hybrid_layer_pattern")
    if pattern:
        return ["sliding" if index < len(pattern) and pattern[index] else "full" for index in range(count)]
    interval = fields.integer("full_attention_interval", default=0)
    if interval and "linear_num_value_heads" in fields:
        return ["full" if (index + 1) % interval == 0 else "linear" for index in range(count)]
    if "attn_layer_period" in fields:
        period, offset = fields.integer("attn_layer_period", least=1), fields.integer("attn_layer_offset")
        return ["full" if index % period == offset else "mamba" for index in range(count)]
    if "attn_layer_indices" in fields:
        chosen = set(fields.integers("attn_layer_indices"))
        return ["full" if index in chosen else "mamba" for index in range(count)]
    return _window_kinds(fields, family, count)


def _kind_of(name: str, fields: Fields) -> str:
    if name in KIND_NAMES:
        kind = KIND_NAMES[name]
        return "full" if kind == "sliding" and not _window(fields) else kind
    if name in LINEAR_NAMES:
        return "linear"
    if name in MAMBA_NAMES:
        return "mamba"
    if name in {"conv", "short_conv"}:
        return "conv"
    if name in {"hybrid"}:
        return "both"
    raise fields.wrong("layer_types", f"made of known layer types; {name[:40]!r} is none")


def _window(fields: Fields) -> int:
    return fields.integer("sliding_window", "sliding_window_size", default=0)


def _window_kinds(fields: Fields, family: Family, count: int) -> list[str]:
    rule, window = str(family.get("window", "none")), _window(fields)
    if rule == "chunked":
        chunk = fields.integer("attention_chunk_size", default=0)
        without_rope = fields.sequence("no_rope_layers")
        return [
            "chunked" if chunk and (without_rope[i] if i < len(without_rope) else (i + 1) % 4) else "full"
            for i in range(count)
        ]
    if not window or rule in {"none", "types"}:
        return ["full"] * count
    if rule == "all":
        return ["sliding"] * count
    if rule == "alternate":
        return ["sliding" if index % 2 == 0 else "full" for index in range(count)]
    if rule == "qwen2":
        first = fields.integer("max_window_layers", default=count)
        slides = fields.flag("use_sliding_window", False)
        return ["sliding" if slides and index >= first else "full" for index in range(count)]
    every = fields.integer(
        "sliding_window_pattern", "_sliding_window_pattern", default=int(rule.split(":")[1])
    )
    return ["full" if every and (index + 1) % every == 0 else "sliding" for index in range(count)]


def attention(fields: Fields, family: Family, kind: AttentionKind, layer: int = 0) -> Attention:
    """Grouped-query attention of one layer, with the per-kind head counts that some families have."""
    heads = fields.integer("num_attention_heads", "n_head", "num_heads", least=1)
    per_layer = fields.integers("num_attention_heads_per_layer")
    if layer < len(per_layer):
        heads = per_layer[layer]
    kv_heads, width = key_value_heads(fields, heads), head_width(fields)
    value_dim = fields.integer("v_head_dim", default=width) or width
    value_is_key = False
    if kind == "sliding":
        heads = fields.integer("swa_num_attention_heads", default=heads)
        kv_heads = fields.integer("swa_num_key_value_heads", default=kv_heads)
        width = fields.integer("swa_head_dim", default=width)
        value_dim = fields.integer("swa_v_head_dim", default=value_dim)
        other = fields.mapping("attention_other_setting")
        if other is not None:
            heads = other.integer("num_attention_heads", default=heads)
            kv_heads = other.integer("num_attention_groups", "num_key_value_heads", default=kv_heads)
    elif kind == "full" and "global_head_dim" in fields:
        width = fields.integer("global_head_dim", least=1)
        value_dim = width
        kv_heads = fields.integer("num_global_key_value_heads", default=kv_heads) or kv_heads
        value_is_key = fields.flag("attention_k_eq_v", False)
    if width < 1 or value_dim < 1:
        raise fields.wrong("head_dim", "given, or hidden_size at least num_attention_heads")
    norm = family.get("qk_norm", "none")
    if norm not in {"none", "head", "width"}:
        norm = "head" if fields.flag(str(norm), False) else "none"
    elif not fields.flag("use_qk_norm", True):
        norm = "none"
    gate = family.get("query_gate", "none")
    if not fields.flag("attn_output_gate", True):
        gate = "none"
    sparse = fields.mapping("sparse_attention_config")
    chosen = sparse.sequence("sparse_attention_freq") if sparse else ()
    indexed = bool(layer < len(chosen) and chosen[layer])
    sinks = option(family, "sinks", fields) and (kind == "sliding" or family.get("sinks") is True)
    return Attention(
        kind=kind,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=width,
        value_dim=value_dim,
        window=fields.integer("attention_chunk_size", default=0) if kind == "chunked" else _window(fields),
        qkv_bias=option(family, "qkv_bias", fields),
        output_bias=option(family, "output_bias", fields),
        query_gate=gate,
        qk_norm=norm,
        sinks=sinks,
        value_is_key=value_is_key,
        index_heads=sparse.integer("sparse_num_index_heads", default=0) if sparse and indexed else 0,
        index_dim=sparse.integer("sparse_index_dim", default=0) if sparse and indexed else 0,
    )


def latent_attention(fields: Fields) -> LatentAttention:
    """DeepSeek's multi-head latent attention, with DSA's indexer where the config has one."""
    return LatentAttention(
        heads=fields.integer("num_attention_heads", least=1),
        query_rank=fields.integer("q_lora_rank", default=0),
        kv_rank=fields.integer("kv_lora_rank", least=1),
        nope_dim=fields.integer("qk_nope_head_dim", default=128),
        rope_dim=fields.integer("qk_rope_head_dim", default=64),
        value_dim=fields.integer("v_head_dim", default=fields.integer("qk_nope_head_dim", default=128)),
        index_heads=fields.integer("index_n_heads", default=0) if "index_topk" in fields else 0,
        index_dim=fields.integer("index_head_dim", default=128),
        output_gate=fields.flag("mla_use_output_gate", False),
    )


def compressed_attention(fields: Fields, layer: int) -> CompressedAttention:
    """DeepSeek V4's attention; a config that leaves out the output ranks has the published ones."""
    ratios = fields.integers("compress_ratios")
    heads = fields.integer("num_attention_heads", least=1)
    return CompressedAttention(
        heads=heads,
        head_dim=head_width(fields),
        rope_dim=fields.integer("qk_rope_head_dim", default=64),
        query_rank=fields.integer("q_lora_rank", least=1),
        output_groups=fields.integer("o_groups", default=max(1, heads // 8), least=1),
        output_rank=fields.integer("o_lora_rank", default=1024),
        window=_window(fields),
        ratio=ratios[layer] if layer < len(ratios) else 0,
        index_heads=fields.integer("index_n_heads", default=0),
        index_dim=fields.integer("index_head_dim", default=128),
    )


def delta_net(fields: Fields, model_type: str) -> DeltaNet:
    """Gated DeltaNet, or Kimi Delta Attention where `linear_attn_config` is given."""
    kimi = fields.mapping("linear_attn_config")
    if kimi is not None:
        heads, width = kimi.integer("num_heads", least=1), kimi.integer("head_dim", least=1)
        return DeltaNet(
            key_heads=heads,
            value_heads=heads,
            key_dim=width,
            value_dim=width,
            kernel=kimi.integer("short_conv_kernel_size", default=4),
            state_bytes=4,
            flavour="kda",
            full_rank_gate=kimi.flag("use_full_rank_gate", False),
        )
    return DeltaNet(
        key_heads=fields.integer("linear_num_key_heads", least=1),
        value_heads=fields.integer("linear_num_value_heads", least=1),
        key_dim=fields.integer("linear_key_head_dim", least=1),
        value_dim=fields.integer("linear_value_head_dim", least=1),
        kernel=fields.integer("linear_conv_kernel_dim", default=4),
        state_bytes=_state_bytes(fields, 2),
        flavour="next" if model_type == "qwen3_next" else "split",
    )


def _state_bytes(fields: Fields, default: int) -> int:
    named = fields.text("mamba_ssm_dtype") or fields.text("mamba_ssm_cache_dtype")
    return {"float32": 4, "bfloat16": 2, "float16": 2}.get(named, default)


def mamba(fields: Fields, family: Family) -> Mamba:
    """Mamba-1 (Jamba) or Mamba-2 (Nemotron-H, Granite 4, Falcon-H1, Bamba) by the fields that are there."""
    hidden = fields.integer("hidden_size", "d_model", least=1)
    expand = fields.number("mamba_expand", fields.number("expand", 2.0))
    state_bytes = _state_bytes(fields, int(family.get("state_bytes", 2)))
    heads = fields.integer("mamba_num_heads", "mamba_n_heads", "num_heads", default=0)
    if not heads:
        inner = fields.integer("intermediate_size", default=0) if "state_size" in fields else 0
        inner = inner or int(hidden * expand)
        rank = fields.integer("mamba_dt_rank", "time_step_rank", default=-(-hidden // 16), least=1)
        state = fields.integer("mamba_d_state", "state_size", default=16)
        kernel = fields.integer("mamba_d_conv", "conv_kernel", default=4)
        return Mamba(inner=inner, state=state, kernel=kernel, state_bytes=state_bytes, step_rank=rank)
    width = fields.values.get("mamba_head_dim", fields.values.get("mamba_d_head"))
    if width in (None, "auto"):
        head_dim = int(hidden * expand) // heads
    else:
        head_dim = fields.integer("mamba_head_dim", "mamba_d_head", least=1)
    return Mamba(
        inner=fields.integer("mamba_d_ssm", default=heads * head_dim),
        state=fields.integer("ssm_state_size", "mamba_d_state", "state_size", default=128),
        kernel=fields.integer("conv_kernel", "mamba_d_conv", default=4),
        state_bytes=state_bytes,
        heads=heads,
        head_dim=head_dim,
        groups=fields.integer("n_groups", "mamba_n_groups", default=1) or 1,
        conv_bias=fields.flag("use_conv_bias", fields.flag("mamba_conv_bias", True)),
        projection_bias=fields.flag("mamba_proj_bias", False),
        gated_norm=option(family, "mamba_norm", fields, True),
    )


def mixer_of(fields: Fields, family: Family, kind: str, layer: int, model_type: str) -> Mixer | None:
    """The mixer of one layer by the kind that `attention_kinds` gave it."""
    if kind == "linear":
        return delta_net(fields, model_type)
    if kind in {"mamba", "both"}:
        return mamba(fields, family)
    if kind == "conv":
        return ShortConvolution(
            width=fields.integer("conv_dim", "hidden_size", least=1),
            kernel=fields.integer("conv_L_cache", default=3),
        )
    if "compress_ratios" in fields:
        return compressed_attention(fields, layer)
    if "kv_lora_rank" in fields and fields.flag("use_mla", True):
        return latent_attention(fields)
    if kind == "sliding":
        return attention(fields, family, "sliding", layer)
    if kind == "chunked":
        return attention(fields, family, "chunked", layer)
    return attention(fields, family, "full", layer)
