"""config.json (and its nested text configs) to an `Architecture`, or to a named `Unsupported`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from modelscan_catalog.errors import FitInputError
from modelscan_catalog.fit.architecture import (
    Architecture,
    Attention,
    Layer,
    Mixer,
    Unsupported,
)
from modelscan_catalog.fit.feed_forward import (
    dense_width,
    feed_forward,
    first_number,
)
from modelscan_catalog.fit.fields import Fields, check_depth
from modelscan_catalog.fit.layers import add_norms, cross_attention, deci_layers, hybrid_pattern
from modelscan_catalog.fit.mixers import Family, attention_kinds, mamba, mixer_of
from modelscan_catalog.fit.rope import rope_cache
from modelscan_catalog.fit.tables import table
from modelscan_catalog.fit.vision import vision_tower

NESTED = ("text_config", "language_config", "llm_config", "thinker_config")
LARGEST_LAYERS = 2_000
MULTIMODAL = ("ForConditionalGeneration", "VLForCausalLM", "LlavaLlamaForCausalLM", "Phi3VForCausalLM")


def text_fields(config: Mapping[str, Any]) -> tuple[Fields, Fields]:
    """The whole document and the part of it that describes the language model.

    A nested text config inherits what only the outer level says (dtype, tying, quantization, vocabulary).
    """
    if not isinstance(config, Mapping):
        raise FitInputError("config is not an object; give the model's config.json", field="config")
    check_depth(config)
    document = Fields(config)
    inner, path = config, "config"
    for _ in range(3):
        name = next((key for key in NESTED if isinstance(inner.get(key), Mapping)), None)
        if name is None:
            break
        outer = inner
        inner = {
            **{key: outer[key] for key in ("tie_word_embeddings", "torch_dtype", "dtype") if key in outer},
            **outer[name],
        }
        path = f"{path}.{name}"
    kind = inner.get("model_type")
    defaults = table("fit/class_defaults.json")["defaults"].get(kind, {}) if isinstance(kind, str) else {}
    given = {key: value for key, value in inner.items() if value is not None}
    return document, Fields(
        {**defaults, **given} if path != "config" or "head_dim" in defaults else inner, path
    )


def parse_architecture(
    config: Mapping[str, Any], *, quant_config: Mapping[str, Any] | None = None
) -> Architecture | Unsupported:
    """The architecture that a model's config.json describes.

    `quant_config` (hf_quant_config.json) only matters here in that it may be absent; schemes are read by
    `quantization.scheme_of`. Returns `Unsupported` for a layout that no rule covers. Raises FitInputError,
    naming the field, for values that no model can have.
    """
    del quant_config
    document, fields = text_fields(config)
    model_type = fields.text("model_type") or document.text("model_type")
    named = document.sequence("architectures") or fields.sequence("architectures")
    name = str(named[0]) if named else model_type or "unnamed"
    families: dict[str, Family] = table("fit/families.json")["families"]
    family, assumed = families.get(model_type), False
    if family is None:
        family, assumed = _nearest_family(model_type, families), True
    context = first_number(
        fields, "max_position_embeddings", "n_positions", "max_sequence_length", "seq_length", default=0
    ) or first_number(document, "max_position_embeddings")
    if "unsupported" in family:
        return Unsupported(model_type, f"{model_type}: {family['unsupported']}", ("layer rules",), context)
    count = fields.integer("num_hidden_layers", "n_layer", "num_layers", "n_layers", default=0)
    count = count or len(fields.sequence("layers_block_type"))
    missing = _missing(fields, count)
    if missing:
        return Unsupported(
            model_type, f"{name}: the config leaves out {', '.join(missing)}", missing, context
        )
    if count > LARGEST_LAYERS:
        raise fields.wrong("num_hidden_layers", f"at most {LARGEST_LAYERS}")
    layers = _layers(fields, family, model_type, count)
    hidden = fields.integer("hidden_size", "n_embd", "d_model", least=1)
    layers = tuple(add_norms(layer, fields, family, hidden) for layer in layers)
    drafts, draft_elements = _draft_layers(fields, family, model_type, layers, hidden)
    vision = vision_tower(
        document,
        hidden,
        str(family.get("vision", "")),
        any(name.endswith(suffix) for suffix in MULTIMODAL),
        name,
    )
    if context == 0:
        context = 2048
    factor = family.get("linear_rope_with_vision")
    if factor and vision is not None and "rope_scaling" not in fields and "rope_parameters" not in fields:
        fields = Fields(
            {**fields.values, "rope_scaling": {"rope_type": "linear", "factor": factor}}, fields.path
        )
    return Architecture(
        model_type=model_type,
        name=name,
        layers=layers,
        draft_layers=drafts,
        draft_elements=draft_elements,
        hidden=hidden,
        vocabulary=_vocabulary(fields, document),
        tied=_tied(fields, document, family),
        intermediate=dense_width(fields),
        context=context,
        dtype_bytes=2,
        rope=rope_cache(fields, family, layers, context),
        vision=vision,
        extra_embedding=_extra_embedding(fields, family, count, hidden, context),
        head_bias=_vocabulary(fields, document) if fields.flag("lm_head_bias", False) else 0,
        encoder_only=bool(family.get("encoder")),
        assumed=assumed,
    )


def _nearest_family(model_type: str, families: Mapping[str, Family]) -> Family:
    """The rules of the longest known type that the unknown one starts with (`qwen3_9_moe` -> `qwen3`), else
    Llama's.
    """
    known = [
        key
        for key in families
        if len(key) > 3 and model_type.startswith(key) and "unsupported" not in families[key]
    ]
    return families[max(known, key=len)] if known else families["llama"]


def _missing(fields: Fields, count: int) -> tuple[str, ...]:
    """The fields without which no layer can be built."""
    absent = []
    if "hidden_size" not in fields and "n_embd" not in fields and "d_model" not in fields:
        absent.append("hidden_size")
    if not count:
        absent.append("num_hidden_layers")
    attends = any(key in fields for key in ("num_attention_heads", "n_head", "num_heads", "state_size"))
    if not attends:
        absent.append("num_attention_heads")
    return tuple(absent)


def _layers(fields: Fields, family: Family, model_type: str, count: int) -> tuple[Layer, ...]:
    if "hybrid_override_pattern" in fields or model_type.startswith("nemotron_h"):
        return hybrid_pattern(fields, family, count)
    if "block_configs" in fields:
        return deci_layers(fields, family)
    kimi = fields.mapping("linear_attn_config")
    if kimi is not None:
        full = set(kimi.integers("full_attn_layers"))
        kinds = ["full" if index + 1 in full else "linear" for index in range(count)]
    elif model_type == "falcon_h1":
        kinds = ["both"] * count
    elif model_type in {"mamba", "mamba2", "falcon_mamba"}:
        return tuple(Layer(mixer=mamba(fields, family), feed_forward=None) for _ in range(count))
    else:
        kinds = attention_kinds(fields, family, count)
    sharing = fields.integer("num_kv_shared_layers", default=0)
    layers = []
    seen: dict[str, Mixer | None] = {}
    for index, kind in enumerate(kinds):
        if (
            "num_attention_heads_per_layer" in fields
            or "compress_ratios" in fields
            or "sparse_attention_config" in fields
        ):
            mixer = mixer_of(fields, family, kind, index, model_type)
        else:
            if kind not in seen:
                seen[kind] = mixer_of(fields, family, kind, index, model_type)
            mixer = seen[kind]
        if isinstance(mixer, Attention) and sharing and index >= count - sharing:
            mixer = replace(mixer, shares_cache=True)
        second = mixer_of(fields, family, "full", index, model_type) if kind == "both" else None
        layers.append(Layer(mixer, feed_forward(fields, family, index, count), second_mixer=second))
    return cross_attention(fields, family, tuple(layers))


def _draft_layers(
    fields: Fields, family: Family, model_type: str, layers: tuple[Layer, ...], hidden: int
) -> tuple[tuple[Layer, ...], int]:
    """Multi-token-prediction layers: the last full-attention layer repeated, with the projection of two
    inputs.
    """
    count = first_number(fields, "num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_modules")
    if "mtp_num_hidden_layers" not in fields and "num_nextn_predict_layers" not in fields:
        count = count or int(family.get("draft_layers", 0))
    if not count or count > LARGEST_LAYERS:
        return (), 0
    named = fields.sequence("mtp_layers_block_type")
    pattern = fields.text("mtp_hybrid_override_pattern")
    if pattern or named:
        own = {"hybrid_override_pattern": pattern, "layers_block_type": named}
        drafts = hybrid_pattern(Fields({**fields.values, **own}), family, len(pattern or named))
        drafts = tuple(add_norms(layer, fields, family, hidden) for layer in drafts) * count
    else:
        attends = [layer for layer in layers if layer.mixer is not None and _draws_on(layer.mixer)]
        if not attends:
            return (), 0
        drafts = (attends[-1],) * count
    return drafts, count * (2 * hidden * hidden + 3 * hidden)


def _draws_on(mixer: Mixer) -> bool:
    return not isinstance(mixer, Attention) or mixer.kind == "full"


def _vocabulary(fields: Fields, document: Fields) -> int:
    return fields.integer("vocab_size", "padded_vocab_size", default=0) or document.integer(
        "vocab_size", default=0
    )


def _tied(fields: Fields, document: Fields, family: Family) -> bool:
    default = bool(family.get("tied", False))
    return fields.flag("tie_word_embeddings", document.flag("tie_word_embeddings", default))


def _extra_embedding(fields: Fields, family: Family, count: int, hidden: int, context: int) -> int:
    """Per-layer embeddings (Gemma 3n and 4 E-models) and learned positions (GPT-2, BERT)."""
    per_layer = fields.integer("hidden_size_per_layer_input", default=0)
    extra = 0
    if per_layer:
        vocabulary = fields.integer("vocab_size_per_layer_input", default=262_144)
        extra += vocabulary * count * per_layer + hidden * count * per_layer + per_layer
    if family.get("rope") == "none" and family.get("norm_bias"):
        extra += context * hidden + fields.integer("type_vocab_size", default=0) * hidden
    return extra
