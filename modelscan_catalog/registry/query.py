"""What a search asks for: phrases become facts, bounds become numbers, the rest are pieces of names."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

VOCABULARY = Path(__file__).resolve().parents[2] / "registry" / "search" / "vocabulary.json"
MOST_CHARACTERS = 300
MOST_WORDS = 20
"""Words that are looked up; what comes after them is not read."""
_SEPARATOR = re.compile(r"[^a-z0-9.]+")
_MEMORY = re.compile(
    r"\b(?:(?:under|below|within|in|on|up to|at most|less than|max|fits?(?: in| on)?)\s+|<=?\s*)"
    r"(\d+(?:\.\d+)?)\s*(?:gb|gib)\b|\b(\d+(?:\.\d+)?)\s*(?:gb|gib)\b"
)
_PARAMETERS = re.compile(
    r"\b(under|below|up to|at most|less than|smaller than|over|above|at least|more than|larger than)\s+"
    r"(\d+(?:\.\d+)?)\s*([bm])\b(?:\s+param(?:eter)?s?\b)?"
)
_CONTEXT = re.compile(
    r"\b(?:at least |over |with )?(\d+(?:\.\d+)?)\s*([km])\s+(?:tokens?\s+(?:of\s+)?)?context\b"
    r"|\bcontext (?:length |window )?(?:(?:of|over|above|at least|more than|longer than) )*(\d+)\s*([km])\b"
)
_ABOVE = frozenset({"over", "above", "at least", "more than", "larger than"})
_SCALE = {"m": 10**6, "b": 10**9}


@dataclass(frozen=True)
class Query:
    """A search as facts to hold and words to find."""

    words: tuple[str, ...]
    """Pieces of names."""
    wishes: tuple[Mapping[str, Any], ...]
    """Entries of the vocabulary."""
    most_memory_gib: float | None = None
    least_parameters: float | None = None
    most_parameters: float | None = None
    least_context: int | None = None

    @property
    def asks_for_facts(self) -> bool:
        """Whether more is asked for than a name."""
        bounds = (self.most_memory_gib, self.least_parameters, self.most_parameters, self.least_context)
        return bool(self.wishes) or any(bound is not None for bound in bounds)

    @property
    def order(self) -> str | None:
        """How what remains is to be sorted; None is by relevance."""
        return next((wish["order"] for wish in self.wishes if "order" in wish), None)


@cache
def vocabulary() -> Mapping[str, Any]:
    """The hand-kept words; part of the repository."""
    found: dict[str, Any] = json.loads(VOCABULARY.read_text("utf-8"))
    found["by_phrase"] = {phrase: entry for entry in found["phrases"] for phrase in entry["words"]}
    longest_first = sorted(found["by_phrase"], key=lambda phrase: (-len(phrase), phrase))
    found["pattern"] = re.compile(r"(?<![\w.-])(?:" + "|".join(map(re.escape, longest_first)) + r")(?![\w.])")
    return found


def words_of(text: str) -> tuple[str, ...]:
    """Pieces of a name in lower case; versions such as ``3.5`` stay whole."""
    return tuple(word for part in _SEPARATOR.split(text.lower()) if (word := part.strip(".")))


def asked_words(text: str) -> tuple[str, ...]:
    """The first words of a query, each once."""
    return tuple(dict.fromkeys(words_of(text[:MOST_CHARACTERS])))[:MOST_WORDS]


def parse_query(text: str) -> Query:
    """The query in ``text``."""
    rest = f" {' '.join(text.lower()[:MOST_CHARACTERS].split())} "
    bounds: dict[str, Any] = {}

    def memory(match: re.Match[str]) -> str:
        bounds["most_memory_gib"] = float(match[1] or match[2])
        return " "

    def parameters(match: re.Match[str]) -> str:
        side = "least_parameters" if match[1] in _ABOVE else "most_parameters"
        bounds[side] = float(match[2]) * _SCALE[match[3]]
        return " "

    def context(match: re.Match[str]) -> str:
        number, unit = (match[1], match[2]) if match[1] else (match[3], match[4])
        bounds["least_context"] = int(float(number) * (1000 if unit == "k" else 10**6))
        return " "

    rest = _PARAMETERS.sub(parameters, _MEMORY.sub(memory, _CONTEXT.sub(context, rest)))
    known = vocabulary()
    wishes: list[Mapping[str, Any]] = []

    def wish(match: re.Match[str]) -> str:
        entry = known["by_phrase"][match[0]]
        if entry not in wishes:
            wishes.append(entry)
        return " "

    rest = known["pattern"].sub(wish, rest)
    asked = Query((), tuple(wishes), **bounds)
    talk = {*known["fillers"], *(known["talk"] if asked.asks_for_facts else ())}
    words = dict.fromkeys(word for word in words_of(rest) if word not in talk)
    return replace(asked, words=tuple(words)[:MOST_WORDS])
