"""A small OpenAI-compatible server on loopback, with faults on request, for checks and tests.

The model's name says how it behaves: ``echo`` repeats the last message; ``status-N`` answers with that
status; ``hang`` never answers; ``cut`` breaks off after its first piece; ``slow`` streams without end;
``too-long`` refuses the prompt as exceeding its context.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

PIECES = 5
_SLOW_PIECE_S = 0.02


class LocalUpstream:
    """Counts what it was asked and what was broken off."""

    def __init__(self, key: str | None = None) -> None:
        self.key = key
        self.requests: list[dict[str, Any]] = []
        self.cancelled = asyncio.Event()
        """Set when a client goes away in the middle of an answer."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Serve on a free loopback port and give the base URL, ``/v1`` included."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/chat/completions", self._chat)
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        finally:
            await runner.cleanup()

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        if self.key is not None and request.headers.get("Authorization") != f"Bearer {self.key}":
            return _error(401, "invalid_api_key", f"wrong key {request.headers.get('Authorization')}")
        try:
            return await self._behave(request, body, str(body["model"]))
        except (asyncio.CancelledError, ConnectionResetError):
            self.cancelled.set()
            raise

    async def _behave(self, request: web.Request, body: dict[str, Any], model: str) -> web.StreamResponse:
        if model.startswith("status-"):
            status = int(model.removeprefix("status-"))
            return _error(status, "forced", f"answered with {status} on request")
        if model == "too-long":
            return _error(400, "context_length_exceeded", "maximum context length is 8 tokens")
        if model == "hang":
            await asyncio.sleep(3600)
        text = str(body["messages"][-1]["content"])
        if not body.get("stream"):
            return web.json_response(_completion(model, text))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        endless = model == "slow"
        for number in range(10**6 if endless else PIECES):
            await response.write(_event(_chunk(model, {"content": f"{text}{number}"})))
            if model == "cut":
                transport = request.transport
                if transport is not None:
                    transport.abort()
                return response
            await asyncio.sleep(_SLOW_PIECE_S if endless else 0)
        await response.write(_event(_chunk(model, {}, finish="stop")) + b"data: [DONE]\n\n")
        return response


def _completion(model: str, text: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-local",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


def _chunk(model: str, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {
        "id": "chatcmpl-local",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }


def _event(document: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def _error(status: int, code: str, message: str) -> web.Response:
    error = {"message": message, "type": "forced", "param": None, "code": code}
    return web.json_response({"error": error}, status=status)
