"""One chat request carried to the first upstream that answers it, byte for byte."""

import asyncio
import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from modelscan_catalog.router.config import Policy
from modelscan_catalog.router.table import Attempt

LOGGER = logging.getLogger("modelscan.router")

_CONTEXT_OVERFLOW = re.compile(rb"context_length_exceeded|maximum context length", re.IGNORECASE)
_MAX_ERROR_BYTES = 64 * 1024
_MAX_ANSWER_BYTES = 256 * 1024 * 1024
_PASSED_HEADERS = ("Content-Type", "Retry-After")


class RouterError(Exception):
    """An answer in the OpenAI error shape."""

    def __init__(self, status: int, code: str, message: str, kind: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": kind, "param": None, "code": code}}

    def response(self) -> web.Response:
        """This error as an HTTP response."""
        return web.json_response(self.body, status=self.status)


@dataclass
class _Trail:
    """What each failed attempt came to; says in the end which error the client sees."""

    failures: list[tuple[str, str, int]] = field(default_factory=list)

    def add(self, attempt: Attempt, reason: str, status: int) -> None:
        LOGGER.warning("%s: %s", attempt.name, reason)
        self.failures.append((attempt.name, reason, status))

    def error(self) -> RouterError:
        statuses = {status for _, _, status in self.failures}
        told = "; ".join(f"{name}: {reason}" for name, reason, _ in self.failures)
        if statuses == {429}:
            return RouterError(429, "rate_limit_exceeded", f"every target is limiting: {told}", "rate_limit")
        if statuses == {400}:
            return RouterError(400, "context_length_exceeded", f"too long for every target: {told}")
        status = 504 if statuses == {504} else 502
        return RouterError(status, "upstream_failed", f"no target answered: {told}", "upstream_error")


async def forward(
    request: web.Request,
    session: aiohttp.ClientSession,
    attempts: Sequence[Attempt],
    body: Mapping[str, Any],
    path: str,
    policy: Policy,
) -> web.StreamResponse:
    """The answer of the first of ``attempts`` that gives one.

    The next is tried only while nothing has come back: a refused connection, a time-out, or a status in
    ``policy.fallback_statuses``. After the first byte a failure is told to the client as it is.
    """
    trail = _Trail()
    for attempt in attempts:
        started = await _attempt(request, session, attempt, body, path, policy, trail)
        if started is not None:
            return started
    raise trail.error()


async def _attempt(
    request: web.Request,
    session: aiohttp.ClientSession,
    attempt: Attempt,
    body: Mapping[str, Any],
    path: str,
    policy: Policy,
    trail: _Trail,
) -> web.StreamResponse | None:
    headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
    if attempt.key is not None:
        headers["Authorization"] = f"Bearer {attempt.key}"
    try:
        content = json.dumps({**body, "model": attempt.model}).encode()
    except RecursionError:
        raise RouterError(400, "invalid_json", "the body is nested too deeply") from None
    upstream: aiohttp.ClientResponse | None = None
    try:
        try:
            async with asyncio.timeout(policy.first_byte_timeout_s):
                upstream = await session.post(
                    f"{attempt.url}{path}", data=content, headers=headers, allow_redirects=False
                )
                if upstream.status >= 300:
                    return await _refused(upstream, attempt, policy, trail)
                first = await upstream.content.readany()
        except TimeoutError:
            trail.add(attempt, f"no answer within {policy.first_byte_timeout_s:g} s", 504)
            return None
        except aiohttp.ClientError as error:
            trail.add(attempt, f"{type(error).__name__} before the first byte", 502)
            return None
        return await _pass_on(request, upstream, first, attempt, policy)
    finally:
        if upstream is not None:
            upstream.release()


async def _refused(
    upstream: aiohttp.ClientResponse, attempt: Attempt, policy: Policy, trail: _Trail
) -> web.Response | None:
    """The upstream's refusal for the client, or null when the next target should be tried."""
    told = await upstream.content.read(_MAX_ERROR_BYTES)
    if upstream.status in policy.fallback_statuses or upstream.status < 400:
        trail.add(attempt, f"status {upstream.status}", upstream.status)
        return None
    if upstream.status == 400 and _CONTEXT_OVERFLOW.search(told):
        trail.add(attempt, "the prompt is too long for it", 400)
        return None
    if not _is_openai_error(told):
        error = RouterError(upstream.status, "upstream_refused", f"{attempt.name}: status {upstream.status}")
        told = json.dumps(error.body).encode()
    return web.Response(
        body=told, status=upstream.status, headers=_marked(attempt), content_type="application/json"
    )


async def _pass_on(
    request: web.Request,
    upstream: aiohttp.ClientResponse,
    first: bytes,
    attempt: Attempt,
    policy: Policy,
) -> web.StreamResponse:
    """Chunks as they come, never more than one in hand; ends well-formed when the upstream does not."""
    if upstream.content_type != "text/event-stream":
        return await _whole(upstream, first, attempt, policy)
    response = web.StreamResponse(
        status=upstream.status,
        headers={
            "Content-Type": upstream.headers["Content-Type"],
            "Cache-Control": "no-cache",
            "X-Accel-Buffering": "no",
            **_marked(attempt),
        },
    )
    await response.prepare(request)
    chunk, last = first, b""
    try:
        while chunk:
            await response.write(chunk)
            last = (last + chunk)[-4:] if len(chunk) < 4 else chunk[-4:]
            chunk = await _next_chunk(upstream, attempt, policy)
    except RouterError as broken:
        separator = b"" if last.endswith((b"\n\n", b"\r\n\r\n")) else b"\n\n"
        await response.write(separator + b"data: " + json.dumps(broken.body).encode() + b"\n\n")
    await response.write_eof()
    return response


async def _whole(
    upstream: aiohttp.ClientResponse, first: bytes, attempt: Attempt, policy: Policy
) -> web.Response:
    parts, size, chunk = [first], len(first), first
    while chunk:
        chunk = await _next_chunk(upstream, attempt, policy)
        parts.append(chunk)
        size += len(chunk)
        if size > _MAX_ANSWER_BYTES:
            raise _interrupted(attempt, "its answer is too large")
    kept = {name: upstream.headers[name] for name in _PASSED_HEADERS if name in upstream.headers}
    return web.Response(body=b"".join(parts), status=upstream.status, headers={**kept, **_marked(attempt)})


async def _next_chunk(upstream: aiohttp.ClientResponse, attempt: Attempt, policy: Policy) -> bytes:
    """What has come since; empty at the end. Raises ``RouterError`` when the upstream breaks off."""
    try:
        async with asyncio.timeout(policy.silence_timeout_s):
            return await upstream.content.readany()
    except TimeoutError:
        raise _interrupted(attempt, f"silent for {policy.silence_timeout_s:g} s") from None
    except aiohttp.ClientError as error:
        raise _interrupted(attempt, type(error).__name__) from None


def _interrupted(attempt: Attempt, reason: str) -> RouterError:
    LOGGER.warning("%s: %s after the first byte", attempt.name, reason)
    return RouterError(
        502,
        "upstream_interrupted",
        f"{attempt.name} stopped in the middle of its answer: {reason}",
        "upstream_error",
    )


def _marked(attempt: Attempt) -> dict[str, str]:
    return {"X-ModelScan-Target": attempt.name.encode("ascii", "replace").decode()}


def _is_openai_error(content: bytes) -> bool:
    try:
        document = json.loads(content)
    except ValueError:
        return False
    return isinstance(document, dict) and isinstance(document.get("error"), dict)
