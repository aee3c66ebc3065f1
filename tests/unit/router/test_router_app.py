"""The served router against real sockets: faults of upstreams, of clients and of configurations."""

import asyncio
import contextlib
import json
import socket
import subprocess
import sys

import aiohttp
import pytest

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.router.app import Router
from modelscan_catalog.router.config import RouterConfig, parse_config
from modelscan_catalog.router.emit import default_policy
from modelscan_catalog.router.local_upstream import LocalUpstream
from modelscan_catalog.router.server import run
from modelscan_catalog.router.server import serving as running

MESSAGES = [{"role": "user", "content": "hi"}]


def configuration(base_url, models, **policy):
    document = {
        "routing": {
            "direct": {
                "providers": [
                    {"name": "up", "type": "api", "base_url": base_url, "key": "env:UP_KEY"},
                    {"name": "gone", "type": "local", "base_url": "http://127.0.0.1:9/v1"},
                ]
            }
        },
        "models": [
            {
                "id": name,
                "targets": [
                    {"provider": p, "model": m, "priority": rank} for rank, (p, m) in enumerate(targets)
                ],
            }
            for name, targets in models.items()
        ],
        "policy": {**default_policy().model_dump(), **policy},
    }
    return RouterConfig.model_validate(document)


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("UP_KEY", "sk-upstream-secret")


@contextlib.asynccontextmanager
async def serving(models, token=None, load=None, **policy):
    upstream = LocalUpstream(key="sk-upstream-secret")
    async with upstream.running() as base_url:
        router = Router(load or (lambda: configuration(base_url, models, **policy)), token)
        async with (
            running(router) as port,
            aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
        ):
            yield session, upstream


def ask(models, body=None, *, data=None, **policy):
    async def asking():
        async with serving(models, **policy) as (session, upstream):
            content = data if data is not None else json.dumps({"messages": MESSAGES, **body}).encode()
            async with session.post("/v1/chat/completions", data=content) as answer:
                return answer.status, await answer.read(), dict(answer.headers), upstream.requests

    return asyncio.run(asyncio.wait_for(asking(), 20))


def error_of(answer):
    status, content, _, _ = answer
    error = json.loads(content)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return status, error["code"]


@pytest.mark.parametrize(
    "first", ["status-500", "status-429", "status-503", "status-403", "hang", "too-long"]
)
def test_given_a_failing_first_target_when_asked_then_the_second_answers(first):
    answer = ask({"m": [("up", first), ("up", "echo")]}, {"model": "m"}, first_byte_timeout_s=0.3)
    assert answer[0] == 200
    assert json.loads(answer[1])["choices"][0]["message"]["content"] == "hi"
    assert answer[2]["X-ModelScan-Target"] == "up/echo"
    assert [request["model"] for request in answer[3]] == [first, "echo"]


def test_given_a_refused_connection_when_asked_then_the_next_target_answers():
    answer = ask({"m": [("gone", "x"), ("up", "echo")]}, {"model": "m"})
    assert (answer[0], answer[2]["X-ModelScan-Target"]) == (200, "up/echo")


@pytest.mark.parametrize(
    ("targets", "error"),
    [
        (["status-500", "status-502"], (502, "upstream_failed")),
        (["status-429", "status-429"], (429, "rate_limit_exceeded")),
        (["hang", "hang"], (504, "upstream_failed")),
        (["too-long"], (400, "context_length_exceeded")),
        (["status-422"], (422, "forced")),
    ],
)
def test_given_that_no_target_answers_when_asked_then_the_error_says_why(targets, error):
    answer = ask({"m": [("up", name) for name in targets]}, {"model": "m"}, first_byte_timeout_s=0.3)
    assert error_of(answer) == error


def test_given_an_upstream_that_names_our_key_when_it_refuses_then_the_client_never_sees_it(monkeypatch):
    monkeypatch.setenv("UP_KEY", "sk-wrong-but-secret")
    answer = ask({"m": [("up", "echo")]}, {"model": "m"})
    assert error_of(answer) == (502, "upstream_failed")
    assert b"sk-wrong" not in answer[1]


