"""The Anthropic SDK, unmodified, against targets of its own format and of OpenAI's."""

import asyncio
import contextlib

import anthropic
import pytest
from router_engines import router_before_engines

TOOLS = [
    {
        "name": "weather",
        "description": "now",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
    }
]
SOURCE = {"type": "base64", "media_type": "image/png", "data": "AA=="}
BOTH = pytest.mark.parametrize(("model", "said"), [("lab/engine", "seen"), ("lab/claude", "Looking.")])


@contextlib.asynccontextmanager
async def client_of_a_router():
    async with (
        router_before_engines() as (port, upstream),
        anthropic.AsyncAnthropic(
            base_url=f"http://127.0.0.1:{port}", api_key="any", max_retries=0, timeout=10
        ) as client,
    ):
        yield client, upstream


def asking(test):
    async def bounded():
        async with asyncio.timeout(20), client_of_a_router() as (client, upstream):
            await test(client, upstream)

    asyncio.run(bounded())


def asks(model, content="hello", **more):
    return {"model": model, "max_tokens": 50, "messages": [{"role": "user", "content": content}], **more}


@BOTH
def test_given_a_question_when_the_sdk_asks_then_text_and_usage_are_its_own_types(model, said):
    async def test(client, _):
        answer = await client.messages.create(**asks(model))
        assert (answer.content[0].text, answer.stop_reason) == (said, "end_turn")
        assert (answer.usage.output_tokens, answer.role) == (2, "assistant")

    asking(test)


@BOTH
def test_given_a_stream_when_the_sdk_reads_it_then_text_and_final_message_agree(model, said):
    async def test(client, _):
        async with client.messages.stream(**asks(model)) as stream:
            text = "".join([piece async for piece in stream.text_stream])
            final = await stream.get_final_message()
        assert (text, final.content[0].text, final.stop_reason) == (said, said, "end_turn")

    asking(test)


@BOTH
def test_given_tools_when_the_sdk_asks_or_streams_then_the_call_comes_back_parsed(model, said):
    async def test(client, _):
        answers = [await client.messages.create(**asks(model, tools=TOOLS))]
        async with client.messages.stream(**asks(model, tools=TOOLS)) as stream:
            answers.append(await stream.get_final_message())
        for answer in answers:
            [call] = [block for block in answer.content if block.type == "tool_use"]
            assert (call.name, call.input, answer.stop_reason) == ("weather", {"city": "Bern"}, "tool_use")

    asking(test)


@BOTH
def test_given_a_tools_result_when_the_sdk_sends_it_then_the_upstream_gets_it_in_its_format(model, said):
    async def test(client, upstream):
        turns = [
            {"role": "user", "content": "weather?"},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Bern"}}],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "sun"}]},
        ]
        await client.messages.create(model=model, max_tokens=50, messages=turns, system="be brief")
        sent = upstream.bodies[0]
        if model == "lab/claude":
            assert (sent["messages"], sent["system"]) == (turns, "be brief")
        else:
            assert [message["role"] for message in sent["messages"]] == [
                "system",
                "user",
                "assistant",
                "tool",
            ]
            assert sent["messages"][3] | {"content": "sun"} == sent["messages"][3]

    asking(test)


@BOTH
def test_given_an_image_when_the_sdk_asks_then_the_upstream_gets_it_in_its_format(model, said):
    async def test(client, upstream):
        content = [{"type": "text", "text": "what?"}, {"type": "image", "source": SOURCE}]
        await client.messages.create(**asks(model, content))
        part = upstream.bodies[0]["messages"][0]["content"][1]
        own = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
        assert part == (content[1] if model == "lab/claude" else own)

    asking(test)


@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("lab/none", anthropic.NotFoundError),
        ("lab/broken", anthropic.InternalServerError),
        ("lab/limited", anthropic.RateLimitError),
    ],
)
def test_given_a_failure_when_the_sdk_asks_then_it_raises_its_own_error_class(model, error):
    async def test(client, _):
        with pytest.raises(error) as raised:
            await client.messages.create(**asks(model))
        assert raised.value.body["type"] == "error"

    asking(test)


def test_given_a_break_in_the_stream_when_the_sdk_reads_on_then_it_raises_its_own_error():
    async def test(client, _):
        with pytest.raises(anthropic.APIError, match="stopped in the middle"):
            async with client.messages.stream(**asks("lab/cut")) as stream:
                async for _ in stream.text_stream:
                    pass

    asking(test)


@BOTH
def test_given_an_endless_stream_when_the_sdk_leaves_then_the_upstream_is_let_go(model, said):
    async def test(client, upstream):
        async with client.messages.stream(**asks(model) | {"max_tokens": 9000}) as stream:
            async for _ in stream.text_stream:
                break
        await asyncio.wait_for(upstream.cancelled.wait(), 5)

    asking(test)


def test_given_beta_features_when_the_sdk_names_them_then_a_target_of_its_format_hears_of_them():
    async def test(client, upstream):
        await client.beta.messages.create(**asks("lab/claude"), betas=["files-api-2025-04-14"])
        assert upstream.headers[-1]["anthropic-beta"] == "files-api-2025-04-14"
        await client.beta.messages.create(**asks("lab/engine"), betas=["files-api-2025-04-14"])
        assert "anthropic-beta" not in upstream.headers[-1]

    asking(test)


@BOTH
def test_given_thinking_when_the_sdk_asks_for_it_then_every_target_answers(model, said):
    async def test(client, _):
        thinking = {"type": "enabled", "budget_tokens": 1024}
        answer = await client.messages.create(**asks(model), thinking=thinking)
        assert answer.content[-1].text == said

    asking(test)


def test_given_the_router_when_the_sdk_lists_and_looks_up_models_then_they_are_its_own_type():
    async def test(client, _):
        names = [model.id async for model in client.models.list()]
        assert "lab/claude" in names
        assert (await client.models.retrieve("lab/claude")).type == "model"

    asking(test)


def test_given_thoughts_of_another_target_when_sent_on_to_claude_then_only_signed_ones_go_along():
    async def test(client, upstream):
        thoughts = [
            {"type": "thinking", "thinking": "by another", "signature": ""},
            {"type": "thinking", "thinking": "its own", "signature": "s1"},
            {"type": "text", "text": "hm"},
        ]
        messages = [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": thoughts},
            {"role": "user", "content": "b"},
        ]
        await client.messages.create(model="lab/claude", max_tokens=50, messages=messages)
        sent = upstream.bodies[-1]
        assert sent["messages"][1]["content"] == thoughts[1:]
        assert (sent["messages"][2], sent["model"]) == (messages[2], "c")

    asking(test)
