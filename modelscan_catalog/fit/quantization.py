"""Which format each tensor of a checkpoint is stored in, from its quantization config, a label, or its name.

Formats (bits, scales, zero points) are data in `registry/fit/quant_formats.json`. Embeddings, heads, norms
and routers stay in the model's dtype unless the checkpoint says otherwise; its ignore list is read in the
notations that exist.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from modelscan_catalog.errors import FitInputError
from modelscan_catalog.fit.fields import Fields
from modelscan_catalog.fit.quant_formats import Format, Names, format_named
from modelscan_catalog.fit.tables import table
from modelscan_catalog.fit.tensors import Tensor


@dataclass(frozen=True, slots=True)
class Scheme:
    """The storage format of each tensor of a checkpoint."""

    label: str
    default: Format | None
    ignored: Names = field(default_factory=lambda: Names(()))
    rules: tuple[tuple[Names, Format | None], ...] = ()
    only_listed: bool = False
    """Only what a rule names is quantized."""
    experts_only: bool = False
    head: bool = False
    kv_fp8: bool = False
    expert_format: Format | None = None
    certain: bool = True
    """False where the label does not say which tensors are left out."""

    def format_of(self, tensor: Tensor) -> Format | None:
        """The format of a tensor, or None where it stays in the model's dtype."""
        if (
            self.default is not None
            and self.default.everywhere
            and tensor.role in {"linear", "embedding", "head"}
        ):
            return self.default
        if tensor.role == "head":
            if not (self.head or self.rules):
                return None
        elif tensor.role != "linear":
            return None
        if self.expert_format is not None and tensor.split == "experts":
            return self.expert_format
        for names, chosen in self.rules:
            if names.match(tensor.name):
                return chosen
        if self.only_listed or (tensor.role == "head" and not self.head):
            return None
        if tensor.name.startswith("mtp.") and not self.head and self.ignored.match("mtp"):
            return None
        if self.experts_only and tensor.split != "experts":
            return None
        return None if self.ignored and self.ignored.match(tensor.name) else self.default


UNQUANTIZED = Scheme("bf16/fp16", None)


def _grouped(base: str, group: int) -> Format:
    found = format_named(base)
    return replace(found, group=group) if group > 0 and found.group else found


def _weights_format(weights: Fields, layout: str) -> Format:
    """The format of a compressed-tensors or ModelOpt group of weights."""
    bits, kind = weights.integer("num_bits", default=16), weights.text("type")
    group = weights.integer("group_size", default=0, least=-1) if weights.values.get("group_size") else 0
    strategy = weights.text("strategy")
    if "mxfp4" in layout:
        return format_named("mxfp4")
    if "nvfp4" in layout or (kind == "float" and bits == 4):
        return format_named("nvfp4") if group in (0, 16) else format_named("mxfp4")
    if kind == "float" and bits == 8:
        return format_named({"channel": "fp8_channel", "block": "fp8_block"}.get(strategy, "fp8_tensor"))
    if bits == 8:
        return _grouped("int8_group", group) if strategy == "group" else format_named("int8_channel")
    if bits == 4:
        base = "int4_group" if weights.flag("symmetric", True) else "int4_zeros"
        return _grouped(base, group)
    return replace(format_named("int4_group"), bits=float(bits), group=group or 128)


def _ignored(document: Fields) -> Names:
    listed: list[str] = []
    for key in ("ignore", "modules_to_not_convert", "exclude_modules", "ignored_layers"):
        listed += [str(item) for item in document.sequence(key)]
    dynamic = document.values.get("dynamic")
    if isinstance(dynamic, Mapping):
        listed += [f"re:{key[2:]}" for key in dynamic if isinstance(key, str) and key.startswith("-:")]
    return Names(listed)


def _kv_is_fp8(document: Fields) -> bool:
    named = document.values.get("kv_cache_quant_algo") or document.values.get("kv_cache_scheme")
    if isinstance(named, Mapping):
        return named.get("num_bits") == 8
    return isinstance(named, str) and "8" in named


def _algorithm(name: str, group: int) -> Format | None:
    """A ModelOpt algorithm's format."""
    upper = name.upper()
    if "NVFP4" in upper:
        return format_named("nvfp4")
    if "MXFP4" in upper:
        return format_named("mxfp4")
    if "MXFP8" in upper:
        return format_named("mxfp8")
    if "FP8_PB" in upper or "BLOCK" in upper:
        return format_named("fp8_block")
    if "FP8" in upper:
        return format_named("fp8_channel" if "CHANNEL" in upper else "fp8_tensor")
    if "W4A16" in upper or "W4A8" in upper or "INT4" in upper:
        return _grouped("int4_group", group)
    if "INT8" in upper or "W8A8" in upper:
        return format_named("int8_channel")
    return None


