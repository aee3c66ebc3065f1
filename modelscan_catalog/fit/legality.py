"""What may run where: weight formats by card, engine and version; how a model may be split over cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from modelscan_catalog.errors import FitInputError
from modelscan_catalog.fit.architecture import (
    Architecture,
    Attention,
    CompressedAttention,
    DeltaNet,
    Experts,
    LatentAttention,
    Mamba,
    Mixer,
)
from modelscan_catalog.fit.profiles import GpuProfile
from modelscan_catalog.fit.quantization import Scheme
from modelscan_catalog.fit.tables import table

Level = Literal["native", "weight_only", "plugin", "unsupported", "unknown"]
LEVELS: tuple[Level, ...] = ("native", "weight_only", "plugin", "unknown", "unsupported")
"""Best first."""
ENGINES = ("vllm", "sglang", "llama.cpp", "mindie")


@dataclass(frozen=True, slots=True)
class Support:
    """A verdict on a format: how it runs, why not better, and the source of the rule."""

    level: Level
    reason: str
    source: str

    @property
    def runs(self) -> bool:
        """True when a start is expected to work (with an extra package for `plugin`)."""
        return self.level in ("native", "weight_only", "plugin")


def legality_document() -> Mapping[str, Any]:
    """The rules of `registry/legality/quantization.json`."""
    document: Mapping[str, Any] = table("legality/quantization.json")
    return document


def scheme_of(label: str | None) -> str:
    """The canonical scheme of a label of a config, a catalogue or a log (`awq_marlin` -> `awq`).

    Raises FitInputError (field `quantization`) for a label that no rule knows.
    """
    key = (label or "").strip().lower()
    labels: Mapping[str, str] = legality_document()["labels"]
    if key in labels:
        return labels[key]
    if key.startswith("gguf"):
        return "gguf"
    raise FitInputError(
        f"quantization: {label!r} is no known format; known are {', '.join(sorted(set(labels.values())))}",
        field="quantization",
    )


def rule_scheme(scheme: Scheme) -> str:
    """The name that the rules know a checkpoint's own scheme by.

    The quantizer's name decides where it names a kernel family (awq, gptq, gguf, modelslim, ...); containers
    such as compressed-tensors and ModelOpt are judged by the format inside, mixed ones by their narrowest.
    """
    document = legality_document()
    formats = {
        one.name for one in (scheme.default, scheme.expert_format, *(f for _, f in scheme.rules)) if one
    }
    if not formats:
        return "none" if scheme.certain else "compressed-tensors"
    known = {
        document["formats"].get(name, "gguf" if name.startswith("gguf") else "unknown") for name in formats
    }
    if len(known) > 1 and "nvfp4" in known:
        return "modelopt_mixed"
    named = document["labels"].get(scheme.label.lower())
    if named in ("awq", "gptq", "autoround", "bitsandbytes", "gguf", "modelslim", "mxfp4") or (
        named and len(known) > 1
    ):
        return str(named)
    if named == "modelopt_fp8" and known == {"fp8"}:
        return "modelopt_fp8"
    return str(next(iter(sorted(known))))


def weight_block(scheme: Scheme) -> int | None:
    """Width of the blocks that a rank must hold whole (128 for block FP8), or None."""
    return scheme.default.block or None if scheme.default is not None else None


def version_key(version: str | None) -> tuple[int, ...]:
    """`v0.25.1` -> (0, 25, 1), pre-release suffixes dropped; None (the newest) sorts last."""
    if version is None:
        return (1 << 30,)
    parts: list[int] = []
    for part in version.lstrip("vV").split(".")[:3]:
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        parts.append(int(digits[:9]))
    if not parts:
        raise FitInputError(
            f"engine_version: {version!r} is no version such as 0.33.0", field="engine_version"
        )
    return tuple(parts)


def _matches(rule: Mapping[str, Any], profile: GpuProfile, engine: str, version: tuple[int, ...]) -> bool:
    sm = profile.sm
    return (
        rule.get("engine", "*") in ("*", engine)
        and rule.get("vendor", "*") in ("*", profile.vendor)
        and ("min_sm" not in rule or (sm is not None and sm >= rule["min_sm"]))
        and ("max_sm" not in rule or (sm is not None and sm <= rule["max_sm"]))
        and ("gfx" not in rule or profile.gfx in rule["gfx"])
        and ("architecture" not in rule or profile.architecture in rule["architecture"])
        and ("from" not in rule or version >= version_key(rule["from"]))
        and ("before" not in rule or version < version_key(rule["before"]))
    )


def _first(
    rules: Sequence[Mapping[str, Any]],
    scheme: str | None,
    profile: GpuProfile,
    engine: str,
    version: str | None,
) -> Support:
    key = version_key(version)
    for rule in rules:
        if scheme is not None and rule["scheme"] not in ("*", scheme):
            continue
        if _matches(rule, profile, engine, key):
            return Support(rule["support"], rule.get("reason", ""), rule["source"])
    return Support("unknown", f"no rule for {scheme or engine} on {profile.id} with {engine}", "")


def engine_support(profile: GpuProfile, engine: str, version: str | None = None) -> Support:
    """Whether the engine runs on the card at all (compute capability floor, vendor builds)."""
    if engine not in ENGINES:
        raise FitInputError(f"engine: {engine!r} is unknown; known are {', '.join(ENGINES)}", field="engine")
    return _first(legality_document()["engines"], None, profile, engine, version)


def quantization_support(
    quantization: str | None, profile: GpuProfile, engine: str = "vllm", version: str | None = None
) -> Support:
    """How a checkpoint of that format runs on the card with that engine version.

    `quantization` is any known label. The worse of the engine's floor and the format's rule counts.
    """
    document = legality_document()
    scheme = quantization if quantization in document["known_schemes"] else scheme_of(quantization)
    floor = engine_support(profile, engine, version)
    if not floor.runs:
        return floor
    support = _first(document["rules"], scheme, profile, engine, version)
    return max((support, floor), key=lambda verdict: LEVELS.index(verdict.level))


def kv_cache_support(
    kv_dtype: str, profile: GpuProfile, engine: str = "vllm", version: str | None = None
) -> Support:
    """Whether the engine keeps its KV cache in that dtype on the card (`auto`, or any name of fp8)."""
    scheme = "fp8" if kv_dtype.startswith("fp8") else "auto"
    return _first(legality_document()["kv_cache"], scheme, profile, engine, version)


def _mixer_split_issue(mixer: Mixer | None, tp: int) -> str | None:
    """Why one mixer cannot be divided over `tp` ranks, or None."""
    if isinstance(mixer, Attention):
        if mixer.heads % tp:
            return f"{mixer.heads} attention heads are not divisible by {tp}"
        if mixer.kv_heads % tp and tp % mixer.kv_heads:
            return f"{mixer.kv_heads} KV heads neither divide nor are divided by {tp}"
    elif isinstance(mixer, LatentAttention | CompressedAttention):
        if mixer.heads % tp:
            return f"{mixer.heads} attention heads are not divisible by {tp}"
    elif isinstance(mixer, DeltaNet):
        if mixer.key_heads % tp or mixer.value_heads % tp:
            return f"{mixer.key_heads} linear-attention key heads are not divisible by {tp}"
    elif isinstance(mixer, Mamba) and mixer.heads and mixer.heads % tp:
        return f"{mixer.heads} Mamba heads are not divisible by {tp}"
    return None


def tensor_parallel_issue(
    architecture: Architecture, tp: int, weight_block: int | None = None, expert_parallel: bool = False
) -> str | None:
    """Why the engines refuse this tensor parallel size, or None.

    Heads must divide (vLLM `ModelConfig.verify_with_parallel_config`); KV heads divide or are replicated; the
    vocabulary is padded and never in the way. A block-quantized checkpoint (`weight_block` 128 for FP8) must
    keep whole blocks of every expert's and dense block's width on a rank (vLLM and SGLang `fp8.py`), unless
    experts are spread whole (`expert_parallel`).
    """
    if tp < 1:
        return f"tensor parallel size {tp} is below 1"
    if tp == 1:
        return None
    for layer in dict.fromkeys(architecture.layers):
        for mixer in (layer.mixer, layer.second_mixer):
            issue = _mixer_split_issue(mixer, tp)
            if issue:
                return issue
        block = layer.feed_forward
        if block is None or not weight_block:
            continue
        if isinstance(block, Experts):
            widths = [block.shared_intermediate] + ([] if expert_parallel else [block.intermediate])
        else:
            widths = [block.intermediate]
        for width in widths:
            if width and (width % tp or (width // tp) % weight_block):
                return (
                    f"width {width} over {tp} ranks is not a whole number of {weight_block}-wide FP8 blocks"
                )
    return None


def split_issue(
    architecture: Architecture | None,
    profile: GpuProfile,
    tp: int,
    pp: int,
    weight_block: int | None = None,
    expert_parallel: bool = False,
) -> str | None:
    """Why TP x PP cannot run on cards of this profile, or None."""
    if tp * pp > 1 and profile.interconnect == "none":
        kind = "MIG instances have no peer-to-peer link" if profile.is_mig else "this system is one device"
        return f"{profile.id}: {kind}, so one engine uses one of them"
    if architecture is None:
        return None
    if pp > len(architecture.layers):
        return f"{pp} pipeline stages for {len(architecture.layers)} layers"
    return tensor_parallel_issue(architecture, tp, weight_block, expert_parallel)
