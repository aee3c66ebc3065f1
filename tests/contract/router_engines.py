"""Two engines and a router before them, for the contract tests of real clients.

``lab/engine`` speaks OpenAI's format and ``lab/claude`` Anthropic's, with tools, images and streams;
``lab/echo`` and its neighbours behave as their names say. From 1000 ``max_tokens`` on a stream does not end.
"""

import asyncio
import contextlib
import json

from aiohttp import web

from modelscan_catalog.router.app import Router
from modelscan_catalog.router.config import RouterConfig
from modelscan_catalog.router.emit import default_policy
from modelscan_catalog.router.local_upstream import LocalUpstream
from modelscan_catalog.router.server import serving

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}


class Upstream:
    """Answers like an OpenAI-compatible engine below /v1 and like Anthropic below /v1/messages."""

    def __init__(self):
        self.bodies = []
        self.headers = []
        self.cancelled = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self):
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/completions", self._completion)
        app.router.add_post("/v1/embeddings", self._embeddings)
        app.router.add_post("/v1/messages", self._messages)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.2)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        finally:
            await runner.cleanup()

    async def _read(self, request):
        self.bodies.append(await request.json())
        self.headers.append(request.headers)
        return self.bodies[-1]

    async def _chat(self, request):
        body = await self._read(request)
        message = {"role": "assistant", "content": "seen"}
        if body.get("tools"):
            call = {"name": "weather", "arguments": '{"city": "Bern"}'}
            message = {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c1", "type": "function", "function": call}],
            }
        choice = {
            "index": 0,
            "message": message,
            "finish_reason": "tool_calls" if body.get("tools") else "stop",
        }
        usage = {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}
        if body.get("stream"):
            return await self._chunks(request, body, message, choice["finish_reason"], usage)
        return web.json_response(
            {
                "id": "1",
                "object": "chat.completion",
                "created": 0,
                "model": body["model"],
                "choices": [choice],
                "usage": usage,
            }
        )

    async def _chunks(self, request, body, message, reason, usage):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        head = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": body["model"]}

        async def send(delta, finish=None, **fields):
            choices = [{"index": 0, "delta": delta, "finish_reason": finish}] if delta is not None else []
            await response.write(
                b"data: " + json.dumps({**head, "choices": choices, **fields}).encode() + b"\n\n"
            )
            await asyncio.sleep(0)

        try:
            await send({"role": "assistant", "content": ""})
            if message["content"] is None:
                [call] = message["tool_calls"]
                function = {**call["function"], "arguments": ""}
                await send({"tool_calls": [{**call, "index": 0, "function": function}]})
                for piece in ('{"city": ', '"Bern"}'):
                    await send({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
            pieces = ["se", "en"] if body.get("max_tokens", 0) < 1000 else ["on and on "] * 100_000
            for piece in pieces if message["content"] else []:
                await send({"content": piece})
            await send({}, reason)
            if (body.get("stream_options") or {}).get("include_usage"):
                await send(None, usage=usage)
            await response.write(b"data: [DONE]\n\n")
        except (ConnectionResetError, asyncio.CancelledError):
            self.cancelled.set()
            raise
        return response

    async def _completion(self, request):
        body = await self._read(request)
        choice = {
            "index": 0,
            "text": f"{body['prompt']} upon a time",
            "finish_reason": "stop",
            "logprobs": None,
        }
        return web.json_response(
            {
                "id": "1",
                "object": "text_completion",
                "created": 0,
                "model": body["model"],
                "choices": [choice],
            }
        )

    async def _embeddings(self, request):
        body = await self._read(request)
        rows = [
            {"object": "embedding", "index": i, "embedding": [0.5, float(i)]}
            for i in range(len(body["input"]))
        ]
        usage = {"prompt_tokens": 2, "total_tokens": 2}
        return web.json_response({"object": "list", "data": rows, "model": body["model"], "usage": usage})

    async def _messages(self, request):
        body = await self._read(request)
        assert request.headers["anthropic-version"]
        blocks = [{"type": "text", "text": "Looking."}]
        if body.get("tools"):
            blocks.append({"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Bern"}})
        reason = "tool_use" if body.get("tools") else "end_turn"
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"]}
        usage = {"input_tokens": 3, "output_tokens": 2, "cache_read_input_tokens": 1}
        if not body.get("stream"):
            return web.json_response({**message, "content": blocks, "stop_reason": reason, "usage": usage})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            await self._stream(response, {**message, "content": [], "usage": usage}, blocks, reason, body)
        except (ConnectionResetError, asyncio.CancelledError):
            self.cancelled.set()
            raise
        return response

    async def _stream(self, response, message, blocks, reason, body):
        async def send(kind, **fields):
            document = json.dumps({"type": kind, **fields})
            await response.write(f"event: {kind}\ndata: {document}\n\n".encode())
            await asyncio.sleep(0)

        await send("message_start", message=message)
        for index, block in enumerate(blocks):
            if block["type"] == "text":
                await send("content_block_start", index=index, content_block={"type": "text", "text": ""})
                pieces = ["Look", "ing."] if body["max_tokens"] < 1000 else ["on and on "] * 100_000
                for piece in pieces:
                    await send(
                        "content_block_delta", index=index, delta={"type": "text_delta", "text": piece}
                    )
            else:
                await send("content_block_start", index=index, content_block={**block, "input": {}})
                for piece in ('{"city": ', '"Bern"}'):
                    delta = {"type": "input_json_delta", "partial_json": piece}
                    await send("content_block_delta", index=index, delta=delta)
            await send("content_block_stop", index=index)
        await send("message_delta", delta={"stop_reason": reason}, usage={"output_tokens": 9})
        await send("message_stop")


@contextlib.asynccontextmanager
async def router_before_engines():
    """The router's port, and the engine that keeps what it was sent."""
    upstream, other = Upstream(), LocalUpstream()
    async with upstream.running() as base_url, other.running() as local_url:
        providers = [
            {"name": "engine", "type": "local", "base_url": base_url},
            {"name": "claude", "type": "local", "base_url": base_url, "format": "anthropic"},
            {"name": "local", "type": "local", "base_url": local_url},
        ]
        models = {
            "lab/engine": ("engine", "e", ["text", "image"]),
            "lab/claude": ("claude", "c", ["text", "image"]),
            "lab/text": ("engine", "t", ["text"]),
            "lab/echo": ("local", "echo", []),
            "lab/broken": ("local", "status-500", []),
            "lab/limited": ("local", "status-429", []),
            "lab/cut": ("local", "cut", []),
        }
        document = {
            "routing": {"direct": {"providers": providers}},
            "models": [
                {"id": name, "input": reads, "targets": [{"provider": provider, "model": model}]}
                for name, (provider, model, reads) in models.items()
            ],
            "policy": default_policy().model_dump(),
        }
        config = RouterConfig.model_validate(document)
        async with serving(Router(lambda: config)) as port:
            yield port, upstream
