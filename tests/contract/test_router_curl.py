"""Plain curl against the router: chat, stream, tools, images, embeddings, errors, an ended curl."""

import asyncio
import json
import shutil

import pytest
from router_engines import IMAGE, TOOL, router_before_engines

CURL = shutil.which("curl")

pytestmark = pytest.mark.skipif(CURL is None, reason="curl is not installed")


async def started(port, path, body, *options):
    data = body if isinstance(body, str) else json.dumps(body)
    command = [
        "-sS",
        "-N",
        "-m",
        "10",
        "-H",
        "Content-Type: application/json",
        "--data-binary",
        "@-",
        *options,
    ]
    child = await asyncio.create_subprocess_exec(
        CURL,
        *command,
        f"http://127.0.0.1:{port}{path}",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    child.stdin.write(data.encode())
    child.stdin.close()
    return child


def curled(body, path="/v1/chat/completions"):
    """Status and body of one request."""

    async def asking():
        async with asyncio.timeout(20), router_before_engines() as (port, upstream):
            child = await started(port, path, body, "-w", "\n%{http_code}")
            out, _ = await child.communicate()
            content, _, status = out.decode().rpartition("\n")
            return int(status), content, upstream.bodies

    return asyncio.run(asking())


def asks(model="lab/engine", content="hi", **more):
    return {"model": model, "messages": [{"role": "user", "content": content}], **more}


@pytest.mark.parametrize(("model", "said"), [("lab/engine", "seen"), ("lab/claude", "Looking.")])
def test_given_curl_when_it_chats_then_the_answer_is_a_completion(model, said):
    status, content, _ = curled(asks(model))
    assert (status, json.loads(content)["choices"][0]["message"]["content"]) == (200, said)


@pytest.mark.parametrize(("model", "said"), [("lab/engine", "seen"), ("lab/claude", "Looking.")])
def test_given_curl_when_it_streams_then_events_end_with_done(model, said):
    status, content, _ = curled(asks(model, stream=True, max_tokens=50))
    *events, done = [event.removeprefix("data: ") for event in content.split("\n\n") if event]
    deltas = [choice["delta"] for event in events for choice in json.loads(event)["choices"]]
    assert (status, done) == (200, "[DONE]")
    assert "".join(delta.get("content") or "" for delta in deltas) == said


@pytest.mark.parametrize("model", ["lab/engine", "lab/claude"])
def test_given_curl_when_it_sends_tools_and_an_image_then_both_arrive_and_a_call_comes_back(model):
    status, content, bodies = curled(asks(model, [{"type": "text", "text": "?"}, IMAGE], tools=[TOOL]))
    [call] = json.loads(content)["choices"][0]["message"]["tool_calls"]
    assert (status, json.loads(call["function"]["arguments"])) == (200, {"city": "Bern"})
    assert [part["type"] for part in bodies[0]["messages"][0]["content"]] in (
        ["text", "image_url"],
        ["text", "image"],
    )


def test_given_curl_when_it_embeds_then_vectors_come():
    status, content, _ = curled({"model": "lab/engine", "input": ["a", "b"]}, "/v1/embeddings")
    assert (status, [row["embedding"] for row in json.loads(content)["data"]]) == (
        200,
        [[0.5, 0.0], [0.5, 1.0]],
    )


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("{", (400, "invalid_json")),
        (asks("lab/none"), (404, "model_not_found")),
        (asks("lab/broken"), (502, "upstream_failed")),
        (asks("lab/limited"), (429, "rate_limit_exceeded")),
        (asks("lab/text", [IMAGE]), (400, "unsupported_modality")),
    ],
)
def test_given_curl_when_something_is_wrong_then_the_error_has_the_openai_shape(body, error):
    status, content, _ = curled(body)
    told = json.loads(content)["error"]
    assert (status, told["code"]) == error
    assert set(told) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("model", ["lab/engine", "lab/claude"])
def test_given_curl_in_a_stream_when_it_is_ended_then_the_upstream_is_let_go(model):
    async def ending():
        async with asyncio.timeout(20), router_before_engines() as (port, upstream):
            child = await started(port, "/v1/chat/completions", asks(model, stream=True, max_tokens=9000))
            assert (await child.stdout.readline()).startswith(b"data: ")
            child.kill()
            await child.wait()
            await upstream.cancelled.wait()

    asyncio.run(ending())
