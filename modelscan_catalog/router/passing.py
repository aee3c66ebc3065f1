"""An answer that has begun, on its way to the client: as it comes, translated, or without unasked usage."""

import json
import logging
from collections.abc import Awaitable

from aiohttp import web

from modelscan_catalog.router.answers import RouterError, TokenCounts, looks_like_json, token_counts
from modelscan_catalog.router.dialects import error_event
from modelscan_catalog.router.outgoing import Call, Outgoing
from modelscan_catalog.router.stream_usage import UsageFilter
from modelscan_catalog.router.table import Route
from modelscan_catalog.router.upstream import Answer, UpstreamError

LOGGER = logging.getLogger("modelscan.router")

_MAX_ANSWER_BYTES = 256 * 1024 * 1024
_TAIL_BYTES = 8192
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError)
_CHOICES_END = b"}]}\n\n"
"""Nothing with choices follows the event that tells usage, so what ends like this does not hold it."""
_STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class Passing:
    """One answer; says afterwards how it went."""

    def __init__(
        self, call: Call, route: Route, answer: Answer, first: bytes, silence_s: float, sent: Outgoing
    ) -> None:
        self._call = call
        self._route = route
        self._answer = answer
        self._first = first
        self._silence_s = silence_s
        self._sent = sent
        self.outcome = "cancelled"
        self.counts: TokenCounts | None = None

    def run(self) -> Awaitable[web.StreamResponse]:
        """Chunks as they come, never more than one in hand; a stream ends well-formed whatever happens.

        Raises ``UpstreamError`` for an answer that fails before the client has a byte of it.
        """
        if not self._first:
            self.outcome = "broken"
            raise UpstreamError("its answer is empty")
        kind = self._answer.headers.get(b"content-type", b"")
        if kind.startswith(b"text/event-stream"):
            if self._first.startswith((b'data: {"error"', b'data:{"error"', b"event: error")):
                self.outcome = "broken"
                raise UpstreamError("its stream begins with an error")
            return self._stream(kind)
        return self._whole(kind)

    async def _whole(self, kind: bytes) -> web.Response:
        between = self._sent.between
        self.outcome = "broken"
        rest = await self._answer.whole(self._silence_s, _MAX_ANSWER_BYTES)
        content = self._first + rest if rest else self._first
        self.counts = token_counts(content)
        if between is not None:
            try:
                translated = between.answer(json.loads(content), self._call.document)
                content = json.dumps(translated).encode()
            except _UNREADABLE as error:
                self.outcome = "garbage"
                raise UpstreamError("its answer is not a message") from error
        elif not looks_like_json(content):
            self.outcome = "garbage"
            raise UpstreamError("its answer is not JSON")
        self.outcome = "ok"
        return web.Response(
            body=content,
            status=self._answer.status,
            headers={
                "Content-Type": kind.decode("latin-1") or "application/json",
                **marks(self._call, self._route, self._answer),
            },
        )

    async def _stream(self, kind: bytes) -> web.StreamResponse:
        response = web.StreamResponse(
            status=self._answer.status,
            headers={
                "Content-Type": kind.decode("latin-1"),
                **_STREAM_HEADERS,
                **marks(self._call, self._route, self._answer),
            },
        )
        writer = await response.prepare(self._call.request)
        assert writer is not None
        answer, silence_s = self._answer, self._silence_s
        translator = self._sent.between.stream(self._call.document) if self._sent.between else None
        unasked = UsageFilter() if self._sent.added_usage else None
        feed = translator.feed if translator else unasked.feed if unasked else None
        chunk, before, last, told = self._first, b"", b"", b""
        try:
            while chunk:
                before, last = last, chunk
                if feed is not None and (unasked is None or unasked.held or chunk[-5:] != _CHOICES_END):
                    chunk = feed(chunk)
                if chunk:
                    told = chunk
                    await writer.write(chunk)  # the response's own way there checks each chunk's type
                chunk = await answer.some(silence_s)
            if translator is not None and not translator.finished:
                raise UpstreamError("it ended before its message did")
            if unasked is not None and unasked.held:
                await writer.write(unasked.held)
            self.outcome = "ok"
        except (UpstreamError, *_UNREADABLE) as broken:
            self.outcome = "broken"
            reason = broken.reason if isinstance(broken, UpstreamError) else "it sent an unreadable event"
            ended = not told or told.endswith((b"\n\n", b"\r\n\r\n"))
            event = self._interrupted(reason)
            await writer.write(event if ended else b"\n\n" + event)
        await response.write_eof()
        if translator is not None and translator.usage is not None:
            self.counts = token_counts(json.dumps({"usage": translator.usage}).encode())
        else:
            self.counts = token_counts((before + last)[-_TAIL_BYTES:])
        return response

    def _interrupted(self, reason: str) -> bytes:
        name = self._route.name
        LOGGER.warning("%s: %s after the first byte", name, reason)
        message = f"{name} stopped in the middle of its answer: {reason}"
        error = RouterError(502, "upstream_interrupted", message, "upstream_error")
        return error_event(self._call.dialect, error.status, error.body)


def marks(call: Call, route: Route, answer: Answer) -> dict[str, str]:
    """Headers that tell the client who answered, and the id that this knows the request by."""
    headers = answer.headers
    named = headers.get(b"x-request-id") or headers.get(b"request-id")
    if named is None:
        return route.marks
    where = "request-id" if call.dialect == "anthropic" else "x-request-id"
    return {**route.marks, where: named.decode("latin-1")[:200]}
