"""A provider on loopback in any of the three shapes, with faults on request, for the contract of clients.

The model's name says how it behaves: ``echo`` repeats the last text; ``status-N`` refuses; ``flaky`` fails
twice, then answers; ``limited`` asks to wait once; ``hang`` is silent; ``cut`` breaks off a stream;
``garbage`` answers with what is not JSON; ``tools`` calls the first tool.
"""

import asyncio
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from aiohttp import web

from modelscan_catalog.sdk.access import VARIABLE
from modelscan_catalog.sdk.interface import Endpoint, ProviderInterface

_OTHER_VERSIONS = {"anthropic-version": "2026-10-21"}
"""The vendor serves this version beside 2023-06-01 and takes a bearer key beside ``x-api-key``: what its own
Python SDK sends since 2.0. Servers that copy the format know the older one, which generated clients send."""
_RETRY_AFTER_S = "0.01"


@dataclass(frozen=True)
class Asked:
    """One request as it came; names of headers in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: dict[str, Any] = field(default_factory=dict)


class LocalProvider:
    """Serves one interface at a time; ``play`` changes it. Thread-safe enough for one test at a time."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._interface: ProviderInterface | None = None
        self._key = ""
        self._failed: Counter[str] = Counter()
        self._port = 0

    def play(self, interface: ProviderInterface, key: str) -> str:
        """Serve ``interface``, expecting ``key``; the base URL, with the path of the real one."""
        self._interface, self._key = interface, key
        self.asked.clear()
        self._failed.clear()
        return f"http://127.0.0.1:{self._port}{base_path(interface)}"

    @contextmanager
    def running(self) -> Iterator["LocalProvider"]:
        """Listen on a free loopback port, in a thread of its own."""
        loop = asyncio.new_event_loop()
        ready = threading.Event()
        stop = asyncio.Event()

        async def serve() -> None:
            application = web.Application()
            application.router.add_route("*", "/{path:.*}", self._answer)
            runner = web.AppRunner(
                application, handler_cancellation=True, access_log=None, shutdown_timeout=0.1
            )
            await runner.setup()
            try:
                await web.TCPSite(runner, "127.0.0.1", 0).start()
                self._port = runner.addresses[0][1]
                ready.set()
                await stop.wait()
            finally:
                await runner.cleanup()

        def run() -> None:
            try:
                loop.run_until_complete(serve())
            finally:
                loop.close()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        ready.wait(10)
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(10)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        interface = self._interface
        assert interface is not None
        text = await request.text()
        body = json.loads(text) if text else {}
        asked = Asked(request.method, request.path, dict(request.query), _lower(request.headers), body)
        self.asked.append(asked)
        found = _endpoint(interface, asked)
        if found is None:
            return _error(interface, 404, "not_found", f"no {asked.method} {asked.path}")
        endpoint, model = found
        if not _is_authorized(interface, asked, self._key):
            return _error(interface, 401, "invalid_api_key", f"wrong key {_shown_key(interface, asked)}")
        for name, value in interface.headers.items():
            if asked.headers.get(name.lower()) not in (value, _OTHER_VERSIONS.get(name)):
                return _error(interface, 400, "bad_header", f"{name} must be {value}")
        return await self._behave(request, interface, endpoint, model or str(body.get("model", "")), body)

    async def _behave(
        self,
        request: web.Request,
        interface: ProviderInterface,
        endpoint: Endpoint,
        model: str,
        body: dict[str, Any],
    ) -> web.StreamResponse:
        if model.startswith("status-"):
            return _error(interface, int(model.removeprefix("status-")), "forced", "refused on request")
        if model == "flaky" and self._failed["flaky"] < 2:
            self._failed["flaky"] += 1
            return _error(interface, 503, "overloaded", "try again", retry=True)
        if model == "limited" and not self._failed["limited"]:
            self._failed["limited"] += 1
            return _error(interface, 429, "rate_limited", "wait", retry=True)
        if model == "hang":
            await asyncio.sleep(3600)
        if model == "garbage":
            return web.Response(text="<html>at your service</html>", content_type="text/html")
        if endpoint.streams or body.get("stream"):
            return await _stream(request, interface, model, _last_text(body))
        return web.json_response(_whole(interface, endpoint, model, body))


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def base_path(interface: ProviderInterface) -> str:
    """The path of the interface's base URL, its variables filled with a word."""
    filled = VARIABLE.sub("account", str(interface.base_url).replace("${NEON_AI_GATEWAY_BASE_URL}", ""))
    return urlsplit(filled).path.rstrip("/")


def _endpoint(interface: ProviderInterface, asked: Asked) -> tuple[Endpoint, str] | None:
    prefix = base_path(interface)
    for endpoint in interface.endpoints:
        pattern = re.escape(prefix + endpoint.path).replace(re.escape("{model}"), "([^/]+)")
        match = re.fullmatch(pattern, asked.path)
        fits = all(asked.query.get(name) == value for name, value in endpoint.query.items())
        fixed = all(asked.body.get(name) == value for name, value in endpoint.fixed.items())
        if match and endpoint.method == asked.method and fits and fixed:
            if not endpoint.fixed and asked.body.get("stream") and interface.api_type == "custom":
                continue
            return endpoint, unquote(match[1]) if match.groups() else ""
    return None


