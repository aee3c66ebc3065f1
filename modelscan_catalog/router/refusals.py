"""What an upstream's refusal means beyond its status: too long, no money left, when to come back.

The phrases are data (``registry/router/refusals.json``, each with who says it). Headers: Retry-After (RFC
9110), ``retry-after-ms`` (Azure OpenAI), ``x-ratelimit-*``
(https://platform.openai.com/docs/guides/rate-limits) and ``anthropic-ratelimit-*``
(https://docs.anthropic.com/en/api/rate-limits). A limit itself is told per minute by some and per day by
others, so only what is left and when it is full again counts here.
"""

import json
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache

from modelscan_catalog.settings import REPOSITORY_ROOT

_DATA = REPOSITORY_ROOT / "registry" / "router" / "refusals.json"
_MAX_WAIT_S = 3600.0
_EPOCH_S = 1e9
"""A reset of more seconds than this, thirty years, is a time since 1970."""
_UNIT_S = {b"d": 86_400.0, b"h": 3600.0, b"m": 60.0, b"s": 1.0, b"ms": 0.001}
_SPAN = re.compile(rb"([0-9]+(?:\.[0-9]+)?)(ms|d|h|m|s)")
_SPANS = re.compile(rb"(?:[0-9]+(?:\.[0-9]+)?(?:ms|d|h|m|s))+")
_LEFT = {
    "openai": (
        (b"x-ratelimit-remaining-requests", b"x-ratelimit-reset-requests"),
        (b"x-ratelimit-remaining-tokens", b"x-ratelimit-reset-tokens"),
    ),
    "anthropic": (
        (b"anthropic-ratelimit-requests-remaining", b"anthropic-ratelimit-requests-reset"),
        (b"anthropic-ratelimit-tokens-remaining", b"anthropic-ratelimit-tokens-reset"),
    ),
}


def is_context_overflow(content: bytes) -> bool:
    """Whether an upstream's 400 says that the prompt is too long for it."""
    return _says(content, "context_overflow")


def is_out_of_funds(content: bytes) -> bool:
    """Whether a refusal says that the key's account has nothing left to spend."""
    return _says(content, "out_of_funds")


def retry_after_s(headers: Mapping[bytes, bytes]) -> float | None:
    """The seconds to wait that a refusal names, an hour at most; null without, and for nonsense."""
    told_ms = _number(headers.get(b"retry-after-ms"))
    if told_ms is not None:
        return _bounded(told_ms / 1000)
    told = headers.get(b"retry-after")
    if told is None:
        return None
    seconds = _number(told)
    if seconds is None:
        try:
            seconds = _until(parsedate_to_datetime(told.decode("latin-1")))
        except ValueError:
            return None
    return _bounded(seconds)


def spent_for_s(headers: Mapping[bytes, bytes], kind: str) -> float | None:
    """Seconds until a key may ask again whose answer says that nothing is left; null while something is."""
    longest = None
    for left, again in _LEFT[kind]:
        if headers.get(left) == b"0":
            wait_s = _reset_s(headers.get(again, b""))
            if wait_s is not None and (longest is None or wait_s > longest):
                longest = wait_s
    return longest


def _says(content: bytes, kind: str) -> bool:
    return _phrases(kind).search(content.lower()) is not None


@cache
def _phrases(kind: str) -> re.Pattern[bytes]:
    entries = json.loads(_DATA.read_bytes())[kind]
    return re.compile(b"|".join(re.escape(entry["says"].encode()) for entry in entries))


def _reset_s(told: bytes) -> float | None:
    """Seconds of ``6m0s``, ``20ms`` or plain seconds, or until a time (RFC 3339, since 1970); else null."""
    seconds = _number(told)
    if seconds is not None and seconds > _EPOCH_S:
        seconds -= time.time()
    if seconds is None and _SPANS.fullmatch(told):
        seconds = sum(float(number) * _UNIT_S[unit] for number, unit in _SPAN.findall(told))
    if seconds is None:
        try:
            seconds = _until(datetime.fromisoformat(told.decode("latin-1")))
        except ValueError:
            return None
    return _bounded(seconds)


def _number(told: bytes | None) -> float | None:
    return float(told) if told and re.fullmatch(rb"[0-9]+(?:\.[0-9]+)?", told) else None


def _until(then: datetime) -> float:
    return ((then if then.tzinfo else then.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds()


def _bounded(seconds: float) -> float | None:
    return min(seconds, _MAX_WAIT_S) if seconds > 0 else None
