"""Decisions, classes, budgets, other endpoints and statistics of a served router."""

import asyncio
import json

import pytest
from router_serving import ANSWER, CHAT, OK, answering, chat, routed, run

PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
PRICES = {"input_price": 1.0, "output_price": 2.0, "cached_input_price": 0.5}


def asks(content):
    return {"model": "m", "messages": [{"role": "user", "content": content}]}


async def hangs(upstream, writer):
    await asyncio.sleep(30)
    return False


def several(**models):
    """Models by name, each with one target on the first provider."""
    return {
        "models": [
            {"id": name, "targets": [{"provider": "p0", "model": name, **fields.pop("target", {})}], **fields}
            for name, fields in models.items()
        ]
    }


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/completions", {"model": "m", "prompt": "once"}),
        ("/v1/embeddings", {"model": "m", "input": ["a", "b"]}),
    ],
)
def test_given_another_endpoint_when_asked_then_the_body_is_carried_with_the_targets_model(path, body):
    async def asking():
        async with routed(answering()) as (session, _, [up]):
            assert (await chat(session, body, path))[0] == 200
            assert json.loads(up.bodies[0]) == {**body, "model": "x"}
            status, document = await chat(session, {"model": "m"}, path)
            assert (status, document["error"]["code"]) == (400, "invalid_request")

    run(asking())


def test_given_auto_when_asked_then_class_and_weights_choose_and_the_reasons_are_told():
    models = several(
        cheap={"target": {"input_price": 0.1, "output_price": 0.1}, "quality": 0.2},
        good={"target": {"input_price": 9.0, "output_price": 9.0}, "quality": 0.9},
        eyes={"target": PRICES, "quality": 0.1, "input": ["text", "image"]},
    )

    async def asking():
        async with routed(answering(), **models) as (session, _, [up]):
            decisions = {}
            for query in ("What is the capital of Peru?", "Debug this Python traceback"):
                status, decision = await chat(session, {"query": query}, "/route")
                assert status == 200
                decisions[decision["class"]] = decision
            assert decisions["simple"]["model"] == "cheap"
            assert decisions["technical"]["model"] == "good"
            assert decisions["technical"]["reasons"] == [
                "technical: debug",
                "technical: python",
                "technical: traceback",
            ]
            assert decisions["technical"]["deadline_s"] == 7
            assert decisions["technical"]["estimated_cost_usd"] > 0
            assert decisions["technical"]["estimated_first_byte_ms"] is None
            assert (await chat(session, {**asks([PICTURE]), "model": "auto"}))[0] == 200
            assert json.loads(up.bodies[-1])["model"] == "eyes"
            _, again = await chat(session, {"query": "hi", "model": "eyes"}, "/route")
            assert again["estimated_first_byte_ms"] > 0

    run(asking())


def test_given_a_configured_chain_when_auto_is_asked_then_it_replaces_the_weights():
    models = several(a={"target": PRICES}, b={}) | {"chains": {"simple": ["b", "a"]}}

    async def asking():
        async with routed(answering(), **models) as (session, _, _):
            _, decision = await chat(session, {"query": "hello"}, "/route")
            assert (decision["target"], decision["fallbacks"]) == ("p0/b", ["p0/a"])
            _, decision = await chat(session, {"query": "hello", "model": "auto:technical"}, "/route")
            assert (decision["class"], decision["model"]) == ("technical", "a")
            status, document = await chat(session, {"query": "hello", "model": "auto:art"}, "/route")
            assert (status, document["error"]["code"]) == (404, "model_not_found")

    run(asking())


def test_given_a_deadline_when_the_first_target_hangs_then_half_of_it_is_left_for_the_next():
    models = {
        "models": [
            {
                "id": "a",
                "targets": [
                    {"provider": "p0", "model": "x"},
                    {"provider": "p1", "model": "x", "priority": 1},
                ],
            }
        ],
        "policy": {
            "classes": {
                name: {"deadline_s": 0.6, "weights": {"quality": 1, "price": 1, "latency": 1}}
                for name in ("simple", "technical", "research", "multimedia")
            }
        },
    }

    async def asking():
        async with routed(hangs, answering(), **models) as (session, _, _):
            started = asyncio.get_running_loop().time()
            assert (await chat(session, {**CHAT, "model": "auto"}))[0] == 200
            assert 0.3 <= asyncio.get_running_loop().time() - started < 0.6
        async with routed(hangs, hangs, **models) as (session, _, _):
            started = asyncio.get_running_loop().time()
            status, document = await chat(session, {**CHAT, "model": "auto"})
            assert (status, document["error"]["code"]) == (504, "upstream_failed")
            assert asyncio.get_running_loop().time() - started < 1.0

    run(asking())


