"""One request carried to the first upstream that answers it; the answer passed on as it comes."""

import json
import logging
from collections.abc import Callable, Sequence

from aiohttp import web

from modelscan_catalog.router.answers import (
    RouterError,
    TokenCounts,
    Trail,
    is_context_overflow,
    is_openai_error,
    looks_like_json,
    token_counts,
)
from modelscan_catalog.router.anthropic import UntranslatableError
from modelscan_catalog.router.config import Policy
from modelscan_catalog.router.dialects import (
    Translation,
    error_body,
    error_event,
)
from modelscan_catalog.router.health import Health
from modelscan_catalog.router.keys import Key
from modelscan_catalog.router.outgoing import Call, outgoing
from modelscan_catalog.router.table import Route
from modelscan_catalog.router.upstream import Answer, UpstreamError, Upstreams

LOGGER = logging.getLogger("modelscan.router")

_MAX_ERROR_BYTES = 64 * 1024
_MAX_ANSWER_BYTES = 256 * 1024 * 1024
_KEY_REFUSED = (401, 402)
_MAX_RETRY_AFTER_S = 3600.0


Note = Callable[[Call, Route, Key | None, str, float | None, TokenCounts | None], None]
"""Told of every finished upstream call: route, key, outcome, seconds to the first byte, tokens."""


class Forwarder:
    """Carries calls to upstreams under one policy."""

    def __init__(self, upstreams: Upstreams, health: Health, clock: Callable[[], float], note: Note) -> None:
        self._upstreams = upstreams
        self._health = health
        self._clock = clock
        self._note = note
        self.fallbacks = 0
        """Answers given by another than the first target."""

    async def forward(self, call: Call, routes: Sequence[Route], policy: Policy) -> web.StreamResponse:
        """The answer of the first of ``routes`` that gives one.

        Another key or the next route is tried only while nothing has come back: a refused connection, a
        time-out, or a status in ``policy.fallback_statuses``. After the first byte a failure is told to
        the client as it is. With ``call.deadline_s`` an attempt may use half of the time left, the last
        all of it.
        """
        trail = Trail()
        calls_left = policy.max_attempts
        for number, route in enumerate(routes):
            tried: list[Key] = []
            while calls_left > 0:
                key = None
                if route.keys is not None:
                    key = route.keys.select(route.target.model, tried)
                    if key is None:
                        if not tried:
                            trail.add(route.name, "all its keys rest", 429)
                            trail.wait(route.keys.free_in_s(route.target.model))
                        break
                    tried.append(key)
                first_byte_s = policy.first_byte_timeout_s
                if call.deadline_s is not None:
                    left_s = call.deadline_s - (self._clock() - call.started)
                    if left_s <= 0:
                        trail.add(route.name, "no time is left for it", 504)
                        raise trail.error()
                    first_byte_s = min(first_byte_s, left_s if number == len(routes) - 1 else left_s / 2)
                calls_left -= 1
                answered, other_key = await self._attempt(call, route, key, first_byte_s, policy, trail)
                if answered is not None:
                    if number:
                        self.fallbacks += 1
                    return answered
                if not other_key:
                    break
        raise trail.error()

    async def _attempt(
        self, call: Call, route: Route, key: Key | None, first_byte_s: float, policy: Policy, trail: Trail
    ) -> tuple[web.StreamResponse | None, bool]:
        """The answer, or null and whether another key of the same provider may do better."""
        try:
            path, content, between = outgoing(call, route)
        except UntranslatableError as error:
            trail.add(route.name, str(error), 422)
            return None, False
        head = b"%b%d\r\n\r\n" % (route.head(path, key), len(content))
        begun = self._clock()
        answer: Answer | None = None
        outcome, counts, first_after_s = "cancelled", None, None
        try:
            answer = await self._upstreams.ask(route.address, head, content, first_byte_s)
            if answer.status >= 300:
                outcome = f"status_{answer.status}"
                return await self._refused(call, answer, route, key, policy, trail)
            first = await answer.some(max(first_byte_s - (self._clock() - begun), 0.001))
            first_after_s = self._clock() - begun
            route.health.answered(first_after_s)
            passing = _Passing(call, route, answer, first, policy, between)
            response = await passing.run()
            outcome, counts = passing.outcome, passing.counts
            return response, False
        except UpstreamError as error:
            outcome = "timeout" if error.timed_out else "connection"
            self._health.failed(route.health, policy)
            LOGGER.warning("%s: %s", route.name, error.reason)
            trail.add(route.name, error.reason, 504 if error.timed_out else 502)
            return None, False
        finally:
            if answer is not None:
                answer.release()
            if key is not None and counts is not None and route.keys is not None:
                route.keys.count_tokens(key.state, counts.prompt + counts.completion)
            self._note(call, route, key, outcome, first_after_s, counts)

    async def _refused(
        self, call: Call, answer: Answer, route: Route, key: Key | None, policy: Policy, trail: Trail
    ) -> tuple[web.Response | None, bool]:
        """The upstream's refusal for the client, or null when the next key or target should be tried."""
        status = answer.status
        told = await answer.whole(policy.silence_timeout_s, _MAX_ERROR_BYTES)
        if status in policy.fallback_statuses or status < 400:
            LOGGER.warning("%s: status %d", route.name, status)
            trail.add(route.name, f"status {status}", status)
            if key is None or route.keys is None:
                self._health.failed(route.health, policy)
                return None, False
            if status == 429:
                rest_s = _retry_after_s(answer) or policy.rate_limit_rest_s
                trail.wait(rest_s)
                route.keys.limit(key.state, route.target.model, rest_s)
                return None, True
            if status == 403:
                route.keys.limit(key.state, route.target.model, policy.key_degradation_s)
                return None, True
            if status in _KEY_REFUSED:
                route.keys.rest(key.state, policy.key_degradation_s, f"it was refused with {status}")
                return None, True
            self._health.failed(route.health, policy)
            return None, False
        if status in (400, 413) and is_context_overflow(told):
            trail.add(route.name, "the prompt is too long for it", 400)
            return None, False
        same = call.dialect == route.provider.format
        if not (same and (is_openai_error(told) or call.dialect == "anthropic")):
            error = RouterError(
                status, "upstream_refused", f"{route.name}: {_said(told) or f'status {status}'}"
            )
            told = json.dumps(error_body(call.dialect, status, error.body)).encode()
        return web.Response(
            body=told, status=status, headers=route.marks, content_type="application/json"
        ), False


