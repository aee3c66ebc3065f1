"""Durations as Go writes them (``30m``, ``1h15m30.5s``): what settings of model managers are given in."""

import re
from typing import Annotated

from pydantic import BeforeValidator

_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_UNITS = "|".join(sorted(_SECONDS, key=len, reverse=True))
_PART = re.compile(rf"(\d+(?:\.\d*)?|\.\d+)({_UNITS})", re.ASCII)
_WHOLE = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
LONGEST_S = (2**63 - 1) / 1e9
"""Go counts nanoseconds in 64 bits: about 292 years."""


def parse_duration_s(text: str) -> float:
    """Seconds of a duration in Go's notation (``time.ParseDuration``), without a sign.

    Raises ``ValueError`` saying what a duration looks like.
    """
    stripped = text.strip()
    if stripped == "0":
        return 0.0
    if not _WHOLE.fullmatch(stripped):
        raise ValueError(f"{text[:40]!r} is no duration; write it like 30m, 90s or 1h30m")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(stripped))
    if seconds > LONGEST_S:
        raise ValueError(f"{text[:40]!r} is longer than 292 years")
    return seconds


def _as_seconds(value: object) -> object:
    if not isinstance(value, str) or _NUMBER.fullmatch(value.strip()):
        return value
    return parse_duration_s(value)


DurationS = Annotated[float, BeforeValidator(_as_seconds)]
"""A field of seconds that also takes text in Go's notation; a number without a unit is seconds."""
