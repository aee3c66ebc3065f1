"""Copies of requests sent to a shadow target: bounded, paid for, counted apart, and never waited for."""

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import replace

from modelscan_catalog.router.answers import RouterError, TokenCounts, looks_like_json, token_counts
from modelscan_catalog.router.anthropic import UntranslatableError
from modelscan_catalog.router.config import Policy
from modelscan_catalog.router.keys import Key
from modelscan_catalog.router.outgoing import Call, Outgoing, outgoing, request_head
from modelscan_catalog.router.table import Route
from modelscan_catalog.router.upstream import Answer, UpstreamError, Upstreams

LOGGER = logging.getLogger("modelscan.router")

_MAX_ANSWER_BYTES = 16 * 1024 * 1024
_TAIL_BYTES = 8192
_STOP_TIMEOUT_S = 2.0

ShadowNote = Callable[[Call, Route, Key | None, str, float | None, TokenCounts | None], None]
"""Told of every mirrored call: route, key, outcome, seconds to the first byte, tokens."""


class Mirror:
    """Sends copies and forgets their answers; their failures touch neither health nor keys of anybody."""

    def __init__(self, upstreams: Upstreams, clock: Callable[[], float], note: ShadowNote) -> None:
        self._upstreams = upstreams
        self._clock = clock
        self._note = note
        self._tasks: set[asyncio.Task[None]] = set()
        self.left_out = 0
        """Copies not sent because too many were under way or no key was free."""

    def send(self, call: Call, route: Route, policy: Policy) -> None:
        """Mirror ``call`` to ``route``; returns at once."""
        if len(self._tasks) >= policy.max_shadow_requests:
            self.left_out += 1
            return
        task = asyncio.create_task(self._ask(replace(call, started=self._clock()), route, policy))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Let go of what is under way."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_STOP_TIMEOUT_S)

    async def _ask(self, call: Call, route: Route, policy: Policy) -> None:
        key = route.keys.select(route.target.model) if route.keys is not None else None
        if key is None and route.keys is not None:
            self.left_out += 1
            return
        seen = _Seen()
        try:
            sent = outgoing(call, route)
            head = request_head(call, route, sent, key)
            async with asyncio.timeout(policy.shadow_timeout_s):
                answer = await self._upstreams.ask(
                    route.address, head, sent.content, policy.first_byte_timeout_s
                )
                try:
                    await self._read(call, answer, sent, policy, seen)
                finally:
                    answer.release()
        except UpstreamError as error:
            broken = "connection" if seen.first_byte_s is None else "broken"
            seen.outcome = "timeout" if error.timed_out else broken
        except TimeoutError:
            seen.outcome = "timeout"
        except (UntranslatableError, RouterError):
            seen.outcome = "untranslatable"
        except (ValueError, KeyError, TypeError, AttributeError):
            seen.outcome = "garbage"
        finally:
            if key is not None and route.keys is not None and seen.counts is not None:
                route.keys.count_tokens(key.state, seen.counts.prompt + seen.counts.completion)
            self._note(call, route, key, seen.outcome, seen.first_byte_s, seen.counts)
            if seen.outcome != "ok":
                LOGGER.debug("shadow %s: %s", route.name, seen.outcome)

    async def _read(self, call: Call, answer: Answer, sent: Outgoing, policy: Policy, seen: "_Seen") -> None:
        """The answer to its end, kept only as far as its usage needs."""
        silence_s = policy.silence_timeout_s
        if answer.status >= 300:
            seen.outcome = f"status_{answer.status}"
            return
        chunk = await answer.some(silence_s)
        seen.first_byte_s = self._clock() - call.started
        if not answer.headers.get(b"content-type", b"").startswith(b"text/event-stream"):
            content = chunk + (await answer.whole(silence_s, _MAX_ANSWER_BYTES) if chunk else b"")
            if sent.between is not None:
                sent.between.answer(json.loads(content), call.document)
            seen.outcome = "ok" if looks_like_json(content) else "garbage"
            seen.counts = token_counts(content)
            return
        translator = sent.between.stream(call.document) if sent.between is not None else None
        tail = b""
        while chunk:
            if translator is not None:
                translator.feed(chunk)
            tail = (tail + chunk)[-_TAIL_BYTES:]
            chunk = await answer.some(silence_s)
        if translator is not None:
            seen.outcome = "ok" if translator.finished else "broken"
            if translator.usage is not None:
                tail = json.dumps({"usage": translator.usage}).encode()
        else:
            seen.outcome = "ok"
        seen.counts = token_counts(tail)


class _Seen:
    """What came of one copy so far."""

    def __init__(self) -> None:
        self.outcome = "cancelled"
        self.first_byte_s: float | None = None
        self.counts: TokenCounts | None = None
