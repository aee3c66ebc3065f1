"""Usage of streams: asked for on the client's behalf, counted, and not shown to who did not ask."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from router_serving import CHAT, answering, routed, run

from modelscan_catalog.router.stream_usage import UsageFilter, with_usage

USAGE = b'data: {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5}}\n\n'
SEEN = [
    b'data: {"choices": [], "prompt_filter_results": [{}]}\n\n',
    b": still there\n\n",
    b'data: {"choices": [{"index": 0, "delta": {"content": "a[]\\n\\n"}}], "usage": null}\r\n\r\n',
    b'data: {"choices": [{"index": 0, "delta": {"tool_calls": []}, "finish_reason": "stop"}]}\n\n',
]
END = b"data: [DONE]\n\n"
EVENTS = [*SEEN, USAGE, END]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n"
REFUSAL = b'{"error": {"message": "stream_options: Extra inputs are not permitted", "code": null}}'


def streaming(events=EVENTS, headers=b""):
    async def behave(upstream, writer):
        writer.write(HEAD + headers + b"\r\n" + b"".join(events))
        await writer.drain()
        return False

    return behave


async def streamed(session, **more):
    async with session.post("/v1/chat/completions", json={**CHAT, "stream": True, **more}) as answer:
        return answer.status, await answer.read(), answer.headers


@given(st.lists(st.integers(0, len(b"".join(EVENTS))), max_size=8))
def test_given_a_stream_cut_anywhere_when_filtered_then_all_but_the_usage_is_passed_on(cuts):
    content, passing, at, out = b"".join(EVENTS), UsageFilter(), 0, b""
    for cut in [*sorted(cuts), len(content)]:
        piece = content[at:cut]
        whole = piece.endswith(b"\n\n") and b"[]" not in piece and not passing.held
        out += piece if whole else passing.feed(piece)
        at = cut
    assert out + passing.held == b"".join([*SEEN, END])


@given(st.binary(max_size=200))
def test_given_any_bytes_when_filtered_then_none_is_lost(content):
    passing = UsageFilter()
    assert passing.feed(content) + passing.held == content


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (b'{"stream": true }\n', {"include_usage": True}),
        (b'{"stream": true, "stream_options": null}', {"include_usage": True}),
        (
            b'{"stream": true, "stream_options": {"include_usage": false, "x": 1}}',
            {"include_usage": True, "x": 1},
        ),
    ],
)
def test_given_a_request_when_usage_is_asked_for_then_the_rest_of_it_is_kept(content, options):
    document = json.loads(content)
    asked = json.loads(with_usage(content, document, "m"))
    assert asked.pop("stream_options") == options
    assert asked["stream"] is True


def test_given_a_client_that_does_not_ask_when_streamed_then_its_tokens_are_counted_and_not_shown():
    async def asking():
        async with routed(streaming()) as (session, router, (upstream,)):
            _, content, _ = await streamed(session)
            assert content == b"".join([*SEEN, END])
            assert json.loads(upstream.bodies[0])["stream_options"] == {"include_usage": True}
            [row] = router.usage.totals(("model",))
            assert (row["prompt_tokens"], row["completion_tokens"]) == (7, 5)

    run(asking())


def test_given_a_client_that_asks_when_streamed_then_it_sees_every_byte():
    async def asking():
        async with routed(streaming()) as (session, _, (upstream,)):
            _, content, _ = await streamed(session, stream_options={"include_usage": True})
            assert content == b"".join(EVENTS)
            assert upstream.bodies[0].count(b"stream_options") == 1

    run(asking())


@pytest.mark.parametrize("status", [400, 422])
def test_given_a_target_that_refuses_the_field_when_streamed_then_it_is_asked_without_from_then_on(status):
    async def picky(upstream, writer):
        if b"stream_options" in upstream.bodies[-1]:
            writer.write(b"HTTP/1.1 %d No\r\nContent-Length: %d\r\n\r\n" % (status, len(REFUSAL)) + REFUSAL)
            await writer.drain()
            return True
        return await streaming([*SEEN, END])(upstream, writer)

    async def asking():
        async with routed(picky, provider={"key": "env:HOME"}) as (session, _, (upstream,)):
            for _ in range(2):
                assert (await streamed(session))[:2] == (200, b"".join([*SEEN, END]))
            assert [b"stream_options" in body for body in upstream.bodies] == [True, False, False]

    run(asking())


def test_given_the_id_that_an_upstream_knows_a_request_by_when_answered_then_the_client_has_it():
    async def asking():
        named = b"x-request-id: req_abc\r\n"
        refused = b"HTTP/1.1 422 No\r\n%bContent-Length: 20\r\n\r\n" % named + b'{"error":{"code":1}}'
        async with routed(streaming(headers=named)) as (session, *_):
            _, _, headers = await streamed(session)
            assert headers["x-request-id"] == "req_abc"
        async with (
            routed(answering(refused)) as (session, *_),
            session.post("/v1/chat/completions", json=CHAT) as answer,
        ):
            assert (answer.status, answer.headers["x-request-id"]) == (422, "req_abc")

    run(asking())
