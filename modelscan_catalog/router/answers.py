"""What the router tells its clients when it cannot pass an answer on, and what it reads out of answers."""

import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiohttp import web
from pydantic_core import from_json

from modelscan_catalog.router.dialects import Dialect, error_body

_DECODER = json.JSONDecoder()
_NAME = b'"usage"'
_MAX_USAGE_BYTES = 4096


class RouterError(Exception):
    """An answer in the OpenAI error shape."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        kind: str = "invalid_request_error",
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers
        self.body = {"error": {"message": message, "type": kind, "param": None, "code": code}}

    def response(self, dialect: Dialect = "openai") -> web.Response:
        """This error as an HTTP response in the shape that the client knows."""
        body = error_body(dialect, self.status, self.body)
        return web.json_response(body, status=self.status, headers=self.headers)


@dataclass
class Trail:
    """What each failed attempt came to; says in the end which error the client sees."""

    failures: list[tuple[str, str, int]] = field(default_factory=list)
    retry_after_s: float | None = None

    def add(self, target: str, reason: str, status: int) -> None:
        """One attempt failed as if with ``status``."""
        self.failures.append((target, reason, status))

    def wait(self, seconds: float) -> None:
        """A key is free again in ``seconds``: the client should not ask before the first is."""
        self.retry_after_s = seconds if self.retry_after_s is None else min(self.retry_after_s, seconds)

    def error(self) -> RouterError:
        """The error that sums the attempts up."""
        statuses = {status for _, _, status in self.failures}
        told = "; ".join(f"{name}: {reason}" for name, reason, _ in self.failures)
        if statuses == {429}:
            after = None if self.retry_after_s is None else {"Retry-After": str(int(self.retry_after_s) + 1)}
            return RouterError(
                429, "rate_limit_exceeded", f"every target is limiting: {told}", "rate_limit_error", after
            )
        if statuses == {400}:
            return RouterError(400, "context_length_exceeded", f"too long for every target: {told}")
        if statuses == {422}:
            return RouterError(400, "unsupported_by_target", told)
        status = 504 if statuses == {504} else 502
        return RouterError(status, "upstream_failed", f"no target answered: {told}", "upstream_error")


class TokenCounts(NamedTuple):
    """Tokens of one answer; ``cached`` are among ``prompt``."""

    prompt: int
    cached: int
    completion: int


def token_counts(content: bytes) -> TokenCounts | None:
    """The last usage object in an answer or in the end of a stream; null when it tells none.

    Read without parsing the rest: inside a JSON string the quotes around ``usage`` would be escaped.
    """
    at = content.rfind(_NAME)
    while at >= 0:
        start = content.find(b"{", at)
        if start >= 0 and content[at + len(_NAME) : start].strip() == b":":
            try:
                return _counts(_object_at(content, start))
            except (ValueError, RecursionError):
                return None
        at = content.rfind(_NAME, 0, at)
    return None


def _object_at(content: bytes, start: int) -> Any:
    """The object that begins at ``start``, whatever follows it; ``ValueError`` for none."""
    flat = content[start : content.find(b"}", start) + 1]
    if flat.count(b"{") == 1:
        try:
            return from_json(flat, cache_strings="keys")
        except ValueError:
            pass  # the brace that was found stands in a string
    return _DECODER.raw_decode(content[start : start + _MAX_USAGE_BYTES].decode("utf-8", "replace"))[0]


def looks_like_json(content: bytes) -> bool:
    """A cheap look at both ends: an upstream's HTML page or noise is not passed on as an answer."""
    trimmed = content.strip()
    return trimmed[:1] in (b"{", b"[") and trimmed[-1:] in (b"}", b"]")


def is_openai_error(content: bytes) -> bool:
    """Whether an upstream's refusal already has the shape that clients expect."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and isinstance(document.get("error"), dict) and "type" not in document


def _counts(usage: dict[str, Any]) -> TokenCounts | None:
    if "input_tokens" in usage:
        # The Messages format tells cached tokens beside the others.
        read, made = usage.get("cache_read_input_tokens") or 0, usage.get("cache_creation_input_tokens") or 0
        told = (usage["input_tokens"], read, made, usage.get("output_tokens") or 0)
        if not all(isinstance(count, int) for count in told):
            return None
        return TokenCounts(told[0] + read + made, read, told[3])
    prompt = usage.get("prompt_tokens")
    completion = usage.get("completion_tokens", 0)
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    if not isinstance(prompt, int) or not isinstance(completion, int):
        return None
    return TokenCounts(prompt, cached if isinstance(cached, int) and 0 <= cached <= prompt else 0, completion)