def test_given_a_refiner_that_is_slow_when_asked_then_the_bypass_is_reported_within_the_budget():
    async def asking():
        async with routed(hangs, refiners=["m"]) as (session, _, _):
            started = asyncio.get_running_loop().time()
            async with session.post("/v1/chat/completions", json={**CHAT, "model": "auto:refine"}) as answer:
                assert answer.status == 504
                assert answer.headers["X-ModelScan-Refinement"] == "bypass"
                assert (await answer.json())["error"]["code"] == "refinement_bypass"
            assert 0.4 < asyncio.get_running_loop().time() - started < 0.8
        async with routed(answering(), refiners=["m"]) as (session, _, [up]):
            assert (await chat(session, {**CHAT, "model": "auto:refine", "max_tokens": 9000}))[0] == 200
            assert json.loads(up.bodies[0])["max_tokens"] == 256
            _, decision = await chat(session, {"query": "x", "refinement_type": "fast"}, "/route/refinement")
            assert (decision["model"], decision["bypass"], decision["deadline_s"]) == ("m", False, 0.5)
            status, _ = await chat(session, {"query": "x", "refinement_type": "best"}, "/route/refinement")
            assert status == 400
        async with routed(answering()) as (session, _, _):
            _, decision = await chat(session, {"query": "x"}, "/route/refinement")
            assert decision["bypass"] is True

    run(asking())


def test_given_an_image_when_a_text_model_is_named_then_it_is_refused_or_its_fallback_answers():
    models = several(
        blind={"input": ["text"], "fallbacks": ["eyes"]},
        eyes={"input": ["text", "image"]},
        alone={"input": ["text"]},
    )

    async def asking():
        async with routed(answering(), **models) as (session, _, [up]):
            assert (await chat(session, {**asks([PICTURE]), "model": "blind"}))[0] == 200
            assert json.loads(up.bodies[0])["model"] == "eyes"
            status, document = await chat(session, {**asks([PICTURE]), "model": "alone"})
            assert (status, document["error"]["code"]) == (400, "unsupported_modality")

    run(asking())


def test_given_a_prompt_beyond_a_context_when_asked_then_the_larger_model_is_tried_first():
    models = several(small={"context": 100, "fallbacks": ["large"]}, large={"context": 100_000})

    async def asking():
        async with routed(answering(), **models) as (session, _, [up]):
            for content in ("short", "long " * 500):
                await chat(session, {**asks(content), "model": "small"})
            assert [json.loads(body)["model"] for body in up.bodies] == ["small", "large"]

    run(asking())


def test_given_a_large_image_when_a_context_is_weighed_then_only_the_text_counts():
    models = several(
        small={"context": 1000, "input": ["text", "image"], "fallbacks": ["large"]},
        large={"context": 10**6, "input": ["text", "image"]},
    )
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}

    async def asking():
        async with routed(answering(), **models) as (session, _, [up]):
            for text in ("what?", "what? " * 1000):
                await chat(session, {**asks([picture, {"type": "text", "text": text}]), "model": "small"})
            assert [json.loads(body)["model"] for body in up.bodies] == ["small", "large"]

    run(asking())


@pytest.mark.parametrize(
    ("limit", "status"), [("1", 200), ("0.0000001", 400), ("cheap", 400), ("-1", 400), ("inf", 400)]
)
def test_given_a_most_cost_when_asked_then_only_targets_known_to_keep_it_are_called(limit, status):
    async def asking():
        async with routed(answering(), target=PRICES) as (session, _, [up]):
            got, _ = await chat(session, headers={"X-ModelScan-Max-Cost": limit})
            assert (got, len(up.bodies)) == (status, int(status == 200))

    run(asking())


def test_given_a_session_when_asked_often_then_it_stays_with_one_target_and_sessions_spread():
    async def asking():
        async with routed(answering(), answering(), target={"priority": 0}) as (session, _, ups):
            for name in range(20):
                before = [len(up.bodies) for up in ups]
                for _ in range(3):
                    await chat(session, headers={"X-Session-Id": f"s{name}"})
                after = [len(up.bodies) - was for up, was in zip(ups, before, strict=True)]
                assert sorted(after) == [0, 3]
            assert all(len(up.bodies) >= 9 for up in ups)

    run(asking())


def test_given_calls_when_asked_for_them_then_stats_hold_tokens_costs_and_classes():
    counted = ANSWER.replace(
        b'"completion_tokens": 5', b'"completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}'
    )
    answer = OK.replace(b"%d" % len(ANSWER), b"%d" % len(counted)).replace(ANSWER, counted)

    async def asking():
        async with routed(answering(answer), target=PRICES) as (session, _, _):
            for _ in range(3):
                await chat(session)
            async with session.get("/api/stats?model=m") as given:
                stats = await given.json()
            [model] = stats["models"]
            assert model["requests"] == 3
            assert (model["prompt_tokens"], model["cached_tokens"], model["completion_tokens"]) == (
                21,
                12,
                15,
            )
            assert model["cost_usd"] == pytest.approx(3 * (3 * 1.0 + 4 * 0.5 + 5 * 2.0) / 1e6)
            assert model["first_byte_p50_ms"] > 0
            assert [row["class"] for row in stats["classes"]] == ["simple"]
            assert "hello" not in json.dumps(stats)

    run(asking())


