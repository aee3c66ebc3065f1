"""How a checkpoint stores its weights: from its configuration, its tensors, its recipe or its name."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from modelscan_catalog.merge.facts import text_config
from modelscan_catalog.merge.names import bare_name, label_of, split_labels
from modelscan_catalog.merge.tables import MergeTables
from modelscan_catalog.records import Quantization

_DTYPES = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}


def quantization_of(
    repo: str,
    config: Mapping[str, Any],
    quant_config_json: str | None,
    safetensors_dtypes: Mapping[str, int],
    recipe_labels: Sequence[str],
    tables: MergeTables,
) -> Quantization | None:
    """The storage of a repository's weights with the strongest evidence there is, or None.

    In order: ``quantization_config`` of config.json or hf_quant_config.json, the dtypes of its tensors, the
    label of a launch recipe, the label in its name, the ``torch_dtype`` of config.json. A plain dtype does
    not beat a label in the name: packed 4-bit weights are stored in integer tensors. Where all of an owner's
    repositories are in one runtime's format, that is the method.
    """
    found = _strongest(repo, config, quant_config_json, safetensors_dtypes, recipe_labels, tables)
    method = tables.format_owners.get(repo.partition("/")[0].lower())
    if found is None or method is None:
        return found
    return found.model_copy(update={"method": method})


def _strongest(
    repo: str,
    config: Mapping[str, Any],
    quant_config_json: str | None,
    safetensors_dtypes: Mapping[str, int],
    recipe_labels: Sequence[str],
    tables: MergeTables,
) -> Quantization | None:
    stated = _from_config(config) or _from_modelopt(quant_config_json)
    if stated is not None:
        return stated
    tensors = _from_dtypes(safetensors_dtypes, tables)
    if tensors is not None and tensors.bits is not None and tensors.bits <= 16:
        return tensors
    labels = split_labels(bare_name(repo), tables)[1]
    recipe = [label for label in (label_of(text, tables) for text in sorted(set(recipe_labels))) if label]
    for evidence, found in (("recipe", recipe), ("repo_name", list(labels))):
        if found:
            scheme = next((label for label in found if label.scheme not in ("bnb", "mlx")), found[0])
            method = next((label.method for label in found if label.method), None)
            bits = next((label.bits for label in found if label.bits), None)
            return Quantization(scheme=scheme.scheme, method=method, bits=bits, evidence=evidence)
    dtype = text_config(dict(config)).get("torch_dtype") or text_config(dict(config)).get("dtype")
    dtype = dtype or config.get("torch_dtype") or config.get("dtype")
    if isinstance(dtype, str) and dtype in _DTYPES:
        scheme_name = _DTYPES[dtype]
        return Quantization(scheme=scheme_name, bits=32 if scheme_name == "fp32" else 16, evidence="config")
    return tensors


def _from_config(config: Mapping[str, Any]) -> Quantization | None:
    for where in (config, text_config(dict(config))):
        for name in ("quantization_config", "compression_config", "quantization"):
            block = where.get(name)
            if isinstance(block, dict) and block:
                found = _from_block(block)
                if found is not None:
                    return found
    return None


def _from_block(block: Mapping[str, Any]) -> Quantization | None:
    method = _text(block.get("quant_method")) or ("modelopt" if block.get("quant_algo") else None)
    algorithm = _text(block.get("quant_algo"))
    weights = _first_group(block)
    group_size = _count(block.get("group_size")) or _count(block.get("q_group_size"))
    group_size = group_size or _count((weights or {}).get("group_size"))
    kv_cache = _kv_cache(block)
    scheme, bits = _scheme(block, method, algorithm, weights)
    if scheme is None:
        return None
    return Quantization(
        scheme=scheme,
        method=method,
        bits=bits,
        group_size=group_size,
        kv_cache_dtype=kv_cache,
        evidence="config",
    )


def _scheme(
    block: Mapping[str, Any], method: str | None, algorithm: str | None, weights: Mapping[str, Any] | None
) -> tuple[str | None, float | None]:
    if algorithm is not None:
        return _from_algorithm(algorithm)
    if method in ("fp8", "fbgemm_fp8", "finegrained_fp8"):
        return "fp8", 8
    if method in ("mxfp4", "mxfp8", "nvfp4"):
        return method, 8 if method == "mxfp8" else 4
    if method in ("awq", "gptq"):
        return method, _number(block.get("bits"))
    if method == "bitsandbytes":
        if block.get("load_in_4bit"):
            return f"bnb-{_text(block.get('bnb_4bit_quant_type')) or 'int4'}", 4
        return ("int8", 8) if block.get("load_in_8bit") else ("bnb", None)
    if method == "compressed-tensors":
        return _compressed(_text(block.get("format")) or "", weights, _activations(block))
    bits = _number(block.get("bits")) or _number(block.get("nbits"))
    if method is not None:
        return method, bits
    return (f"int{bits:g}", bits) if bits else (None, None)  # MLX: bits and group size alone


def _from_algorithm(algorithm: str) -> tuple[str | None, float | None]:
    known: dict[str, tuple[str, float | None]] = {
        "FP8": ("fp8", 8),
        "FP8_PB_WO": ("fp8", 8),
        "FP8_PER_CHANNEL_PER_TOKEN": ("fp8", 8),
        "NVFP4": ("nvfp4", 4),
        "NVFP4_AWQ": ("nvfp4", 4),
        "MXFP8": ("mxfp8", 8),
        "MXFP4": ("mxfp4", 4),
        "W4A16_AWQ": ("awq", 4),
        "W4A8_AWQ": ("w4a8", 4),
        "INT8_SQ": ("w8a8-int8", 8),
        "W8A8_SQ_PER_CHANNEL": ("w8a8-int8", 8),
        "MIXED_PRECISION": ("mixed", None),
    }
    return known.get(algorithm.upper(), (algorithm.lower(), None))


def _compressed(
    layout: str, weights: Mapping[str, Any] | None, activations: Mapping[str, Any] | None
) -> tuple[str | None, float | None]:
    for name in ("nvfp4", "mxfp4", "mxfp8"):
        if layout.startswith(name):
            return name, 8 if name == "mxfp8" else 4
    bits = _number((weights or {}).get("num_bits"))
    if bits is None:
        return (layout or None), None
    if (weights or {}).get("type") == "float":
        return f"fp{bits:g}", bits
    return ("w8a8-int8" if bits == 8 and activations else f"int{bits:g}"), bits


def _first_group(block: Mapping[str, Any]) -> Mapping[str, Any] | None:
    groups = block.get("config_groups")
    for group in groups.values() if isinstance(groups, dict) else ():
        if isinstance(group, dict) and isinstance(group.get("weights"), dict):
            return dict(group["weights"])
    return None


def _activations(block: Mapping[str, Any]) -> Mapping[str, Any] | None:
    groups = block.get("config_groups")
    for group in groups.values() if isinstance(groups, dict) else ():
        if isinstance(group, dict) and isinstance(group.get("input_activations"), dict):
            return dict(group["input_activations"])
    return None


def _kv_cache(block: Mapping[str, Any]) -> str | None:
    scheme = block.get("kv_cache_scheme")
    if isinstance(scheme, dict) and scheme.get("type") == "float" and scheme.get("num_bits") == 8:
        return "fp8"
    algorithm = _text(block.get("kv_cache_quant_algo")) or (
        _text(scheme) if isinstance(scheme, str) else None
    )
    return algorithm.lower() if algorithm else None


def _from_modelopt(text: str | None) -> Quantization | None:
    """``hf_quant_config.json`` of NVIDIA ModelOpt."""
    if not text:
        return None
    try:
        block = json.loads(text).get("quantization")
    except (ValueError, AttributeError):
        return None
    if not isinstance(block, dict) or not _text(block.get("quant_algo")):
        return None
    scheme, bits = _from_algorithm(str(block["quant_algo"]))
    return Quantization(
        scheme=scheme or "mixed",
        method="modelopt",
        bits=bits,
        group_size=_count(block.get("group_size")),
        kv_cache_dtype=_kv_cache(block),
        evidence="config",
    )


def _from_dtypes(dtypes: Mapping[str, int], tables: MergeTables) -> Quantization | None:
    """The dtype that holds most parameters, when it names a scheme."""
    counted = sorted(((count, dtype) for dtype, count in dtypes.items() if count > 0), reverse=True)
    if not counted:
        return None
    known = tables.safetensors_dtypes.get(counted[0][1])
    if known is None or known["scheme"] is None:
        return None
    return Quantization(scheme=known["scheme"], bits=known["bits"], evidence="safetensors")


def dtype_bytes(dtypes: Mapping[str, int], tables: MergeTables) -> int | None:
    """Bytes of all tensors from their counts by dtype; None when a dtype's width is unknown."""
    total = 0
    for dtype, count in dtypes.items():
        known = tables.safetensors_dtypes.get(dtype)
        if known is None:
            return None
        total += count * int(known["bits"]) // 8
    return total or None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: Any) -> float | None:
    return (
        float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None
    )


def _count(value: Any) -> int | None:
    number = _number(value)
    return int(number) if number is not None else None
