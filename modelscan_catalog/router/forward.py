"""One request carried to the first upstream that answers it; the answer passed on as it comes."""

import json
import logging
from collections.abc import Callable, Sequence

from aiohttp import web

from modelscan_catalog.router.answers import RouterError, TokenCounts, Trail, is_openai_error
from modelscan_catalog.router.anthropic import UntranslatableError
from modelscan_catalog.router.config import Policy
from modelscan_catalog.router.dialects import error_body
from modelscan_catalog.router.health import Health
from modelscan_catalog.router.keys import Key
from modelscan_catalog.router.outgoing import Call, outgoing, request_head
from modelscan_catalog.router.passing import Passing, marks
from modelscan_catalog.router.refusals import (
    is_context_overflow,
    is_out_of_funds,
    retry_after_s,
    spent_for_s,
)
from modelscan_catalog.router.table import Route
from modelscan_catalog.router.upstream import Answer, UpstreamError, Upstreams

LOGGER = logging.getLogger("modelscan.router")

_MAX_ERROR_BYTES = 64 * 1024
_KEY_REFUSED = (401, 402)
_MONEY = (400, 402, 403, 429)
"""Statuses with which sellers say that an account is empty."""


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

        Another key or the next route is tried only while the client has nothing: after a refused connection,
        a time-out, a status in ``policy.fallback_statuses``, or an answer that breaks off before a byte of
        it was passed on. Afterwards a failure is told to the client as it is. With ``call.deadline_s`` an
        attempt may use half of the time left, the last all of it.
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
                            why = route.keys.refused_all()
                            trail.add(route.name, why or "all its keys rest", 502 if why else 429)
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
            sent = outgoing(call, route)
        except UntranslatableError as error:
            trail.add(route.name, str(error), 422)
            return None, False
        head = request_head(call, route, sent, key)
        begun = self._clock()
        answer: Answer | None = None
        passing: Passing | None = None
        outcome, counts, first_after_s = "cancelled", None, None
        try:
            answer = await self._upstreams.ask(route.address, head, sent.content, first_byte_s)
            if answer.status >= 300:
                outcome = f"status_{answer.status}"
                told = await answer.whole(policy.silence_timeout_s, _MAX_ERROR_BYTES)
                if not (sent.added_usage and answer.status in (400, 422) and b"stream_options" in told):
                    return self._refused(call, answer, told, route, key, policy, trail)
                # It refuses a field that the client never sent: from now on it is asked without.
                route.health.tells_usage = False
            else:
                first = await answer.some(max(first_byte_s - (self._clock() - begun), 0.001))
                first_after_s = self._clock() - begun
                passing = Passing(call, route, answer, first, policy.silence_timeout_s, sent)
                response = await passing.run()
                outcome, counts = passing.outcome, passing.counts
                if outcome == "ok":
                    route.health.answered(first_after_s)
                else:
                    self._health.failed(route.health, policy)
                if key is not None and route.keys is not None:
                    spent_s = spent_for_s(answer.headers, route.provider.format)
                    if spent_s is not None:
                        route.keys.limit(key.state, route.target.model, spent_s)
                return response, False
        except UpstreamError as error:
            if passing is not None:
                outcome, counts = passing.outcome, passing.counts
            else:
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
        return await self._attempt(call, route, key, first_byte_s, policy, trail)

    def _refused(
        self,
        call: Call,
        answer: Answer,
        told: bytes,
        route: Route,
        key: Key | None,
        policy: Policy,
        trail: Trail,
    ) -> tuple[web.Response | None, bool]:
        """The upstream's refusal for the client, or null when the next key or target should be tried."""
        status = answer.status
        if key is not None and route.keys is not None and status in _MONEY and is_out_of_funds(told):
            trail.add(route.name, "the account of its key has nothing left", 502)
            route.keys.rest(key.state, policy.key_degradation_s, "its account has nothing left")
            return None, True
        if status in policy.fallback_statuses or status < 400:
            LOGGER.warning("%s: status %d", route.name, status)
            trail.add(route.name, f"status {status}", status)
            rest_s = retry_after_s(answer.headers) or policy.rate_limit_rest_s
            if status == 429:
                trail.wait(rest_s)
            if key is None or route.keys is None:
                self._health.failed(route.health, policy)
                return None, False
            if status == 429:
                route.keys.refused(key.state, route.target.model, rest_s)
                return None, True
            if status == 403:
                route.keys.limit(key.state, route.target.model, policy.key_degradation_s)
                return None, True
            if status in _KEY_REFUSED:
                route.keys.rest(key.state, policy.key_degradation_s, f"it was refused with {status}")
                return None, True
            self._health.failed(route.health, policy)
            return None, False
        if status in (400, 413, 422) and is_context_overflow(told):
            trail.add(route.name, "the prompt is too long for it", 400)
            return None, False
        same = call.dialect == route.provider.format
        if not (same and (is_openai_error(told) or call.dialect == "anthropic")):
            error = RouterError(
                status, "upstream_refused", f"{route.name}: {_said(told) or f'status {status}'}"
            )
            told = json.dumps(error_body(call.dialect, status, error.body)).encode()
        return web.Response(
            body=told,
            status=status,
            headers=marks(call, route, answer),
            content_type="application/json",
        ), False


def _said(content: bytes) -> str | None:
    """The message in an upstream's error, of either format."""
    try:
        error = json.loads(content)["error"]
        return str(error["message"])[:500]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
