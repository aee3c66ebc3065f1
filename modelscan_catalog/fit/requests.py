"""One line of a batch of fit requests, checked: every complaint names the field and what it must hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelscan_catalog.errors import FitInputError
from modelscan_catalog.fit.fields import Fields

KEYS = frozenset(
    {
        "id",
        "model",
        "config",
        "quant_config",
        "exact_params",
        "checkpoint_bytes",
        "quantization",
        "gpu",
        "gpu_total_gib",
        "tp",
        "pp",
        "ep",
        "dp",
        "dcp",
        "engine",
        "engine_version",
        "max_model_len",
        "gpu_memory_utilization",
        "kv_cache_dtype",
        "max_num_seqs",
        "max_num_batched_tokens",
        "enforce_eager",
        "num_spec_tokens",
        "kv_pool_gib",
        "concurrency",
        "lora_rank",
        "lora_count",
        "draft_gib",
        "vision",
        "prefix_states",
    }
)
LARGEST_PARALLEL = 1024
ROCM = re.compile(r"rocm|\bmi[23]\d\d|radeon|instinct|\brx[- ]?\d|gfx\d", re.IGNORECASE)
UNIFIED = re.compile(
    r"gb10\b|dgx spark|\buma\b|unified|strix|jetson|thor\b|\bm[1-5]\b|gh200|mi300a", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class FitRequest:
    """A checked request; None is what the engine's defaults decide."""

    id: str
    model: str
    config: Mapping[str, Any] | None
    quant_config: Mapping[str, Any] | None
    exact_params: int | None
    checkpoint_bytes: int | None
    quantization: str | None
    gpu: str
    gpu_total_gib: float | None
    tp: int
    pp: int
    ep: int
    dp: int
    dcp: int
    engine: str
    engine_version: str
    max_model_len: int | None
    gpu_memory_utilization: float | None
    kv_cache_dtype: str
    max_num_seqs: int | None
    max_num_batched_tokens: int | None
    enforce_eager: bool
    num_spec_tokens: int | None
    kv_pool_gib: float | None
    concurrency: int
    lora_rank: int | None
    lora_count: int
    draft_gib: float
    vision: bool
    prefix_states: bool
    ignored: tuple[str, ...]

    @property
    def rocm(self) -> bool:
        """Whether the card or the version's text names an AMD build."""
        return bool(ROCM.search(self.gpu) or ROCM.search(self.engine_version))

    @property
    def unified(self) -> bool:
        """Whether the card's name says that it shares the system's memory."""
        return bool(UNIFIED.search(self.gpu))


class _Line:
    """Field readers that also take the numbers of a CSV (`"8"`), as logs are often kept."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        cleaned = {key: value for key, value in raw.items() if value is not None and value != ""}
        for key, value in cleaned.items():
            if isinstance(value, str) and key not in {
                "id",
                "model",
                "gpu",
                "quantization",
                "engine",
                "engine_version",
            }:
                cleaned[key] = _literal(value)
        self.fields = Fields(cleaned, "request")

    def integer(self, name: str, default: int | None, least: int, most: int) -> int | None:
        if name not in self.fields:
            return default
        value = self.fields.integer(name, least=least)
        if value > most:
            raise FitInputError(f"request.{name} is {value}; the most it can be is {most}", field=name)
        return value

    def number(self, name: str, least: float, most: float) -> float | None:
        if name not in self.fields:
            return None
        value = self.fields.number(name, 0.0)
        if not least <= value <= most:
            raise FitInputError(
                f"request.{name} is {value}; it must be from {least:g} to {most:g}", field=name
            )
        return value

    def mapping(self, name: str) -> Mapping[str, Any] | None:
        found = self.fields.mapping(name)
        return None if found is None else found.values


def _literal(text: str) -> Any:
    lowered = text.strip().lower()
    if lowered in {"true", "false"}:
        return lowered == "true"
    try:
        value = float(text)
    except ValueError:
        return text
    return int(value) if value.is_integer() else value


def read_request(raw: Mapping[str, Any]) -> FitRequest:
    """The checked request of one batch line.

    Unknown keys are kept in `ignored`, so that an answer can say that a misspelt flag had no effect. Raises
    FitInputError naming the field.
    """
    if not isinstance(raw, Mapping):
        raise FitInputError("a request is a JSON object", field="request")
    unknown = sorted(str(key) for key in raw if key not in KEYS)
    line = _Line(raw)
    parallel = {name: line.integer(name, 1, 0, LARGEST_PARALLEL) or 1 for name in ("tp", "pp", "dp", "dcp")}
    expert = line.fields.values.get("ep")
    ep = 1
    if expert is True:
        ep = parallel["tp"] * parallel["dp"]
    elif expert is not None and expert is not False:
        ep = line.integer("ep", 1, 0, LARGEST_PARALLEL) or 1
    engine, version = line.fields.text("engine", "vllm"), line.fields.text("engine_version")
    if "@" in engine:
        engine, version = engine.split("@", 1)
    return FitRequest(
        id=str(raw.get("id", "")),
        model=line.fields.text("model"),
        config=line.mapping("config"),
        quant_config=line.mapping("quant_config"),
        exact_params=line.integer("exact_params", None, 1, 1 << 50),
        checkpoint_bytes=line.integer("checkpoint_bytes", None, 1, 1 << 52),
        quantization=line.fields.text("quantization") or None,
        gpu=line.fields.text("gpu"),
        gpu_total_gib=line.number("gpu_total_gib", 0.5, 100_000),
        ep=ep,
        engine=engine,
        engine_version=version,
        max_model_len=line.integer("max_model_len", None, 1, 1 << 30),
        gpu_memory_utilization=line.number("gpu_memory_utilization", 0.01, 1.0),
        kv_cache_dtype=line.fields.text("kv_cache_dtype", "auto"),
        max_num_seqs=line.integer("max_num_seqs", None, 1, 1 << 20),
        max_num_batched_tokens=line.integer("max_num_batched_tokens", None, 1, 1 << 24),
        enforce_eager=line.fields.flag("enforce_eager", False),
        num_spec_tokens=line.integer("num_spec_tokens", None, 0, 256),
        kv_pool_gib=line.number("kv_pool_gib", -100_000, 100_000),
        concurrency=line.integer("concurrency", 1, 1, 1 << 24) or 1,
        lora_rank=line.integer("lora_rank", None, 0, 4096),
        lora_count=line.integer("lora_count", 1, 1, 4096) or 1,
        draft_gib=line.number("draft_gib", 0.0, 10_000) or 0.0,
        vision=line.fields.flag("vision", True),
        prefix_states=line.fields.flag("prefix_states", False),
        ignored=tuple(name[:40] for name in unknown[:5]),
        **parallel,
    )
