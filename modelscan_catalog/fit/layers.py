"""Layer lists that do not repeat one block: Nemotron-H patterns, DeciLM blocks, cross-attention; and their
norms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from modelscan_catalog.fit.architecture import Attention, CompressedAttention, Dense, Layer
from modelscan_catalog.fit.feed_forward import dense, experts, first_number
from modelscan_catalog.fit.fields import Fields
from modelscan_catalog.fit.mixers import Family, attention, head_width, mamba


def hybrid_pattern(fields: Fields, family: Family, count: int) -> tuple[Layer, ...]:
    """Nemotron-H: one letter a layer; M is Mamba, * attention, - a dense block and E experts."""
    names = {"mamba": "M", "attention": "*", "mlp": "-", "moe": "E"}
    pattern = fields.text("hybrid_override_pattern")
    if not pattern:
        pattern = "".join(names.get(str(name), "?") for name in fields.sequence("layers_block_type"))
    layers = []
    for letter in pattern[:count]:
        if letter == "M":
            layers.append(Layer(mamba(fields, family), None))
        elif letter == "*":
            layers.append(Layer(attention(fields, family, "full"), None))
        elif letter == "-":
            layers.append(Layer(None, dense(fields, family, first_number(fields, "intermediate_size"))))
        elif letter == "E":
            layers.append(Layer(None, experts(fields, family)))
        else:
            raise fields.wrong("hybrid_override_pattern", "made of the letters M, *, - and E")
    if not layers:
        raise fields.wrong("hybrid_override_pattern", "given; the layers follow from it")
    return tuple(layers)


def deci_layers(fields: Fields, family: Family) -> tuple[Layer, ...]:
    """Nemotron NAS: each block says its own attention groups and feed-forward multiplier, or that it has
    none.
    """
    hidden = fields.integer("hidden_size", least=1)
    heads = fields.integer("num_attention_heads", least=1)
    layers = []
    for index, raw in enumerate(fields.sequence("block_configs")):
        if not isinstance(raw, Mapping):
            raise fields.wrong("block_configs", "a list of objects")
        block = Fields(raw, f"{fields.path}.block_configs[{index}]")
        mixer = feed = None
        one = block.mapping("attention")
        if one is not None and not one.flag("no_op", False) and not one.flag("replace_with_linear", False):
            grouped = {
                **fields.values,
                "num_key_value_heads": heads // one.integer("n_heads_in_group", default=1, least=1),
            }
            mixer = attention(Fields(grouped, block.path), family, "full")
        other = block.mapping("ffn")
        if (
            other is not None
            and not other.flag("no_op", False)
            and not other.flag("replace_with_linear", False)
        ):
            width = int(2 * other.number("ffn_mult", 1.0) * hidden / 3)
            feed = Dense(-(-width // 256) * 256)
        layers.append(Layer(mixer, feed))
    return tuple(layers)


def cross_attention(fields: Fields, family: Family, layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """Llama 3.2 Vision: the named layers attend to the image and keep no growing cache."""
    chosen = fields.sequence("cross_attention_layers")
    if not (family.get("cross") and chosen):
        return layers
    changed = list(layers)
    for index in chosen:
        if not isinstance(index, int) or not 0 <= index < len(layers):
            raise fields.wrong("cross_attention_layers", f"a list of layer numbers below {len(layers)}")
        mixer = layers[index].mixer
        if isinstance(mixer, Attention):
            changed[index] = replace(layers[index], mixer=replace(mixer, kind="cross", qk_norm="head"))
    return tuple(changed)


def add_norms(layer: Layer, fields: Fields, family: Family, hidden: int) -> Layer:
    """The norm vectors of a layer, and the small replicated weights of the families that have them."""
    vectors = int(family.get("norms", 2))
    if isinstance(layer.mixer, type(None)) or layer.feed_forward is None:
        vectors = min(vectors, 1) if (layer.mixer or layer.feed_forward) else 0
    if family.get("experts_beside_dense") and fields.flag("enable_moe_block", True) and _has_experts(fields):
        vectors += 3
    elements = vectors * hidden * (2 if family.get("norm_bias") else 1)
    other = 0
    per_layer = fields.integer("hidden_size_per_layer_input", default=0)
    if per_layer:
        other += 2 * hidden * per_layer + hidden
    if isinstance(layer.mixer, CompressedAttention):
        copies = fields.integer("hc_mult", default=4)
        mix = (2 + copies) * copies
        other += 2 * (mix * copies * hidden + mix + 3) * 2
    if "attn_res_block_size" in fields:
        other += 2 * hidden
    return replace(layer, norm_elements=elements, other_elements=other)


def _has_experts(fields: Fields) -> bool:
    return bool(first_number(fields, "num_experts"))


__all__ = ["add_norms", "cross_attention", "deci_layers", "head_width", "hybrid_pattern"]
