"""How often a client may ask: buckets as arithmetic, and 429 with Retry-After on real sockets."""

import math

from hypothesis import given
from hypothesis import strategies as st
from router_serving import CHAT, answering, chat, routed, run

from modelscan_catalog.router import limits
from modelscan_catalog.router.config import ClientLimits
from modelscan_catalog.router.limits import TokenBuckets


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def buckets(clock, **fields):
    return TokenBuckets(ClientLimits(**fields), clock)


def test_given_a_burst_when_it_is_used_up_then_the_wait_is_told_and_each_client_has_its_own():
    clock = Clock()
    bucket = buckets(clock, requests_per_minute=60, burst=3)
    assert [bucket.take("a") for _ in range(4)] == [0, 0, 0, 1.0]
    assert bucket.take("b") == 0
    clock.now += 1
    assert [bucket.take("a"), bucket.take("a")] == [0, 1.0]


def test_given_no_burst_when_a_client_is_silent_for_a_minute_then_it_has_a_minutes_requests():
    clock = Clock()
    bucket = buckets(clock, requests_per_minute=10)
    assert sum(bucket.take("a") == 0 for _ in range(50)) == 10
    clock.now += 3600
    assert sum(bucket.take("a") == 0 for _ in range(50)) == 10


@given(
    st.integers(1, 600),
    st.integers(1, 50),
    st.lists(st.floats(0, 5), min_size=1, max_size=200),
)
def test_given_any_arrivals_when_counted_then_no_span_lets_more_through_than_rate_and_burst(
    rate, burst, gaps
):
    clock = Clock()
    bucket = buckets(clock, requests_per_minute=rate, burst=burst)
    taken = []
    for gap in gaps:
        clock.now += gap
        wait_s = bucket.take("a")
        if wait_s == 0:
            taken.append(clock.now)
        else:
            assert 0 < wait_s <= 60 / rate + 1e-6
    for first, begin in enumerate(taken):
        span_s = taken[-1] - begin
        assert len(taken) - first <= burst + math.ceil(span_s * rate / 60 + 1e-6)


def test_given_more_clients_than_are_remembered_when_they_ask_then_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(limits, "_MAX_CLIENTS", 10)
    clock = Clock()
    bucket = buckets(clock, requests_per_minute=1)
    for number in range(100):
        assert bucket.take(f"c{number}") == 0
        assert len(bucket._full_at) <= 10
    assert bucket.take("c99") > 0


def test_given_a_limit_when_a_client_asks_too_often_then_it_is_429_with_a_time_to_wait():
    async def asking():
        policy = {"client_limits": {"requests_per_minute": 6, "burst": 2}}
        async with routed(answering(), policy=policy) as (session, _, [up]):
            assert [(await chat(session))[0] for _ in range(2)] == [200, 200]
            async with session.post("/v1/chat/completions", json=CHAT) as answer:
                error = (await answer.json())["error"]
                assert (answer.status, error["code"], error["type"]) == (
                    429,
                    "rate_limit_exceeded",
                    "rate_limit_error",
                )
                assert 1 <= int(answer.headers["Retry-After"]) <= 10
            async with session.post("/v1/messages", json={**CHAT, "max_tokens": 9}) as answer:
                document = await answer.json()
                assert (answer.status, document["type"]) == (429, "error")
                assert document["error"]["type"] == "rate_limit_error"
            for path in ("/health", "/metrics", "/v1/models", "/api/stats"):
                async with session.get(path) as answer:
                    assert answer.status == 200
            assert len(up.bodies) == 2

    run(asking())


def test_given_no_limit_when_a_client_asks_often_then_all_is_answered():
    async def asking():
        async with routed(answering()) as (session, router, _):
            assert router._buckets is None
            assert {(await chat(session))[0] for _ in range(50)} == {200}

    run(asking())
