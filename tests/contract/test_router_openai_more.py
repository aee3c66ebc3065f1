"""The OpenAI SDK, unmodified: tools, images, embeddings, completions, Anthropic targets."""

import asyncio
import contextlib
import json

import openai
import pytest
from router_engines import IMAGE, TOOL, router_before_engines


@contextlib.asynccontextmanager
async def client_of_a_router():
    async with (
        router_before_engines() as (port, upstream),
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


@pytest.mark.parametrize(
    ("model", "said", "tokens"), [("lab/claude", "Looking.", (4, 9)), ("lab/engine", "", (4, 2))]
)
def test_given_tools_when_the_sdk_streams_then_text_calls_and_usage_arrive(model, said, tokens):
    async def test(client, upstream):
        stream = await client.chat.completions.create(
            model=model,
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
        assert (text, json.loads(arguments), reason) == (said, {"city": "Bern"}, "tool_calls")
        assert (usage.prompt_tokens, usage.completion_tokens) == tokens

    asking(test)


@pytest.mark.parametrize("model", ["lab/claude", "lab/engine"])
def test_given_a_stream_when_the_sdk_leaves_then_the_upstream_is_let_go(model):
    async def test(client, upstream):
        stream = await client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "x"}], max_tokens=9000, stream=True
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