def from_document(values: Mapping[str, Any], path: str = "quantization_config") -> Scheme:
    """The scheme of a `quantization_config`, or of hf_quant_config.json. Raises FitInputError for bad
    fields.
    """
    inner = values.get("quantization")
    document = Fields(inner if isinstance(inner, Mapping) else values, path)
    method = (document.text("quant_method") or document.text("quant_type")).lower()
    algorithm = document.text("quant_algo")
    ignored, kv_fp8 = _ignored(document), _kv_is_fp8(document)
    if method == "fp8" and document.text("moe_quant_algo"):
        experts = _algorithm(document.text("moe_quant_algo"), 16)
        return Scheme("fp8", format_named("fp8_block"), kv_fp8=kv_fp8, expert_format=experts)
    layers = document.mapping("quantized_layers")
    if layers is not None and len(layers.values):
        by_format: dict[Format, list[str]] = {}
        for name, entry in layers.values.items():
            named = str(entry.get("quant_algo", "")) if isinstance(entry, Mapping) else str(entry)
            chosen = _algorithm(named, 128)
            if chosen is not None:
                by_format.setdefault(chosen, []).append(name)
        rules = tuple((Names(names), chosen) for chosen, names in by_format.items())
        return Scheme(algorithm or method, None, ignored, rules, only_listed=True, kv_fp8=kv_fp8)
    groups = document.mapping("config_groups")
    if groups is not None:
        return _from_groups(groups, document.text("format"), method or algorithm, ignored, kv_fp8)
    if algorithm:
        chosen = _algorithm(algorithm, document.integer("group_size", default=128))
        return Scheme(
            algorithm.lower(), chosen, ignored, kv_fp8=kv_fp8, certain=algorithm != "MIXED_PRECISION"
        )
    if method == "fp8":
        block = document.sequence("weight_block_size")
        return Scheme("fp8", format_named("fp8_block" if block else "fp8_tensor"), ignored, kv_fp8=kv_fp8)
    if method == "mxfp4":
        return Scheme("mxfp4", format_named("mxfp4"), ignored, experts_only=True)
    bits = document.integer("bits", "w_bit", default=4)
    if method in {
        "awq",
        "gptq",
        "auto-round",
        "auto_round",
        "autoround",
        "intel/auto-round",
        "awq_marlin",
        "gptq_marlin",
    }:
        group = document.integer("group_size", "q_group_size", default=128, least=-1)
        zeros = method.startswith("awq") or not document.flag("sym", True)
        base = "int8_group" if bits == 8 else "int4_zeros" if zeros else "int4_group"
        chosen = replace(_grouped(base, group), bits=float(bits))
        return Scheme(method, chosen, ignored, head=document.flag("lm_head", False))
    if method == "bitsandbytes":
        four = document.flag("load_in_4bit", True)
        return Scheme(method, format_named("nf4" if four else "int8_channel"), ignored)
    known = table("fit/quant_formats.json")["names"].get(method)
    if known:
        return Scheme(method, format_named(known), ignored, kv_fp8=kv_fp8, certain=False)
    return Scheme(method or "unnamed", None, ignored, kv_fp8=kv_fp8, certain=False)


def _from_groups(groups: Fields, layout: str, method: str, ignored: Names, kv_fp8: bool) -> Scheme:
    rules: list[tuple[Names, Format | None]] = []
    default: Format | None = None
    for key in groups.values:
        group = groups.mapping(key)
        weights = group.mapping("weights") if group else None
        if group is None or weights is None:
            continue
        chosen = _weights_format(weights, group.text("format") or layout)
        targets = [str(target) for target in group.sequence("targets")]
        if not targets or "Linear" in targets:
            default = chosen
        else:
            rules.append((Names(targets), chosen))
    return Scheme(method, default, ignored, tuple(rules), only_listed=default is None, kv_fp8=kv_fp8)


def label_key(label: str) -> str:
    """A label without its remarks: `int4 (compressed-tensors)` and `gguf q8_0` name their format."""
    text = label.strip().lower()
    names = table("fit/quant_formats.json")
    if text in names["names"] or text in names["unquantized"]:
        return text
    pieces = [piece for piece in re.split(r"[\s(),+]+", text) if piece in names["names"]]
    telling = [piece for piece in pieces if piece not in {"gguf", "compressed-tensors"}]
    if telling or pieces:
        return (telling or pieces)[0]
    if (first := re.split(r"[\s(]+", text, maxsplit=1)[0]) in names["unquantized"]:
        return first
    hinted = named_label(text)
    if hinted is not None:
        return hinted
    raise FitInputError(
        f"quantization {label[:60]!r} is not known; known labels: {', '.join(sorted(names['names']))}",
        field="quantization",
    )


