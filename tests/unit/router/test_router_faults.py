"""Faults with real sockets: of upstreams, clients, disks, clocks and configurations, and what stays right."""

import asyncio
import contextlib
import gzip
import json
import resource

import aiohttp
import pytest
from router_serving import ANSWER, CHAT, OK, RawUpstream, answering, chat, configuration, routed, run

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.router.app import Router
from modelscan_catalog.router.server import serving
from modelscan_catalog.router.usage import Record

STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


async def drips(upstream, writer):
    """A byte of the head each 50 ms: never silent, never done."""
    for byte in OK[:40]:
        writer.write(bytes([byte]))
        await asyncio.sleep(0.05)
    return False


async def resets(upstream, writer):
    writer.write(OK[:-10])
    await writer.drain()
    await asyncio.sleep(0.02)
    writer.transport.abort()
    return False


async def closes_unasked(upstream, writer):
    return False


@pytest.mark.parametrize(
    "fault",
    [
        drips,
        closes_unasked,
        answering(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
        answering(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n"),
        answering(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
        answering(b"HTTP/1.1 500 Oops\r\nContent-Length: 3\r\n\r\nbad"),
        answering(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"),
    ],
    ids=["drips", "closes", "other protocol", "endless header", "switches", "500", "redirects"],
)
def test_given_an_upstream_at_fault_before_its_answer_when_asked_then_the_next_one_answers(fault):
    async def asking():
        async with routed(fault, answering(), policy={"first_byte_timeout_s": 0.3}) as (
            session,
            _,
            upstreams,
        ):
            assert await chat(session) == (200, json.loads(ANSWER))
            assert [len(upstream.bodies) for upstream in upstreams][1] == 1

    run(asking())


EMPTY = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 0\r\n\r\n"
BEGINS_WITH_ERROR = STREAM_HEAD + b'1e\r\ndata: {"error": {"code": 500}}\n\n\r\n0\r\n\r\n'


@pytest.mark.parametrize(
    "fault",
    [resets, answering(OK.replace(b"{", b"<", 1)), answering(EMPTY), answering(BEGINS_WITH_ERROR)],
    ids=["reset", "not JSON", "empty", "error at once"],
)
def test_given_an_answer_that_fails_before_the_client_has_a_byte_when_asked_then_the_next_target_answers(
    fault,
):
    async def asking():
        async with routed(fault, answering()) as (session, router, upstreams):
            for _ in range(4):
                assert await chat(session) == (200, json.loads(ANSWER))
            assert len(upstreams[0].bodies) == 3, "it rests after three failures in a row"
            assert list(router.state.health.resting()) == ["p0/x"]

    run(asking())


@pytest.mark.parametrize("fault", [resets, answering(OK.replace(b"{", b"<", 1))], ids=["reset", "not JSON"])
def test_given_a_broken_answer_of_the_only_target_when_asked_then_the_error_says_so(fault):
    async def asking():
        async with routed(fault) as (session, *_):
            status, document = await chat(session)
            assert (status, document["error"]["code"]) == (502, "upstream_failed")
            assert "p0/x" in document["error"]["message"]

    run(asking())


def test_given_a_kept_connection_that_the_upstream_closed_when_asked_again_then_a_fresh_one_is_used():
    async def once_a_connection(upstream, writer):
        writer.write(OK)
        await writer.drain()
        return False

    async def asking():
        async with routed(once_a_connection) as (session, _, [upstream]):
            assert [(await chat(session))[0] for _ in range(5)] == [200] * 5
            assert upstream.connections == 5

    run(asking())


def test_given_a_500_storm_when_it_lasts_then_the_target_rests_and_comes_back_healthy():
    broken = b"HTTP/1.1 500 Oops\r\nContent-Length: 3\r\n\r\nbad"
    answers = [broken]

    async def behave(upstream, writer):
        writer.write(answers[0])
        return True

    async def asking():
        policy = {"failures_before_cooldown": 3, "cooldown_s": 0.2}
        async with routed(behave, answering(), policy=policy) as (session, router, [stormy, calm]):
            for _ in range(10):
                assert (await chat(session))[0] == 200
            assert (len(stormy.bodies), len(calm.bodies)) == (3, 10)
            assert list(router.state.health.resting()) == ["p0/x"]
            answers[0] = OK
            await asyncio.sleep(0.25)
            for _ in range(3):
                await chat(session)
            assert (len(stormy.bodies), len(calm.bodies)) == (6, 10)

    run(asking())


def test_given_all_keys_cooling_when_asked_then_429_says_when_and_no_upstream_is_called(monkeypatch):
    monkeypatch.setenv("K1", "sk-first-secret-key")
    monkeypatch.setenv("K2", "sk-second-secret-key")
    limited = b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"

    async def asking():
        async with routed(answering(limited), provider={"keys": ["env:K1", "env:K2"]}) as (
            session,
            _,
            [up],
        ):
            for _ in range(3):
                async with session.post("/v1/chat/completions", json=CHAT) as answer:
                    assert answer.status == 429
                    assert 1 <= int(answer.headers["Retry-After"]) <= 8
            sent = {head[b"Authorization"] for head in up.heads}
            assert sent == {b"Bearer sk-first-secret-key", b"Bearer sk-second-secret-key"}
            assert len(up.heads) == 2
            async with session.get("/api/keys") as answer:
                text = await answer.text()
            assert "secret" not in text
            assert [row["limited_models"] for row in json.loads(text)["data"]] == [["x"], ["x"]]

    run(asking())


def test_given_a_refused_key_when_asked_then_the_other_one_is_used_and_the_first_rests(monkeypatch, tmp_path):
    monkeypatch.setenv("K1", "sk-first-secret-key")
    monkeypatch.setenv("K2", "sk-second-secret-key")

    async def behave(upstream, writer):
        good = b"second" in upstream.heads[-1][b"Authorization"]
        writer.write(OK if good else b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")
        return True

    async def asking():
        path = tmp_path / "usage.sqlite"
        changes = {"provider": {"keys": ["env:K1", "env:K2"]}, "usage_path": path}
        async with routed(behave, **changes) as (session, _, [up]):
            assert [(await chat(session))[0] for _ in range(4)] == [200] * 4
            assert len(up.heads) == 5
        async with routed(behave, **changes) as (session, router, [up]):
            assert (await chat(session))[0] == 200
            assert len(up.heads) == 1
            resting = [key for key in router.state.keys.values() if key.resting_until]
            assert [key.rest_reason for key in resting] == ["it was refused with 401"]
        assert b"secret" not in path.read_bytes()

    run(asking())


def test_given_a_wall_clock_that_jumps_when_restarted_then_no_key_rests_longer_than_configured(
    monkeypatch, tmp_path
):
    monkeypatch.setenv("K1", "sk-first-secret-key")
    refusing = answering(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")
    changes = {"provider": {"keys": ["env:K1"]}, "usage_path": tmp_path / "u.sqlite"}

    async def asking():
        async with routed(refusing, **changes) as (session, _, _):
            assert (await chat(session))[0] == 502
        monkeypatch.setattr("modelscan_catalog.router.report.time.time", lambda: 0.0)
        async with routed(answering(), **changes) as (session, router, _):
            [key] = router.state.keys.values()
            assert 0 < key.resting_until - router.state.clock() <= 900

    run(asking())


def test_given_a_full_disk_when_asked_then_answers_go_on_and_health_tells(tmp_path):
    async def asking():
        async with routed(answering(), usage_path=tmp_path / "u.sqlite") as (session, router, _):
            pages = router.usage._store.execute("PRAGMA page_count").fetchone()[0]
            router.usage._store.execute(f"PRAGMA max_page_count = {pages}")
            for number in range(300):
                router.usage.record(_record(f"m{number}"))
            assert [(await chat(session))[0] for _ in range(5)] == [200] * 5
            await asyncio.to_thread(router.usage.flush)
            async with session.get("/health") as answer:
                assert (await answer.json())["usage_problem"] is True
            async with session.get("/metrics") as answer:
                assert "modelscan_router_usage_store_ok 0.0" in await answer.text()
            router.usage._store.execute("PRAGMA max_page_count = 100000")

    run(asking())


def _record(model):
    return Record(model, "t", "k", "simple", "c", "ok", 0.1, 0.1, 1, 0, 1, None)


def test_given_more_clients_than_allowed_when_they_dawdle_then_they_are_refused_and_others_are_served_again():
    async def asking():
        policy = {"max_connections": 20, "client_timeout_s": 0.5}
        async with routed(answering(), policy=policy) as (session, _, _):
            port = session._base_url.port
            slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(60)]
            await asyncio.sleep(0.1)
            refused = 0
            for reader, writer in slow:
                writer.write(b"POST /v1/chat")
                with contextlib.suppress(TimeoutError):
                    refused += b"503" in await asyncio.wait_for(reader.read(200), 0.02)
            assert refused == 40
            for reader, _ in slow[:20]:
                assert await asyncio.wait_for(reader.read(200), 5) == b""
            assert (await chat(session))[0] == 200
            for _, writer in slow:
                writer.close()

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft >= 256
    run(asking())


def test_given_a_body_that_drips_when_its_time_is_up_then_408_answers():
    async def asking():
        async with routed(answering(), policy={"client_timeout_s": 0.3}) as (session, _, [up]):
            reader, writer = await asyncio.open_connection("127.0.0.1", session._base_url.port)
            writer.write(
                b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 500\r\n\r\n{"
            )
            assert b"408" in await asyncio.wait_for(reader.readline(), 3)
            writer.close()
            assert up.bodies == []

    run(asking())


def test_given_a_compressed_body_when_sent_then_it_is_read_bounded_or_refused_as_the_clients_fault():
    async def asking():
        async with routed(answering()) as (session, router, _):
            packed = gzip.compress(json.dumps(CHAT).encode())
            bomb = gzip.compress(b" " * (2 * router.max_body_bytes) + json.dumps(CHAT).encode())
            for body, told in (
                (packed, (200, None)),
                (b"xx", (400, "invalid_body")),
                (bomb, (413, "request_too_large")),
            ):
                headers = {"Content-Encoding": "gzip"}
                async with session.post("/v1/chat/completions", data=body, headers=headers) as answer:
                    document = await answer.json()
                    assert (answer.status, document.get("error", {}).get("code")) == told

    run(asking())


def test_given_a_50_mb_prompt_when_announced_or_streamed_then_413_answers_and_memory_is_not_spent_on_it():
    async def asking():
        async with routed(answering()) as (session, _, [up]):
            reader, writer = await asyncio.open_connection("127.0.0.1", session._base_url.port)
            writer.write(
                b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 52428800\r\n\r\n"
            )
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 3)
            assert b"413" in head
            writer.close()

            async def pieces():
                for _ in range(50):
                    yield b" " * 2**20

            async with session.post("/v1/chat/completions", data=pieces()) as answer:
                assert answer.status == 413
                assert (await answer.json())["error"]["code"] == "request_too_large"
            assert up.bodies == []

    run(asking())


def test_given_a_client_that_does_not_read_when_streamed_then_the_upstream_is_held_back():
    sent = 0

    async def floods(upstream, writer):
        nonlocal sent
        writer.write(STREAM_HEAD)
        event = b"data: " + b"x" * 65536 + b"\n\n"
        for _ in range(2000):
            writer.write(b"%x\r\n%b\r\n" % (len(event), event))
            await writer.drain()
            sent += len(event)
        return False

    async def asking():
        async with routed(floods) as (session, _, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", session._base_url.port)
            body = json.dumps({**CHAT, "stream": True}).encode()
            writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n")
            writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(0.5)
            seen = sent
            await asyncio.sleep(0.3)
            assert sent == seen < 40 * 2**20
            writer.transport.abort()

    run(asking())


def test_given_a_config_swap_under_load_when_all_have_been_answered_then_no_request_was_lost():
    async def asking():
        async with RawUpstream(answering()).running() as one, RawUpstream(answering()).running() as two:
            urls = [one]
            router = Router(lambda: configuration(urls))
            async with serving(router) as port:
                statuses, stop = [], asyncio.Event()
                async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:

                    async def client():
                        while not stop.is_set():
                            statuses.append((await chat(session))[0])

                    clients = [asyncio.create_task(client()) for _ in range(16)]
                    for number in range(20):
                        urls[0] = (two, one)[number % 2]
                        async with session.post("/refresh") as answer:
                            assert answer.status == 200
                        await asyncio.sleep(0.02)
                    stop.set()
                    await asyncio.gather(*clients)
                assert len(statuses) > 100
                assert set(statuses) == {200}

    run(asking())


def test_given_a_watched_file_when_it_changes_then_a_good_one_serves_and_a_bad_one_is_told(tmp_path):
    path = tmp_path / "router.json"

    async def asking():
        async with RawUpstream(answering()).running() as url:
            path.write_text("1")
            answers = [
                configuration([url]),
                SettingsError("bad file"),
                configuration([url], model={"aliases": ["n"]}),
            ]

            def load():
                loaded = answers.pop(0)
                if isinstance(loaded, SettingsError):
                    raise loaded
                return loaded

            router = Router(load)
            async with serving(router, watched=[path]):
                for content, problem in (("22", "bad file"), ("333", None)):
                    path.write_text(content)
                    await asyncio.sleep(1.5)
                    assert router.last_refusal == problem
                assert router.table.attempts("n")

    run(asking())