class _Passing:
    """An answer that has begun, on its way to the client; says afterwards how it went."""

    def __init__(
        self,
        call: Call,
        route: Route,
        answer: Answer,
        first: bytes,
        policy: Policy,
        between: Translation | None,
    ) -> None:
        self._call = call
        self._route = route
        self._answer = answer
        self._first = first
        self._policy = policy
        self._between = between
        self.outcome = "cancelled"
        self.counts: TokenCounts | None = None

    async def run(self) -> web.StreamResponse:
        """Chunks as they come, never more than one in hand; ends well-formed when the upstream does not."""
        kind = self._answer.headers.get(b"content-type", b"")
        if kind.startswith(b"text/event-stream"):
            return await self._stream(kind)
        return await self._whole(kind)

    async def _whole(self, kind: bytes) -> web.Response:
        try:
            rest = (
                b""
                if not self._first
                else await self._answer.whole(self._policy.silence_timeout_s, _MAX_ANSWER_BYTES)
            )
            content = self._first + rest if rest else self._first
            told = content
            if self._between is not None:
                content = json.dumps(self._between.answer(json.loads(content))).encode()
        except UpstreamError as error:
            self.outcome = "broken"
            raise _interrupted(self._route, error.reason) from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self.outcome = "garbage"
            raise _interrupted(self._route, "its answer is not a message") from error
        if not looks_like_json(content):
            self.outcome = "garbage"
            raise _interrupted(self._route, "its answer is not JSON")
        self.counts = token_counts(told)
        self.outcome = "ok"
        return web.Response(
            body=content,
            status=self._answer.status,
            headers={"Content-Type": kind.decode("latin-1") or "application/json", **self._route.marks},
        )

    async def _stream(self, kind: bytes) -> web.StreamResponse:
        response = web.StreamResponse(
            status=self._answer.status,
            headers={
                "Content-Type": kind.decode("latin-1"),
                "Cache-Control": "no-cache",
                "X-Accel-Buffering": "no",
                **self._route.marks,
            },
        )
        await response.prepare(self._call.request)
        answer, silence_s = self._answer, self._policy.silence_timeout_s
        options = self._call.document.get("stream_options")
        wanted = isinstance(options, dict) and bool(options.get("include_usage"))
        translator = self._between.stream(wanted) if self._between else None
        chunk, before, last = self._first, b"", b""
        try:
            while chunk:
                if translator is not None:
                    chunk = translator.feed(chunk)
                if chunk:
                    before, last = last, chunk
                    await response.write(chunk)
                chunk = await answer.some(silence_s)
            if translator is not None and not translator.finished:
                raise UpstreamError("it ended before its message did")
            self.outcome = "ok"
        except (UpstreamError, ValueError, KeyError, TypeError, AttributeError) as broken:
            self.outcome = "broken"
            reason = broken.reason if isinstance(broken, UpstreamError) else "it sent an unreadable event"
            error = _interrupted(self._route, reason)
            ended = not last or last.endswith((b"\n\n", b"\r\n\r\n"))
            event = error_event(self._call.dialect, error.status, error.body)
            await response.write(event if ended else b"\n\n" + event)
        await response.write_eof()
        if translator is not None and translator.usage is not None:
            self.counts = token_counts(json.dumps({"usage": translator.usage}).encode())
        else:
            self.counts = token_counts((before + last)[-8192:])
        return response


def _interrupted(route: Route, reason: str) -> RouterError:
    LOGGER.warning("%s: %s after the first byte", route.name, reason)
    message = f"{route.name} stopped in the middle of its answer: {reason}"
    return RouterError(502, "upstream_interrupted", message, "upstream_error")


def _said(content: bytes) -> str | None:
    """The message in an upstream's error, of either format."""
    try:
        error = json.loads(content)["error"]
        return str(error["message"])[:500]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _retry_after_s(answer: Answer) -> float | None:
    """The seconds of a Retry-After header; dates and nonsense count as none."""
    try:
        seconds = float(answer.headers.get(b"retry-after", b"").decode("latin-1"))
    except ValueError:
        return None
    return min(seconds, _MAX_RETRY_AFTER_S) if seconds > 0 else None