def _shown_key(interface: ProviderInterface, asked: Asked) -> str:
    auth = interface.auth
    if auth is None or auth.scheme == "none":
        return ""
    return (
        asked.query.get(auth.name, "") if auth.scheme == "query" else asked.headers.get(auth.name.lower(), "")
    )


def _is_authorized(interface: ProviderInterface, asked: Asked, key: str) -> bool:
    auth = interface.auth
    if auth is None or auth.scheme == "none":
        return True
    shown = _shown_key(interface, asked)
    if interface.api_type == "anthropic-compatible" and not shown:
        return asked.headers.get("authorization") == f"Bearer {key}"
    return shown == (f"Bearer {key}" if auth.scheme == "bearer" else key)


def _last_text(body: Mapping[str, Any]) -> str:
    messages = body.get("messages") or [{"content": body.get("text", "")}]
    return str(messages[-1].get("content", ""))


def _whole(
    interface: ProviderInterface, endpoint: Endpoint, model: str, body: dict[str, Any]
) -> dict[str, Any]:
    if interface.api_type == "custom":
        return {"text": _last_text(body), "operation": endpoint.operation}
    if endpoint.operation == "models":
        return {
            "object": "list",
            "data": [{"id": "echo", "object": "model", "created": 0, "owned_by": "local"}],
        }
    if endpoint.operation == "embeddings":
        vectors = [
            {"object": "embedding", "index": number, "embedding": [float(len(text)), 0.5]}
            for number, text in enumerate(body["input"])
        ]
        return {
            "object": "list",
            "model": model,
            "data": vectors,
            "usage": {"prompt_tokens": 1, "total_tokens": 1},
        }
    if endpoint.operation == "responses":
        return {"id": "resp_local", "object": "response", "output": [], "model": model}
    if interface.api_type == "anthropic-compatible":
        return _message(model, body)
    return _completion(model, body)


def _completion(model: str, body: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": _last_text(body)}
    if model == "tools":
        function = {"name": body["tools"][0]["function"]["name"], "arguments": '{"city": "Bern"}'}
        message = {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
        }
    return {
        "id": "chatcmpl-local",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }


def _message(model: str, body: dict[str, Any]) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "text", "text": _last_text(body)}
    if model == "tools":
        name = body["tools"][0]["name"]
        block = {"type": "tool_use", "id": "toolu_1", "name": name, "input": {"city": "Bern"}}
    return {
        "id": "msg_local",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [block],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 2},
    }


async def _stream(
    request: web.Request, interface: ProviderInterface, model: str, text: str
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    half = len(text) // 2
    pieces = [text[:half], text[half:]]
    with suppress(ConnectionResetError):  # a client may leave when it has seen enough
        for number, event in enumerate(_events(interface, model, pieces)):
            await response.write(event)
            if model == "cut" and number == 2:
                if request.transport is not None:
                    request.transport.abort()
                return response
        await response.write_eof()
    return response


def _events(interface: ProviderInterface, model: str, pieces: list[str]) -> Iterator[bytes]:
    if interface.api_type == "custom":
        for piece in [*pieces, "", ""]:
            yield _event({"text": piece})
        return
    if interface.api_type == "anthropic-compatible":
        start = _message(model, {"messages": [{"content": ""}]}) | {"content": [], "stop_reason": None}
        yield _event({"type": "message_start", "message": start})
        yield _event(
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        )
        for piece in pieces:
            delta = {"type": "text_delta", "text": piece}
            yield _event({"type": "content_block_delta", "index": 0, "delta": delta})
        yield _event({"type": "content_block_stop", "index": 0})
        ended = {"stop_reason": "end_turn", "stop_sequence": None}
        yield _event({"type": "message_delta", "delta": ended, "usage": {"output_tokens": 2}})
        yield _event({"type": "message_stop"})
        return
    head = {"id": "chatcmpl-local", "object": "chat.completion.chunk", "created": 0, "model": model}
    for delta in ({"role": "assistant", "content": ""}, *({"content": piece} for piece in pieces)):
        yield _event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield _event({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    yield b"data: [DONE]\n\n"


def _event(document: dict[str, Any]) -> bytes:
    kind = f"event: {document['type']}\n".encode() if "type" in document else b""
    return kind + b"data: " + json.dumps(document, ensure_ascii=False).encode() + b"\n\n"


def _error(
    interface: ProviderInterface, status: int, code: str, message: str, *, retry: bool = False
) -> web.Response:
    error: dict[str, Any] = {"type": code, "message": message}
    body: dict[str, Any] = {"error": {**error, "code": code, "param": None}}
    if interface.api_type == "anthropic-compatible":
        body = {"type": "error", "error": error}
    return web.json_response(body, status=status, headers={"Retry-After": _RETRY_AFTER_S} if retry else None)
