"""Storage formats of quantized matrices, and lists of module names in the notations that checkpoints use."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import cache, lru_cache

from modelscan_catalog.errors import FitInputError
from modelscan_catalog.fit.tables import table

PREFIXES = (
    "model.language_model.layers.",
    "language_model.model.layers.",
    "backbone.layers.",
    "language_model.layers.",
)
RENAMED = (
    (".block_sparse_moe.", ".mlp."),
    (".mlp.router", ".mlp.gate"),
    (".shared_expert.", ".shared_experts."),
    (".attn.", ".self_attn."),
    (".ffn.", ".mlp."),
)


@dataclass(frozen=True, slots=True)
class Format:
    """How a quantized matrix is stored."""

    name: str
    bits: float
    group: int = 0
    group_bits: float = 0
    row_bytes: float = 0
    block: int = 0
    block_bytes: float = 0
    everywhere: bool = False
    """Embeddings and heads too (GGUF)."""

    def bytes_of(self, rows: float, columns: float) -> float:
        """Bytes of a matrix of `rows` x `columns` with its scales and zero points."""
        size = rows * columns * self.bits / 8 + rows * self.row_bytes
        if self.group:
            size += rows * (columns / self.group) * self.group_bits / 8
        if self.block:
            size += -(-rows // self.block) * -(-columns // self.block) * self.block_bytes
        return size


@cache
def format_named(name: str) -> Format:
    """A format of `registry/fit/quant_formats.json`."""
    return Format(name, **table("fit/quant_formats.json")["formats"][name])


@dataclass(frozen=True, slots=True)
class Padding:
    """Multiples that a kernel rounds the experts' inner width and the hidden size up to."""

    inner: int = 1
    hidden: int = 1


UNPADDED = Padding()


@lru_cache(maxsize=256)
def expert_padding(card: str) -> Padding:
    """How the MXFP4 kernels of a card pad the experts, by its name."""
    facts = table("fit/quant_formats.json")["mxfp4_experts"]
    rules = (rule for rule in facts["rules"] if re.search(rule["cards"], card, re.IGNORECASE))
    chosen = next(rules, facts["unnamed"])
    return Padding(chosen["inner"], chosen["hidden"])


class Names:
    """A list of module patterns, matched against a tensor's name and all modules above it."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self.exact: set[str] = set()
        expressions = []
        self.parts: list[str] = []
        for raw in patterns:
            if raw.startswith("re:"):
                expressions.append(raw[3:])
                continue
            name = canonical(raw)
            if "*" in name:
                expressions.append(translate(name))
            elif "." in name or name in {"lm_head"}:
                self.exact.add(name)
            else:
                self.parts.append(name)
        try:
            self.expression = (
                re.compile("|".join(f"(?:{text})" for text in expressions)) if expressions else None
            )
        except re.error as error:
            raise FitInputError(f"quantization_config.ignore holds a bad expression: {error}") from error

    def __bool__(self) -> bool:
        return bool(self.exact or self.parts or self.expression)

    def match(self, name: str) -> bool:
        """Whether `name`, a module above it, or the checkpoint's spelling of it is listed."""
        above = name
        while above:
            if above in self.exact:
                return True
            above = above.rpartition(".")[0]
        if self.expression and any(self.expression.match(spelling) for spelling in spellings(name)):
            return True
        pieces = name.split(".")
        return any(part in pieces for part in self.parts)


def canonical(name: str) -> str:
    """A module's name in this library's spelling: `model.layers.N...`, `.mlp.`, `.self_attn.`, `lm_head`."""
    for prefix in PREFIXES:
        if name.startswith(prefix):
            name = "model.layers." + name[len(prefix) :]
    if name in {"head", "language_model.lm_head", "model.lm_head", "output"}:
        return "lm_head"
    if name.startswith("layers."):
        name = f"model.{name}"
    for old, new in RENAMED:
        name = name.replace(old, new)
    return re.sub(r"\.mixer\.(?=[qkvo]_proj)", ".self_attn.", name).replace(".mixer.", ".mamba.")


@lru_cache(maxsize=20_000)
def spellings(name: str) -> tuple[str, ...]:
    """A name as checkpoints may spell it, for expressions written against their own spelling."""
    split = name.replace(".experts.0.gate_up_proj", ".experts.0.gate_proj")
    mixer = split.replace(".self_attn.", ".mixer.").replace(".mamba.", ".mixer.")
    single = split.replace(".shared_experts.", ".shared_expert.")
    nested = split.replace("model.layers.", "model.language_model.layers.")
    return (split, name, single, nested, nested.replace(".shared_experts.", ".shared_expert."), mixer)
