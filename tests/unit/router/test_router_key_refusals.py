"""What becomes of keys that sellers refuse: empty accounts, spent limits, and what the client hears of it."""

import json

import pytest
from router_serving import CHAT, OK, answering, chat, routed, run

EMPTY_400 = b'{"type": "error", "error": {"message": "Your credit balance is too low to access"}}'
EMPTY_429 = b'{"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}'
TWO_KEYS = {"keys": ["env:FIRST", "env:SECOND"]}


@pytest.fixture(autouse=True)
def _secrets(monkeypatch):
    monkeypatch.setenv("FIRST", "sk-first-0123456789-secret")
    monkeypatch.setenv("SECOND", "sk-second-0123456789-secret")


def refusing(status, content, headers=b""):
    head = b"HTTP/1.1 %d No\r\nContent-Type: application/json\r\n%bContent-Length: %d\r\n\r\n"
    return answering(head % (status, headers, len(content)) + content)


@pytest.mark.parametrize(("status", "content"), [(400, EMPTY_400), (429, EMPTY_429)])
def test_given_an_account_without_money_when_its_keys_are_refused_then_each_is_tried_once_and_rests(
    status, content
):
    async def asking():
        async with routed(refusing(status, content), provider=TWO_KEYS) as (session, _, (upstream,)):
            for _ in range(2):
                failed, document = await chat(session)
                assert (failed, document["error"]["code"]) == (502, "upstream_failed")
                assert "nothing left" in document["error"]["message"]
            assert len(upstream.bodies) == 2, "one try a key"
            async with session.get("/api/keys") as answer:
                rows = (await answer.json())["data"]
            assert {row["reason"] for row in rows} == {"its account has nothing left"}
            assert all(800 < row["degraded_for_s"] <= 900 for row in rows)

    run(asking())


def test_given_keys_that_are_all_refused_when_asked_again_then_it_is_no_rate_limit_and_the_reason_is_told():
    async def asking():
        denied = refusing(401, b'{"error": {"message": "Incorrect API key"}}')
        async with routed(denied, provider=TWO_KEYS) as (session, *_):
            await chat(session)
            status, document = await chat(session)
            assert (status, document["error"]["code"]) == (502, "upstream_failed")
            assert "all its keys rest: it was refused with 401" in document["error"]["message"]

    run(asking())


def test_given_an_answer_that_says_nothing_is_left_when_asked_again_then_the_other_key_is_used():
    async def asking():
        spent = b"x-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: 6m0s\r\n"
        content = OK.partition(b"\r\n\r\n")[2]
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%bContent-Length: %d\r\n\r\n"
        told = answering(head % (spent, len(content)) + content)
        async with routed(told, provider=TWO_KEYS) as (session, _, (upstream,)):
            seen = [(await chat(session))[0] for _ in range(3)]
            assert seen == [200, 200, 429]
            used = {fields[b"Authorization"] for fields in upstream.heads}
            assert len(used) == 2
            async with session.post("/v1/chat/completions", json=CHAT) as answer:
                assert 300 < int(answer.headers["Retry-After"]) <= 361
                assert json.loads(await answer.read())["error"]["type"] == "rate_limit_error"

    run(asking())


def test_given_a_target_without_a_key_when_it_limits_then_the_client_hears_how_long():
    async def asking():
        limited = refusing(429, b'{"error": {"message": "slow"}}', b"retry-after: 20\r\n")
        async with (
            routed(limited) as (session, *_),
            session.post("/v1/chat/completions", json=CHAT) as answer,
        ):
            assert (answer.status, answer.headers["Retry-After"]) == (429, "21")

    run(asking())
