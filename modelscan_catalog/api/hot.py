"""Bounds bodies, tags answers, and keeps those of hot reads as bytes."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from modelscan_catalog.api.errors import error_answer
from modelscan_catalog.api.snapshot import Snapshot

MOST_BODY_BYTES = 1_000_000
_MOST_KEPT_BYTES = 64_000_000
_KEPT_PATHS = (
    "/models",
    "/api/providers",
    "/changes",
    "/deprecations",
    "/search",
    "/openapi",
    "/openapi.json",
)
_KEPT_BELOW = ("/models/", "/api/v1/registry/", "/recommendations/", "/vllm/supported-models", "/vllm/model/")
"""What depends on the registry alone, and is told to everybody."""
_LARGEST_KEPT_BYTES = 2_000_000

_OF_UNCHANGED = (b"etag", b"cache-control")

Kept = tuple[list[tuple[bytes, bytes]], bytes, bytes]
"""Headers, body and tag."""


def _without_body(send: Send) -> Send:
    async def headers_only(message: Message) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return headers_only


class HotReads:
    """ASGI middleware around the whole application.

    Good answers to GET get an ETag; they are kept as bytes for as long as the same registry serves.
    """

    def __init__(
        self, app: ASGIApp, current: Callable[[], Snapshot], most_body_bytes: int = MOST_BODY_BYTES
    ) -> None:
        self._app = app
        self._current = current
        self._most_body_bytes = most_body_bytes
        self._snapshot: Snapshot | None = None
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()
        self._kept_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["method"] == "HEAD":
            await self._answer({**scope, "method": "GET"}, receive, _without_body(send))
        elif scope["method"] != "GET":
            await self._bounded(scope, receive, send)
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        snapshot = self._current()
        if snapshot is not self._snapshot:
            self._snapshot, self._kept_bytes = snapshot, 0
            self._kept.clear()
        key = scope["path"].encode() + b"?" + scope["query_string"]
        kept = self._kept.get(key)
        if kept is None:
            kept = await self._ask(scope, receive, send)
            if kept is None:
                return
            told_to_all = scope["path"] in _KEPT_PATHS or scope["path"].startswith(_KEPT_BELOW)
            if told_to_all and self._snapshot is snapshot:  # else a former registry's answer would stay
                self._keep(key, kept)
        else:
            self._kept.move_to_end(key)
        headers, body, tag = kept
        asked = Headers(scope=scope).get("if-none-match", "").encode()
        if tag in asked or asked.strip() == b"*":
            unchanged = [(name, value) for name, value in headers if name in _OF_UNCHANGED]
            await send({"type": "http.response.start", "status": 304, "headers": unchanged})
            await send({"type": "http.response.body", "body": b""})
            return
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _ask(self, scope: Scope, receive: Receive, send: Send) -> Kept | None:
        """The application's good answer; any other is sent as it is."""
        start: dict[str, Any] = {}
        parts: list[bytes] = []

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            if start["status"] != 200:
                await send(message)
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))

        await self._app(scope, receive, collect)
        if start["status"] != 200:
            return None
        body = b"".join(parts)
        tag = b'"' + hashlib.sha256(body).hexdigest()[:24].encode() + b'"'
        headers = MutableHeaders(raw=list(start["headers"]))
        headers["etag"] = tag.decode()
        headers["cache-control"] = "no-cache"
        return headers.raw, body, tag

    def _keep(self, key: bytes, kept: Kept) -> None:
        if len(kept[1]) > _LARGEST_KEPT_BYTES:
            return
        before = self._kept.pop(key, None)  # of a request at the same time
        self._kept[key] = kept
        self._kept_bytes += len(kept[1]) - (len(before[1]) if before else 0)
        while self._kept_bytes > _MOST_KEPT_BYTES:
            self._kept_bytes -= len(self._kept.popitem(last=False)[1][1])

    async def _bounded(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body up to its bound before the application sees any of it."""
        messages: list[Message] = []
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return
            size += len(message.get("body", b""))
            if size > self._most_body_bytes:
                text = f"body: is longer than {self._most_body_bytes} bytes"
                await error_answer(413, "too_large", text)(scope, receive, send)
                return
            messages.append(message)
            more = message.get("more_body", False)
        replay = iter(messages)

        async def again() -> Message:
            return next(replay, None) or await receive()

        await self._app(scope, again, send)