def test_given_a_break_after_the_first_byte_when_streamed_then_an_error_event_ends_it_without_a_retry():
    status, content, _, requests = ask({"m": [("up", "cut"), ("up", "echo")]}, {"model": "m", "stream": True})
    events = [event for event in content.split(b"\n\n") if event]
    assert status == 200
    assert all(event.startswith(b"data: ") for event in events)
    assert json.loads(events[-1].removeprefix(b"data: "))["error"]["code"] == "upstream_interrupted"
    assert [request["model"] for request in requests] == ["cut"]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"{nonsense", (400, "invalid_json")),
        (b"\xff\xfe", (400, "invalid_json")),
        (b"[" * 100_000, (400, "invalid_json")),
        (b'{"model": "m", "messages": [1], "temperature": NaN}', (400, "invalid_json")),
        (b"[]", (400, "invalid_request")),
        (b'{"model": "m"}', (400, "invalid_request")),
        (b'{"model": 3, "messages": [1]}', (400, "invalid_request")),
        (b'{"model": "m", "messages": [1], "stream": "yes"}', (400, "invalid_request")),
        (b'{"messages": [1]}', (400, "invalid_request")),
        (b'{"model": "none", "messages": [1]}', (404, "model_not_found")),
        (b'{"model": "offline", "messages": [1]}', (503, "no_usable_target")),
        (b" " * 2000, (413, "request_too_large")),
    ],
)
def test_given_a_bad_request_when_sent_then_the_error_has_the_openai_shape(monkeypatch, data, error):
    limit = 150_000 if len(data) > 2000 else 1500
    if b"offline" in data:
        monkeypatch.delenv("UP_KEY")
    answer = ask({"m": [("up", "echo")], "offline": [("up", "echo")]}, data=data, max_body_bytes=limit)
    assert error_of(answer) == error


def test_given_odd_but_legal_json_when_sent_then_the_upstream_gets_it_unchanged():
    async def asking():
        async with serving({"m": [("up", "echo")]}) as (session, upstream):
            for value in [{"x": "\ud800"}, {"x": "\u0000é漢"}, {"n": 10**40}, {"f": 1e-9}]:
                body = {"model": "m", "messages": MESSAGES, **value}
                async with session.post("/v1/chat/completions", data=json.dumps(body)) as answer:
                    assert answer.status == 200
                assert upstream.requests[-1] == {**body, "model": "echo"}

    asyncio.run(asking())


def test_given_a_client_that_leaves_when_streaming_then_the_upstream_is_let_go():
    async def leaving():
        async with serving({"m": [("up", "slow")]}) as (session, upstream):
            body = {"model": "m", "messages": MESSAGES, "stream": True}
            answer = await session.post("/v1/chat/completions", json=body)
            await answer.content.readany()
            answer.close()
            await asyncio.wait_for(upstream.cancelled.wait(), 5)
            async with session.get("/health") as health:
                assert health.status == 200

    asyncio.run(leaving())


def test_given_a_client_that_leaves_while_waiting_then_the_upstream_is_let_go():
    async def leaving():
        async with serving({"m": [("up", "hang")]}) as (session, upstream):
            waiting = asyncio.create_task(
                session.post("/v1/chat/completions", json={"model": "m", "messages": MESSAGES})
            )
            while not upstream.requests:
                await asyncio.sleep(0.01)
            waiting.cancel()
            await asyncio.wait_for(upstream.cancelled.wait(), 5)

    asyncio.run(leaving())


