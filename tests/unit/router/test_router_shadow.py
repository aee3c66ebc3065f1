"""Shadow and canary on real sockets: users notice nothing, and every arm is counted apart."""

import asyncio
import contextlib
import json
import time

import pytest
from router_serving import ANSWER, CHAT, answering, chat, routed, run

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.router.arms import arm_figures
from modelscan_catalog.router.splits import split_of
from modelscan_catalog.router.usage_table import read_usage

EVENTS = [b'data: {"choices": [{"delta": {"content": "a"}}]}\n\n'] * 3 + [
    b'data: {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5}}\n\n',
    b"data: [DONE]\n\n",
]
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + b"".join(EVENTS)
MODELS = [
    {
        "id": "m",
        "targets": [{"provider": "p0", "model": "old", "input_price": 1.0, "output_price": 1.0}],
    },
    {
        "id": "next",
        "targets": [{"provider": "p1", "model": "new", "input_price": 2.0, "output_price": 2.0}],
    },
]
FAIL = b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"


class Draw:
    """Every draw comes out low: each request is mirrored and, without a session, goes to the canary."""

    def random(self):
        return 0.0


@contextlib.asynccontextmanager
async def split(primary, other, tmp_path, *, canary=None, shadow=None, **policy):
    arms = split_of(canary and ("next", canary), shadow and ("next", shadow))
    usage = tmp_path / "usage.sqlite"
    extra = {"models": MODELS, "splits": {"m": arms.model_dump()}, "policy": policy}
    async with routed(primary, other, usage_path=usage, **extra) as (session, router, upstreams):
        router.table._draw = Draw()
        yield session, router, upstreams, usage


async def streaming(upstream, writer):
    writer.write(STREAM)
    return False


async def hanging(upstream, writer):
    await asyncio.sleep(3600)


async def quiet(router):
    """Wait until no copy is under way."""
    while router.mirror._tasks:
        await asyncio.sleep(0.01)


def figures(router, usage):
    router.usage.flush()
    return arm_figures(usage, "m", time.time() - 60, time.time() + 60)


def test_given_a_shadow_when_asked_then_it_sees_the_same_request_and_is_counted_apart(tmp_path):
    async def asking():
        async with split(answering(), answering(), tmp_path, shadow=0.05) as (session, router, ups, usage):
            status, answer = await chat(session)
            await quiet(router)
            arms = figures(router, usage)
            async with session.get("/api/stats", params={"model": "next"}) as stats:
                told = await stats.json()
            return status, answer, [json.loads(body) for up in ups for body in up.bodies], arms, told, usage

    status, answer, bodies, arms, told, usage = run(asking())
    assert (status, answer) == (200, json.loads(ANSWER))
    assert bodies == [{**CHAT, "model": "old"}, {**CHAT, "model": "new"}]
    assert {name: (a.models, a.requests, a.success_rate) for name, a in arms.items()} == {
        "primary": (("m",), 1, 1.0),
        "shadow": (("next",), 1, 1.0),
    }
    assert (arms["primary"].cost_usd, arms["shadow"].cost_usd) == (12e-6, 24e-6)
    assert 0 < arms["shadow"].p50_ms <= arms["shadow"].p95_ms
    assert told["models"] == []
    assert [(row["arm"], row["requests"]) for row in told["arms"]] == [("shadow", 1)]
    assert sorted((row.model, row.arm) for row in read_usage(usage)) == [("m", "primary"), ("next", "shadow")]


def test_given_a_stream_when_mirrored_then_the_client_gets_its_own_and_the_copy_is_read_to_its_end(tmp_path):
    async def asking():
        async with split(streaming, streaming, tmp_path, shadow=0.05) as served:
            session, router, ups, usage = served
            async with session.post("/v1/chat/completions", json={**CHAT, "stream": True}) as answer:
                content = await answer.read()
            await quiet(router)
            assert len(ups[1].bodies) == 1
            return content, figures(router, usage)

    content, arms = run(asking())
    assert content == b"".join(event for event in EVENTS if b'"usage"' not in event)
    assert (arms["shadow"].outcomes, arms["shadow"].completion_tokens) == ({"ok": 1}, 5)
    assert arms["shadow"].first_byte_p50_ms is not None