NAME_HINTS = (
    (r"mxfp4", "mxfp4"),
    (r"nvfp4|fp4", "nvfp4"),
    (r"awq", "awq"),
    (r"gptq", "gptq"),
    (r"auto-?round", "autoround"),
    (r"w4a16|int4", "w4a16"),
    (r"fp8[-_]dynamic", "fp8-dynamic"),
    (r"fp8|float8|e4m3", "fp8"),
    (r"w8a8|int8", "w8a8-int8"),
    (r"bnb|bitsandbytes|nf4|4[-_ ]?bit", "nf4"),
    (r"8[-_ ]?bit", "w8a8-int8"),
)


def named_label(model: str) -> str | None:
    """The format that a repository's name ends in, where it does."""
    tail = model.rpartition("/")[2].lower()
    return next((label for pattern, label in NAME_HINTS if re.search(pattern, tail)), None)


def scheme_of(
    config: Mapping[str, Any],
    *,
    quant_config: Mapping[str, Any] | None = None,
    label: str | None = None,
    model: str = "",
) -> Scheme:
    """The scheme of a checkpoint.

    The label decides the family of formats; the checkpoint's own config (or hf_quant_config.json), where it
    agrees with the label, decides which tensors. A label that only repeats the compute dtype (`bf16/fp16`)
    does not overrule a quantized checkpoint. Raises FitInputError for unknown labels and bad fields.
    """
    scheme = _scheme(config, quant_config, label, model)
    four = config.get("expert_dtype") or {"deepseek_v4": "fp4"}.get(str(config.get("model_type", "")))
    if four == "fp4" and scheme.default is not None and scheme.default.bits == 8:
        return replace(scheme, expert_format=format_named("mxfp4"))
    return scheme


def _scheme(
    config: Mapping[str, Any], quant_config: Mapping[str, Any] | None, label: str | None, model: str
) -> Scheme:
    names = table("fit/quant_formats.json")
    nested = config.get("text_config")
    found = config.get("quantization_config") or (
        nested.get("quantization_config") if isinstance(nested, Mapping) else None
    )
    documents = [value for value in (quant_config, found) if isinstance(value, Mapping) and value]
    own = from_document(documents[0]) if documents else None
    if own is not None and own.default is None and not own.rules and len(documents) > 1:
        own = from_document(documents[1])
    key = label_key(label) if label else None
    if key is None or key in names["unquantized"]:
        if own is not None:
            return own
        hint = named_label(model)
        return _from_label(hint, model, config) if hint else UNQUANTIZED
    if own is not None and _agrees(own, key):
        return own
    return _from_label(key, model, config)


def _agrees(own: Scheme, key: str) -> bool:
    """Whether a checkpoint's own scheme is of the family that the label names."""
    if key == "compressed-tensors":
        return own.label == key
    if key in {"modelopt", "modelopt_mixed", "modelopt_fp4"}:
        return own.label != "compressed-tensors"
    bits = format_named(table("fit/quant_formats.json")["names"][key]).bits
    chosen = [own.default, *(rule for _, rule in own.rules)]
    return any(one is not None and round(one.bits) == round(bits) for one in chosen)


def _from_label(key: str, model: str, config: Mapping[str, Any]) -> Scheme:
    """The layout that publishers use for a label when the checkpoint's own config is not at hand."""
    if key == "compressed-tensors":
        key = named_label(model) or "w4a16"
    chosen = format_named(table("fit/quant_formats.json")["names"][key])
    kind = str(config.get("model_type", ""))
    nested = config.get("text_config")
    if isinstance(nested, Mapping):
        kind = str(nested.get("model_type", kind))
    shared = ["mtp", "shared_expert_gate", "in_proj_a", "in_proj_b", "in_proj_ba", "g_proj"]
    if key == "mxfp4" and kind == "gpt_oss":
        return Scheme(key, chosen, experts_only=True)
    if chosen.name in {"int4_group", "int4_g32"} and kind in {"kimi_k2", "kimi_k25", "deepseek_v3", "laguna"}:
        return Scheme(
            key, format_named("int4_g32"), experts_only=True, kv_fp8=kind == "laguna", certain=False
        )
    if chosen.name == "nvfp4" and kind.startswith(("deepseek", "kimi", "glm_moe")):
        return Scheme(key, chosen, Names(["self_attn"]), kv_fp8=True, certain=False)
    own = model.lower().startswith("nvidia/")  # NVIDIA's checkpoints carry FP8 KV scales
    if chosen.name == "nvfp4" and not own:
        shared.append("linear_attn")  # llm-compressor's recipe for recurrent layers
    sure = chosen.name.startswith("fp8") or chosen.everywhere or chosen.name == "int8_channel"
    return Scheme(key, chosen, Names(shared), kv_fp8=own, certain=sure)