def test_given_tiers_when_a_prompt_is_long_then_the_whole_request_costs_the_tier():
    tier = {"above_tokens": 6, "input_price": 10.0, "output_price": 20.0}

    async def asking():
        async with routed(answering(), target={**PRICES, "tiers": [tier]}) as (session, _, _):
            await chat(session)
            async with session.get("/api/stats") as given:
                [model] = (await given.json())["models"]
            assert model["cost_usd"] == pytest.approx((7 * 10 + 5 * 20) / 1e6)

    run(asking())


def test_given_a_query_when_classified_then_class_version_and_reasons_are_told():
    async def asking():
        async with routed(answering()) as (session, _, _):
            async with session.get("/classify", params={"query": "Write a SQL query"}) as given:
                found = await given.json()
            assert (found["class"], found["reasons"]) == ("technical", ["technical: query", "technical: sql"])
            assert found["version"] == "1.1.0"
            assert (await chat(session, asks([PICTURE]), "/classify"))[1]["class"] == "multimedia"
            async with session.get("/classify") as given:
                assert given.status == 400

    run(asking())


def test_given_an_anthropic_target_when_asked_then_the_request_is_translated_and_the_key_has_its_header(
    monkeypatch,
):
    monkeypatch.setenv("K", "sk-ant-secret")
    message = {
        "id": "msg",
        "model": "c",
        "content": [{"type": "text", "text": "hi"}],
        "stop_reason": "end_turn",
    }
    content = json.dumps({**message, "usage": {"input_tokens": 3, "output_tokens": 2}}).encode()
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"

    async def asking():
        changes = {"provider": {"format": "anthropic", "key": "env:K"}, "target": PRICES}
        async with routed(answering(answer % (len(content), content)), **changes) as (session, _, [up]):
            status, document = await chat(session)
            assert (status, document["choices"][0]["message"]["content"]) == (200, "hi")
            assert document["usage"]["total_tokens"] == 5
            assert up.heads[0][b"x-api-key"] == b"sk-ant-secret"
            assert b"Authorization" not in up.heads[0]
            assert up.heads[0][b"anthropic-version"] == b"2023-06-01"
            assert json.loads(up.bodies[0])["messages"] == [
                {"role": "user", "content": [{"type": "text", "text": "hello"}]}
            ]
            status, document = await chat(session, {**CHAT, "n": 3})
            assert (status, document["error"]["code"]) == (400, "unsupported_by_target")
            assert "n must be 1" in document["error"]["message"]
            assert (await chat(session, {"model": "m", "input": "x"}, "/v1/embeddings"))[0] == 503

    run(asking())


@pytest.mark.parametrize(
    ("path", "said", "heard"),
    [
        ("/v1/messages", {"anthropic-version": "2026-10-21"}, b"2026-10-21"),
        ("/v1/messages", {}, b"2023-06-01"),
        ("/v1/chat/completions", {"anthropic-version": "2026-10-21"}, b"2023-06-01"),
    ],
)
def test_given_a_version_of_the_format_when_the_body_passes_as_it_is_then_the_target_hears_the_clients(
    path, said, heard
):
    message = b'{"content": [{"type": "text", "text": "hi"}], "usage": {"input_tokens": 3}}'
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"

    async def asking():
        changes = {"provider": {"format": "anthropic"}}
        async with routed(answering(answer % (len(message), message)), **changes) as (session, _, [up]):
            assert (await chat(session, {**CHAT, "max_tokens": 9}, path, said))[0] == 200
            assert up.heads[0][b"anthropic-version"] == heard

    run(asking())


def test_given_no_model_when_asked_then_the_default_is_named_and_nothing_else_in_the_body_is_touched():
    tool = {"type": "function", "function": {"name": "car", "parameters": {"model": "string"}}}

    async def asking():
        async with routed(answering(), default_model="m") as (session, _, [up]):
            body = {"messages": CHAT["messages"], "tools": [tool]}
            assert (await chat(session, body))[0] == 200
            assert json.loads(up.bodies[0]) == {**body, "model": "x"}

    run(asking())


def test_given_probes_when_a_local_engine_dies_and_returns_then_it_is_passed_over_and_used_again():
    broken = b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"
    answers = [broken]

    async def behave(upstream, writer):
        writer.write(answers[0])
        return True

    async def asking():
        policy = {"probe_interval_s": 0.05, "failures_before_cooldown": 2, "cooldown_s": 60}
        async with routed(behave, policy=policy) as (_, router, [up]):
            await asyncio.sleep(0.4)
            assert list(router.state.health.resting()) == ["p0/x"]
            answers[0] = OK
            await asyncio.sleep(0.3)
            assert router.state.health.resting() == {}
            assert all(b"Authorization" not in head for head in up.heads)

    run(asking())


def test_given_auto_when_texts_are_to_be_embedded_then_it_is_refused_as_no_model_that_chats_does_that():
    async def asking():
        async with routed(answering()) as (session, _, (upstream,)):
            body = {"model": "auto", "input": "x"}
            status, document = await chat(session, body, path="/v1/embeddings")
            assert (status, document["error"]["code"]) == (400, "invalid_request")
            assert upstream.bodies == []

    run(asking())