@pytest.mark.parametrize(
    ("behave", "outcome"),
    [
        (answering(FAIL), "status_500"),
        (answering(b"nonsense\r\n\r\n"), "connection"),
        (answering(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\noops"), "garbage"),
        (hanging, "timeout"),
    ],
)
def test_given_a_shadow_that_fails_when_asked_then_nobody_notices_but_its_own_figures(
    tmp_path, behave, outcome
):
    async def asking():
        slow = {"shadow_timeout_s": 0.3}
        async with split(answering(), behave, tmp_path, shadow=0.05, **slow) as (session, router, _, usage):
            begun = time.monotonic()
            for _ in range(5):
                assert (await chat(session))[0] == 200
            took_s = time.monotonic() - begun
            await quiet(router)
            assert router.state.health.resting() == {}
            return took_s, figures(router, usage)

    took_s, arms = run(asking())
    assert took_s < 0.3
    assert (arms["primary"].outcomes, arms["shadow"].outcomes) == ({"ok": 5}, {outcome: 5})
    assert (arms["shadow"].success_rate, arms["shadow"].cost_usd, arms["shadow"].p95_ms) == (0, None, None)


def test_given_a_slow_shadow_when_many_ask_then_copies_are_bounded_and_the_rest_left_out(tmp_path):
    async def asking():
        async with split(answering(), hanging, tmp_path, shadow=0.05, max_shadow_requests=3) as served:
            session, _, ups, _ = served
            for _ in range(10):
                assert (await chat(session))[0] == 200
            while len(ups[1].bodies) < 3:
                await asyncio.sleep(0.01)
            async with session.get("/api/splits") as answer:
                return len(ups[1].bodies), (await answer.json())["copies_not_sent"]

    begun = time.monotonic()
    assert run(asking()) == (3, 7)
    assert time.monotonic() - begun < 10


def test_given_a_canary_when_it_answers_or_fails_then_users_get_answers_and_the_arms_say_who_gave_them(
    tmp_path,
):
    async def asking(behave):
        path = tmp_path / behave.__qualname__
        async with split(answering(), behave, path, canary=1.0) as (session, router, _, usage):
            async with session.post("/v1/chat/completions", json=CHAT) as answer:
                assert answer.status == 200
                target = answer.headers["X-ModelScan-Target"]
            return target, {arm: f.outcomes for arm, f in figures(router, usage).items()}

    async def failing(upstream, writer):
        writer.write(FAIL)
        return True

    assert run(asking(answering())) == ("p1/new", {"canary": {"ok": 1}})
    assert run(asking(failing)) == ("p0/old", {"canary": {"status_500": 1}, "rescue": {"ok": 1}})


def test_given_a_decision_when_asked_for_then_the_arm_of_the_session_is_told(tmp_path):
    async def asking():
        asked = {"query": "hello", "model": "m"}
        async with (
            split(answering(), answering(), tmp_path, canary=1.0) as (session, *_),
            session.post("/route", json=asked) as answer,
        ):
            return await answer.json()

    told = run(asking())
    assert (told["target"], told["split"], told["arm"]) == ("p1/new", "m", "canary")


def test_given_a_window_when_figures_are_read_then_only_calls_within_it_count(tmp_path):
    async def asking():
        async with split(answering(), answering(), tmp_path, shadow=0.05) as (session, router, _, usage):
            await chat(session)
            await quiet(router)
            router.usage.flush()
            return usage

    usage, now = run(asking()), time.time()
    assert set(arm_figures(usage, "m", now - 30, now + 1)) == {"primary", "shadow"}
    assert arm_figures(usage, "m", now - 3600, now - 1800) == {}
    assert arm_figures(usage, "m", now + 60, now + 120) == {}
    assert arm_figures(usage, "next", now - 30, now + 1) == {}
    assert arm_figures(tmp_path / "none.sqlite", "m", 0, now) == {}


def test_given_another_file_when_figures_are_read_then_it_is_told(tmp_path):
    path = tmp_path / "usage.sqlite"
    path.write_bytes(b"something else" * 50)
    with pytest.raises(SettingsError, match="not the usage of a router"):
        arm_figures(path, "m", 0, 1)