def test_given_a_token_when_asked_without_it_then_only_health_answers():
    async def asking():
        async with serving({"m": [("up", "echo")]}, token="t0ken") as (session, _):
            statuses = {}
            for path in ("/health", "/healthz", "/v1/models"):
                async with session.get(path) as answer:
                    statuses[path] = answer.status
            for given in ("wrong", "t0ken"):
                async with session.get("/v1/models", headers={"Authorization": f"Bearer {given}"}) as answer:
                    statuses[given] = answer.status
            async with session.post("/refresh") as answer:
                statuses["/refresh"] = answer.status
            return statuses

    assert asyncio.run(asking()) == {
        "/health": 200,
        "/healthz": 200,
        "/v1/models": 401,
        "wrong": 401,
        "t0ken": 200,
        "/refresh": 401,
    }


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://localhost:3000"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example:8080"}, 403),
        ({"Host": "[::1"}, 403),
    ],
)
def test_given_no_token_when_a_web_page_asks_then_it_is_refused_and_programs_are_not(headers, status):
    async def asking():
        async with serving({"m": [("up", "echo")]}) as (session, upstream):
            body = {"model": "m", "messages": MESSAGES}
            async with session.post("/v1/chat/completions", json=body, headers=headers) as answer:
                return answer.status, len(upstream.requests)

    assert asyncio.run(asking()) == (status, 1 if status == 200 else 0)


def test_given_a_new_file_when_refreshed_then_a_good_one_is_swapped_in_and_a_bad_one_is_not():
    async def refreshing():
        async with LocalUpstream().running() as base_url:
            offered = [
                configuration(base_url, {"old": [("up", "echo")]}),
                configuration(base_url, {"new": [("up", "echo")]}),
                SettingsError("router.json: models.0.id: missing"),
            ]

            def load():
                following = offered.pop(0)
                if isinstance(following, SettingsError):
                    raise following
                return following

            async with serving({}, load=load) as (session, _):
                seen = []
                for _ in range(2):
                    async with session.post("/refresh") as answer:
                        seen.append(answer.status)
                    async with session.get("/v1/models") as answer:
                        seen.append([row["id"] for row in (await answer.json())["data"]])
                    async with session.get("/health") as answer:
                        health = await answer.json()
                        seen.append((health["status"], health["problem"]))
                return seen

    problem = "router.json: models.0.id: missing"
    assert asyncio.run(refreshing()) == [
        200,
        ["new"],
        ("ok", None),
        422,
        ["new"],
        ("serving_previous_config", problem),
    ]


def test_given_an_unknown_path_or_method_when_asked_then_the_error_has_the_openai_shape():
    async def asking():
        async with serving({}) as (session, _):
            async with session.get("/v1/none") as answer:
                missing = answer.status, (await answer.json())["error"]["code"]
            async with session.get("/v1/chat/completions") as answer:
                wrong = answer.status, (await answer.json())["error"]["code"]
            return missing, wrong

    assert asyncio.run(asking()) == ((404, "unknown_url"), (405, "method_not_allowed"))


def test_given_an_address_beyond_loopback_without_a_token_when_run_then_it_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="reachable from other machines"):
        run(tmp_path / "router.json", host="0.0.0.0")


def test_given_a_bad_file_when_run_then_it_is_refused_before_listening(tmp_path):
    path = tmp_path / "router.json"
    path.write_text("{}")
    with pytest.raises(SettingsError, match="routing: Field required"):
        run(path, port=0)


def test_given_the_committed_policy_then_an_empty_configuration_is_valid():
    document = {"routing": {"direct": {"providers": []}}, "policy": default_policy().model_dump()}
    assert parse_config(json.dumps(document).encode()).models == ()


def test_given_a_taken_port_when_run_then_it_is_told(tmp_path):
    path = tmp_path / "router.json"
    document = {"routing": {"direct": {"providers": []}}, "policy": default_policy().model_dump()}
    path.write_text(json.dumps(document))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"cannot listen on 127.0.0.1:{port}"):
            run(path, port=port)


def test_given_the_router_when_imported_then_no_heavy_library_comes_with_it():
    program = (
        "import sys, modelscan_catalog.router.server; "
        "print([m for m in ('dagster', 'pandas', 'numpy', 'pyarrow', 'duckdb') if m in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
