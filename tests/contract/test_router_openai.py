"""The OpenAI SDK, unmodified, against the router process with a real upstream behind it."""

import asyncio
import contextlib
import json

import openai
import pytest

from modelscan_catalog.errors import CheckFailedError
from modelscan_catalog.router.check import check_router, router_process
from modelscan_catalog.router.config import RouterConfig, config_bytes
from modelscan_catalog.router.emit import default_policy
from modelscan_catalog.router.local_upstream import PIECES, LocalUpstream

KEY = "sk-upstream-secret"
MESSAGES = [{"role": "user", "content": "hello"}]

MODELS = {
    "lab/echo": ["echo"],
    "lab/fallback": ["status-500", "echo"],
    "lab/limited": ["status-429"],
    "lab/broken": ["status-500"],
    "lab/cut": ["cut", "echo"],
    "lab/slow": ["slow"],
    "lab/picky": ["status-422"],
}


def configuration(base_url):
    return RouterConfig.model_validate(
        {
            "routing": {
                "direct": {
                    "providers": [
                        {"name": "local", "type": "local", "base_url": base_url, "key": "env:UPSTREAM_KEY"}
                    ]
                }
            },
            "models": [
                {
                    "id": name,
                    "aliases": [name.removeprefix("lab/")],
                    "targets": [
                        {"provider": "local", "model": model, "priority": rank}
                        for rank, model in enumerate(models)
                    ],
                }
                for name, models in MODELS.items()
            ],
            "policy": default_policy().model_dump(),
        }
    )


@contextlib.asynccontextmanager
async def client_of_a_router(tmp_path):
    upstream = LocalUpstream(key=KEY)
    async with upstream.running() as base_url:
        path = tmp_path / "router.json"
        path.write_bytes(config_bytes(configuration(base_url)))
        async with (
            router_process(path, {"UPSTREAM_KEY": KEY}) as url,
            openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0, timeout=20) as client,
        ):
            yield client, upstream


async def read_into(pieces, stream):
    async for chunk in stream:
        pieces.append(chunk.choices[0].delta.content)


def against_a_router(tmp_path, talk):
    async def talking():
        async with client_of_a_router(tmp_path) as (client, upstream):
            return await talk(client, upstream)

    return asyncio.run(asyncio.wait_for(talking(), 60))


@pytest.mark.parametrize("model", ["lab/echo", "echo", "local/echo", "lab/fallback"])
def test_given_any_name_of_a_model_when_the_sdk_chats_then_the_answer_comes(tmp_path, model):
    async def talk(client, _):
        answer = await client.chat.completions.create(model=model, messages=MESSAGES)
        return answer.choices[0].message.content, answer.usage.total_tokens

    assert against_a_router(tmp_path, talk) == ("hello", 2)


def test_given_every_parameter_of_a_chat_when_the_sdk_sends_it_then_the_upstream_gets_it(tmp_path):
    async def talk(client, upstream):
        await client.chat.completions.create(
            model="echo",
            messages=[
                {"role": "system", "content": "é 漢"},
                {"role": "user", "content": [{"type": "text", "text": "what is this"}]},
            ],
            temperature=0.5,
            max_tokens=7,
            tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
            extra_body={"top_k": 4},
        )
        return upstream.requests[0]

    sent = against_a_router(tmp_path, talk)
    assert (sent["model"], sent["temperature"], sent["max_tokens"], sent["top_k"]) == ("echo", 0.5, 7, 4)
    assert sent["messages"][0]["content"] == "é 漢"
    assert sent["tools"][0]["function"]["name"] == "f"


def test_given_a_stream_when_the_sdk_reads_it_then_every_piece_comes_in_order(tmp_path):
    async def talk(client, _):
        stream = await client.chat.completions.create(model="echo", messages=MESSAGES, stream=True)
        return [chunk.choices[0].delta.content async for chunk in stream]

    assert against_a_router(tmp_path, talk) == [*(f"hello{n}" for n in range(PIECES)), None]


def test_given_an_endless_stream_when_the_first_piece_is_read_then_nothing_was_held_back(tmp_path):
    async def talk(client, upstream):
        stream = await client.chat.completions.create(model="slow", messages=MESSAGES, stream=True)
        async for chunk in stream:
            first = chunk.choices[0].delta.content
            break
        await stream.close()
        await asyncio.wait_for(upstream.cancelled.wait(), 5)
        return first

    assert against_a_router(tmp_path, talk) == "hello0"


def test_given_a_break_in_the_stream_when_the_sdk_reads_on_then_it_raises_an_api_error(tmp_path):
    async def talk(client, upstream):
        stream = await client.chat.completions.create(model="cut", messages=MESSAGES, stream=True)
        pieces = []
        with pytest.raises(openai.APIError, match="stopped in the middle"):
            await read_into(pieces, stream)
        return pieces, [request["model"] for request in upstream.requests]

    assert against_a_router(tmp_path, talk) == (["hello0"], ["cut"])


@pytest.mark.parametrize(
    ("model", "error", "code"),
    [
        ("lab/none", openai.NotFoundError, "model_not_found"),
        ("lab/limited", openai.RateLimitError, "rate_limit_exceeded"),
        ("lab/broken", openai.InternalServerError, "upstream_failed"),
        ("lab/picky", openai.UnprocessableEntityError, "forced"),
    ],
)
def test_given_a_failure_when_the_sdk_chats_then_it_raises_its_own_error_class(tmp_path, model, error, code):
    async def talk(client, _):
        with pytest.raises(error) as raised:
            await client.chat.completions.create(model=model, messages=MESSAGES)
        return raised.value.code, str(raised.value)

    seen, message = against_a_router(tmp_path, talk)
    assert seen == code
    assert KEY not in message


def test_given_the_router_when_the_sdk_lists_models_then_all_usable_ones_are_there(tmp_path):
    async def talk(client, _):
        assert (await client.models.retrieve("lab/echo")).id == "lab/echo"
        with pytest.raises(openai.NotFoundError):
            await client.models.retrieve("lab/none")
        return [model.id async for model in client.models.list()]

    assert against_a_router(tmp_path, talk) == list(MODELS)


def test_given_a_configuration_when_the_router_is_checked_then_every_claim_holds():
    report = check_router(configuration("http://127.0.0.1:9/v1"))
    assert [check for check in report.checks if not check.passed] == []
    assert report.passed
    assert len(report.checks) == 10
    assert report.start_s < 10


def test_given_a_file_that_is_no_configuration_when_started_then_the_process_says_why(tmp_path):
    path = tmp_path / "router.json"
    path.write_text(json.dumps({"routing": {"direct": {"providers": []}}}))

    async def starting():
        async with router_process(path):
            pass

    with pytest.raises(CheckFailedError, match="policy: Field required"):
        asyncio.run(starting())
