"""The OpenAI SDK and curl, unmodified: tools, images, embeddings, completions, Anthropic targets."""

import asyncio
import contextlib
import json
import shutil
import subprocess

import openai
import pytest
from aiohttp import web

from modelscan_catalog.router.app import Router
from modelscan_catalog.router.config import RouterConfig
from modelscan_catalog.router.emit import default_policy
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
async def client_of_a_router():
    upstream = Upstream()
    async with upstream.running() as base_url:
        providers = [
            {"name": "engine", "type": "local", "base_url": base_url},
            {"name": "claude", "type": "local", "base_url": base_url, "format": "anthropic"},
        ]
        models = [
            {
                "id": "lab/engine",
                "input": ["text", "image"],
                "targets": [{"provider": "engine", "model": "e"}],
            },
            {
                "id": "lab/claude",
                "input": ["text", "image"],
                "targets": [{"provider": "claude", "model": "c"}],
            },
            {"id": "lab/text", "input": ["text"], "targets": [{"provider": "engine", "model": "t"}]},
        ]
        config = RouterConfig.model_validate(
            {
                "routing": {"direct": {"providers": providers}},
                "models": models,
                "policy": default_policy().model_dump(),
            }
        )
        async with (
            serving(Router(lambda: config)) as port,
            openai.AsyncOpenAI(
                base_url=f"http://127.0.0.1:{port}/v1", api_key="any", max_retries=0, timeout=10
            ) as client,
        ):
            yield client, upstream


def asking(test):
    async def bounded():
        async with asyncio.timeout(20), client_of_a_router() as (client, upstream):
            await test(client, upstream)

    asyncio.run(bounded())


@pytest.mark.parametrize("model", ["lab/engine", "lab/claude"])
def test_given_a_tool_when_the_sdk_asks_then_its_call_comes_back_parsed(model):
    async def test(client, upstream):
        answer = await client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "weather?"}], tools=[TOOL], max_tokens=50
        )
        [call] = answer.choices[0].message.tool_calls
        assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Bern"})
        assert answer.choices[0].finish_reason == "tool_calls"
        assert answer.usage.total_tokens == 6

    asking(test)


def test_given_an_anthropic_target_when_the_sdk_streams_then_text_tools_and_usage_arrive():
    async def test(client, upstream):
        stream = await client.chat.completions.create(
            model="lab/claude",
            messages=[{"role": "user", "content": "weather?"}],
            tools=[TOOL],
            max_tokens=50,
            stream=True,
            stream_options={"include_usage": True},
        )
        text, arguments, usage, reason = "", "", None, None
        async for chunk in stream:
            usage = chunk.usage or usage
            for choice in chunk.choices:
                reason = choice.finish_reason or reason
                text += choice.delta.content or ""
                arguments += "".join(call.function.arguments for call in choice.delta.tool_calls or [])
        assert (text, json.loads(arguments), reason) == ("Looking.", {"city": "Bern"}, "tool_calls")
        assert (usage.prompt_tokens, usage.completion_tokens) == (4, 9)

    asking(test)


def test_given_an_anthropic_stream_when_the_sdk_leaves_then_the_upstream_is_let_go():
    async def test(client, upstream):
        stream = await client.chat.completions.create(
            model="lab/claude", messages=[{"role": "user", "content": "x"}], max_tokens=9000, stream=True
        )
        async for _ in stream:
            break
        await stream.close()
        await asyncio.wait_for(upstream.cancelled.wait(), 5)

    asking(test)


@pytest.mark.parametrize("model", ["lab/engine", "lab/claude"])
def test_given_an_image_when_the_sdk_asks_then_the_upstream_gets_it_in_its_format(model):
    async def test(client, upstream):
        content = [{"type": "text", "text": "what?"}, IMAGE]
        await client.chat.completions.create(model=model, messages=[{"role": "user", "content": content}])
        part = upstream.bodies[0]["messages"][0]["content"][1]
        source = {"type": "base64", "media_type": "image/png", "data": "AA=="}
        assert part == (IMAGE if model == "lab/engine" else {"type": "image", "source": source})
        with pytest.raises(openai.BadRequestError, match="cannot read image"):
            await client.chat.completions.create(
                model="lab/text", messages=[{"role": "user", "content": content}]
            )

    asking(test)


def test_given_texts_when_the_sdk_embeds_and_completes_then_the_answers_are_parsed():
    async def test(client, upstream):
        found = await client.embeddings.create(model="lab/engine", input=["a", "b"], encoding_format="float")
        assert [row.embedding for row in found.data] == [[0.5, 0.0], [0.5, 1.0]]
        text = await client.completions.create(model="lab/engine", prompt="Once")
        assert text.choices[0].text == "Once upon a time"
        assert [body["model"] for body in upstream.bodies] == ["e", "e"]

    asking(test)


def test_given_curl_when_it_asks_then_it_gets_an_answer_and_an_error_in_shape():
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed")

    async def test(client, upstream):
        url = f"{client.base_url}chat/completions"
        for data, status in (
            ('{"model": "lab/engine", "messages": [{"role": "user", "content": "x"}]}', "200"),
            ("{", "400"),
        ):
            command = [
                curl,
                "-s",
                "-w",
                "\n%{http_code}",
                "-H",
                "Content-Type: application/json",
                "-d",
                data,
                url,
            ]
            done = await asyncio.to_thread(
                subprocess.run, command, capture_output=True, text=True, timeout=10
            )
            body, _, code = done.stdout.rpartition("\n")
            assert code == status
            assert ("choices" in json.loads(body)) is (status == "200")

    asking(test)
