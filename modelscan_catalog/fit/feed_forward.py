"""From a config's fields to the feed-forward block of each layer: dense, or a mixture of experts."""

from __future__ import annotations

from modelscan_catalog.fit.architecture import Dense, Experts, FeedForward
from modelscan_catalog.fit.fields import Fields
from modelscan_catalog.fit.mixers import Family, option

EXPERT_COUNTS = ("n_routed_experts", "num_experts", "num_local_experts", "moe_num_experts")
TOP_K = (
    "num_experts_per_tok",
    "num_experts_per_token",
    "moe_topk",
    "moe_k",
    "top_k_experts",
    "moe_top_k",
    "experts_per_token",
    "num_experts_per_topk",
)


def first_number(fields: Fields, *names: str, default: int = 0) -> int:
    """The first of `names` as a whole number; a per-layer list gives its largest entry (Hunyuan, ERNIE)."""
    for name in names:
        value = fields.values.get(name)
        if isinstance(value, list | tuple) and value and all(type(item) is int for item in value):
            return max(int(item) for item in value)
        if value is not None:
            return fields.integer(name)
    return default


def expert_count(fields: Fields) -> int:
    """Routed experts of a layer, 0 for a dense model."""
    return first_number(fields, *EXPERT_COUNTS)


def dense(fields: Fields, family: Family, intermediate: int) -> Dense:
    """The dense block of the family."""
    activation = fields.text("mlp_hidden_act") or fields.text("hidden_act")
    gated = bool(family.get("gated", True))
    return Dense(
        intermediate=intermediate,
        gated=gated and activation not in {"relu2"},
        bias=option(family, "mlp_bias", fields),
    )


def dense_width(fields: Fields) -> int:
    """The dense intermediate width, under the names that families give it."""
    value = first_number(
        fields,
        "dense_intermediate_size",
        "intermediate_size",
        "ffn_hidden_size",
        "intermediate_size_mlp",
        "ff_intermediate_size",
        "n_inner",
        "ffn_dim",
        "block_ff_dim",
    )
    return value or 4 * fields.integer("hidden_size", "n_embd", default=0)


def experts(fields: Fields, family: Family) -> Experts:
    """The mixture of experts that the MoE layers of a model share."""
    count = expert_count(fields)
    width_key = str(family.get("expert_width", ""))
    width = first_number(
        fields,
        "moe_intermediate_size",
        "expert_intermediate_size",
        *([width_key] if width_key else []),
        "intermediate_size",
        "ffn_hidden_size",
    )
    if family.get("moe") == "llama4":
        width = fields.integer("intermediate_size", least=1)
    number_shared = first_number(
        fields, "n_shared_experts", "num_shared_experts", "num_shared_expert", "moe_num_shared_experts"
    )
    shared = first_number(
        fields,
        "shared_expert_intermediate_size",
        "moe_shared_expert_intermediate_size",
        "share_expert_dim",
        *([str(family["shared_width"])] if "shared_width" in family else []),
    )
    if not shared and family.get("moe") == "llama4":
        shared = width
    single = first_number(fields, "shared_intermediate_size")
    if not shared and number_shared:
        shared = number_shared * (single or width)
    if family.get("shared_gate") and "shared_expert_intermediate_size" not in fields:
        shared = width
    beside = family.get("experts_beside_dense")
    return Experts(
        experts=count,
        top_k=first_number(fields, *TOP_K, default=1),
        intermediate=width,
        shared_intermediate=shared,
        shared_gate=bool(family.get("shared_gate")),
        gated=dense(fields, family, width).gated,
        bias=option(family, "mlp_bias", fields),
        router_bias=bool(family.get("router_bias")),
        correction_bias=bool(family.get("correction_bias")),
        latent=first_number(fields, "moe_latent_size", "routed_expert_hidden_size"),
        extra_dense=dense(fields, family, dense_width(fields)) if beside else None,
        router_scales=count + fields.integer("hidden_size", least=1) if beside else 0,
    )


def is_expert_layer(fields: Fields, family: Family, layer: int, count: int) -> bool:
    """Whether a layer of a model that has experts uses them."""
    types = fields.sequence("mlp_layer_types")
    if layer < len(types):
        return str(types[layer]) in {"sparse", "moe"}
    frequency = fields.values.get("moe_layer_freq")
    if isinstance(frequency, list | tuple):
        return bool(layer < len(frequency) and frequency[layer])
    first_dense = first_number(fields, "first_k_dense_replace", "moe_layer_start_index", "num_dense_layers")
    chosen = fields.values.get("moe_layers_enum") or fields.values.get("moe_layers")
    if isinstance(chosen, str) and chosen:
        return str(layer) in chosen.replace(" ", "").split(",")
    if isinstance(chosen, list | tuple):
        return layer in chosen
    if family.get("moe") == "llama4":
        step = fields.integer("interleave_moe_layer_step", default=1, least=1)
        return (layer + 1) % step == 0
    if "expert_layer_period" in fields:
        period = fields.integer("expert_layer_period", least=1)
        return layer % period == fields.integer("expert_layer_offset", default=0)
    step = fields.integer("decoder_sparse_step", default=1) or count + 1
    only_dense = fields.sequence("mlp_only_layers")
    interval = first_number(fields, "moe_layer_interval", default=1) or 1
    last = first_number(fields, "moe_layer_end_index", default=count)
    return (
        layer >= first_dense
        and layer <= last
        and layer not in only_dense
        and (layer + 1) % step == 0
        and (layer - first_dense) % interval == 0
    )


def feed_forward(fields: Fields, family: Family, layer: int, count: int) -> FeedForward:
    """The block of one layer of the usual decoder."""
    if (
        family.get("moe") != "none"
        and expert_count(fields) > 0
        and is_expert_layer(fields, family, layer, count)
    ):
        return experts(fields, family)
    width = dense_width(fields)
    if family.get("moe") == "llama4":
        width = fields.integer("intermediate_size_mlp", "intermediate_size", least=1)
    if fields.flag("use_double_wide_mlp", False) and _reuses_cache(fields, layer, count):
        width *= 2
    return dense(fields, family, width)


def _reuses_cache(fields: Fields, layer: int, count: int) -> bool:
    shared = fields.integer("num_kv_shared_layers", default=0)
    return bool(shared) and layer >= count - shared
