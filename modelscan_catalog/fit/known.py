"""Configs of well-known models (facts of `registry/fit/configs.json`) for requests that only name one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from modelscan_catalog.fit.tables import table

SUFFIXES = re.compile(
    r"[-_.](fp8|fp8[-_](dynamic|block|static.*|kv)|awq|awq[-_]int4|gptq|gptq[-_]int[48]|int[48]|w4a16|w8a8|w8a16|nvfp4(a16)?|mxfp4"
    r"|bnb[-_]4bit|unsloth[-_]bnb[-_]4bit|4bit|8bit|bf16|fp16|quantized|gguf|q\d[_a-z0-9]*|hf|marlin|autoround|g32|g128)$",
    re.IGNORECASE,
)
STORAGE = frozenset({"quantization_config", "compression_config"})
"""How a checkpoint stores its weights: no part of the architecture that its siblings share."""
VARIANTS = re.compile(r"[-_](instruct|it|chat|base|thinking|\d{4}|v\d+(\.\d+)?)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class KnownConfig:
    """A model's config, with how sure it is that it belongs to the name."""

    name: str
    config: Mapping[str, Any]
    exact_params: int | None
    exact: bool
    """False where a sibling's architecture stands in (another quantization, base or instruct)."""


@lru_cache(maxsize=1)
def _by_tail() -> dict[str, str]:
    names: dict[str, str] = {}
    for name in table("fit/configs.json")["models"]:
        tail = name.rpartition("/")[2].lower()
        names.setdefault(tail, name)
        names.setdefault(_stripped(tail, SUFFIXES), name)
    return names


def _stripped(tail: str, pattern: re.Pattern[str]) -> str:
    while True:
        shorter = pattern.sub("", tail)
        if shorter == tail:
            return tail
        tail = shorter


@lru_cache(maxsize=1)
def _by_family() -> dict[str, str]:
    return {_stripped(_stripped(tail, SUFFIXES), VARIANTS): name for tail, name in _by_tail().items()}


@lru_cache(maxsize=8192)
def known_config(model: str) -> KnownConfig | None:
    """The config of a named model: its own, the same name under another owner or quantization, or a
    sibling's.
    """
    models = table("fit/configs.json")["models"]
    if model in models:
        return _entry(model, models[model], True)
    tail = _tail(model)
    plain = re.sub(r"^meta-", "", _stripped(tail, SUFFIXES))
    index = _by_tail()
    for candidate in (tail, plain, f"meta-{plain}"):
        if candidate in index:
            return _entry(
                index[candidate], models[index[candidate]], True, own=tail == _tail(index[candidate])
            )
    family = _stripped(plain, VARIANTS)
    siblings = _by_family()
    if family in siblings:
        return _entry(siblings[family], models[siblings[family]], False, own=False)
    return None


def _tail(model: str) -> str:
    return re.sub(r"\.gguf$", "", model.rpartition("/")[2].lower())


def _entry(name: str, facts: Mapping[str, Any], exact: bool, *, own: bool = True) -> KnownConfig:
    """The facts of a model; of another quantization than the one asked for (not `own`) the architecture
    alone.
    """
    config = facts["config"]
    if not own:
        config = {key: value for key, value in config.items() if key not in STORAGE}
        for key, value in config.items():
            if isinstance(value, Mapping):
                config[key] = {inner: kept for inner, kept in value.items() if inner not in STORAGE}
    return KnownConfig(name, config, facts.get("parameters"), exact)


def corrected_config(model: str, config: Mapping[str, Any]) -> Mapping[str, Any]:
    """A given config with the context length that the named model really declares.

    Configs are often copied from a base or sibling of the same shape whose `max_position_embeddings`
    differs, and the rotary cache follows it. Only that and the scaling beside it are replaced, and only for
    models known by name.
    """
    facts = table("fit/configs.json")["contexts"]
    tail = _stripped(re.sub(r"\.gguf$", "", model.rpartition("/")[2].lower()), SUFFIXES)
    for pattern, context in facts.items():
        if re.fullmatch(pattern, tail):
            return {**config, "max_position_embeddings": context}
    return config


def measured_weights_gib(model: str) -> float:
    """Measured weights of a checkpoint whose layout is not known; 0 where none are recorded."""
    return float(table("fit/checkpoints.json")["weights"].get(model, {}).get("weights_gib", 0.0))


def usual_draft(model: str, engine: str) -> Mapping[str, Any] | None:
    """The draft model that the logged servers of a model load, for requests that do not say how they
    speculate.
    """
    for draft in table("fit/checkpoints.json")["drafts"]:
        if draft["engine"] == engine and re.fullmatch(draft["model"], model.lower()):
            return dict(draft)
    return None
