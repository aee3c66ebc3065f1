"""What operators ask and tell a served router: keys by reference, figures, their own token, the audit log."""

import asyncio
import contextlib
import json
import time
from functools import partial

import aiohttp
import pytest
from router_serving import RawUpstream, answering, chat, configuration, run

from modelscan_catalog.key_hosts import KeyHosts, host_of
from modelscan_catalog.router.added_keys import KEYS_FILE, confirmed
from modelscan_catalog.router.app import Router
from modelscan_catalog.router.audit import AUDIT_FILE, AuditLog
from modelscan_catalog.router.config import config_bytes
from modelscan_catalog.router.keys import key_id
from modelscan_catalog.router.overlays import overlay_files, read_overlaid
from modelscan_catalog.router.server import serving
from modelscan_catalog.settings import Settings

SECRET = "sk-second-0123456789-secret"
SELLERS = {"env:SECOND": frozenset({"api.seller.example"})}


@pytest.fixture(autouse=True)
def _secrets(monkeypatch):
    monkeypatch.setenv("FIRST", "sk-first-0123456789-secret")
    monkeypatch.setenv("SECOND", SECRET)


@contextlib.asynccontextmanager
async def operated(folder, *, keys=("env:FIRST",), **tokens):
    path = folder / "router.json"
    async with contextlib.AsyncExitStack() as stack:
        url = await stack.enter_async_context(RawUpstream(answering()).running())
        limits = {"requests_per_minute": 10**6}
        config = configuration([url], provider={"keys": list(keys), "key_limits": limits})
        path.write_bytes(config_bytes(config))
        router = Router(lambda: read_overlaid(path, folder), config_dir=folder, **tokens)
        port = await stack.enter_async_context(serving(router, watched=[path, *overlay_files(folder)]))
        yield await stack.enter_async_context(aiohttp.ClientSession(f"http://127.0.0.1:{port}")), router


async def add(session, reference, provider="p0", token=None):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    body = {"provider_id": provider, "api_key": reference}
    async with session.post("/api/keys/add", json=body, headers=headers) as answer:
        return answer.status, await answer.json()


def audited(folder):
    return [json.loads(line) for line in (folder / AUDIT_FILE).read_text().splitlines()]


def test_given_a_reference_when_added_then_the_key_is_used_and_only_its_reference_is_stored(tmp_path):
    async def asking():
        async with operated(tmp_path) as (session, _):
            status, told = await add(session, "env:SECOND")
            assert (status, told["added"], told["sha256"]) == (200, True, key_id(SECRET))
            assert (await add(session, "env:SECOND"))[1]["added"] is False
            for _ in range(4):
                await chat(session)
            async with session.get("/api/keys") as answer:
                return (await answer.json())["data"]

    rows = run(asking())
    assert [row["requests"] for row in rows] == [2, 2]
    assert [row["last_minute"]["requests"] for row in rows] == [2, 2]
    assert {row["degraded_until"] for row in rows} == {None}
    written = "".join(path.read_text() for path in tmp_path.iterdir())
    assert "env:SECOND" in (tmp_path / KEYS_FILE).read_text()
    assert "-secret" not in written
    assert [(line["action"], line["outcome"], line["key"]) for line in audited(tmp_path)] == [
        ("keys.add", "done", key_id(SECRET)),
        ("keys.add", "known", key_id(SECRET)),
    ]


@pytest.mark.parametrize(
    ("reference", "provider", "error"),
    [
        (SECRET, "p0", (400, "literal_key")),
        ("env:NOT_SET_ANYWHERE", "p0", (422, "unusable_key")),
        ("file:/nowhere/at/all", "p0", (422, "unusable_key")),
        ("env:SECOND", "nobody", (404, "unknown_provider")),
        (7, "p0", (400, "invalid_request")),
    ],
)
def test_given_a_key_that_cannot_be_taken_when_added_then_it_is_refused_with_the_fix_and_not_repeated(
    tmp_path, reference, provider, error
):
    async def asking():
        async with operated(tmp_path) as (session, _):
            return await add(session, reference, provider)

    status, document = run(asking())
    assert (status, document["error"]["code"]) == error
    if error[1] == "literal_key":
        assert "env:NAME or file:PATH" in document["error"]["message"]
        assert audited(tmp_path)[0]["reason"] == "a literal key"
    assert SECRET not in json.dumps(document) + "".join(path.read_text() for path in tmp_path.iterdir())
    assert not (tmp_path / KEYS_FILE).exists()


def test_given_a_key_of_a_seller_when_it_is_added_to_another_then_it_is_refused_until_a_person_allows_it(
    tmp_path,
):
    own = {}

    async def asking():
        async with operated(tmp_path, key_hosts=lambda: KeyHosts(SELLERS, own)) as (session, router):
            refused = await add(session, "env:SECOND")
            assert not (tmp_path / KEYS_FILE).exists()
            host = host_of(router.table.config.providers["p0"].base_url)
            own["env:SECOND"] = frozenset({host})
            return host, refused, await add(session, "env:SECOND")

    host, (status, document), allowed = run(asking())
    assert (status, document["error"]["code"]) == (422, "key_of_another_seller")
    message = document["error"]["message"]
    assert message.startswith(
        f"p0: SECOND is not sent to {host}: it is confirmed for api.seller.example only"
    )
    assert f"modelscan keys allow SECOND '{host}' --apply" in message
    assert (allowed[0], allowed[1]["added"]) == (200, True)
    assert [(line["outcome"], line.get("reason")) for line in audited(tmp_path)] == [
        ("refused", message),
        ("done", None),
    ]


def test_given_a_table_of_hosts_that_cannot_be_read_when_a_key_is_added_then_it_is_refused_with_the_reason(
    tmp_path,
):
    (tmp_path / "modelscan.db").write_text("no database")
    hosts = partial(confirmed, Settings(db_path=tmp_path / "modelscan.db"))

    async def asking():
        async with operated(tmp_path, key_hosts=hosts) as (session, _):
            return await add(session, "env:SECOND")

    status, document = run(asking())
    assert (status, document["error"]["code"]) == (422, "unusable_key")
    assert "modelscan.db" in document["error"]["message"]


def test_given_a_hundred_keys_when_one_more_is_added_then_it_is_a_conflict(tmp_path, monkeypatch):
    names = [f"K{number}" for number in range(100)]
    for name in names:
        monkeypatch.setenv(name, f"sk-{name}-0123456789")

    async def asking():
        async with operated(tmp_path, keys=[f"env:{name}" for name in names]) as (session, _):
            return await add(session, "env:SECOND")

    status, document = run(asking())
    assert (status, document["error"]["code"]) == (409, "too_many_keys")


def test_given_an_operators_token_when_clients_ask_for_state_then_only_operators_get_it(tmp_path):
    async def asking():
        async with operated(tmp_path, token=["app-1", "app-2"], admin_token="op") as (session, _):
            seen = {}
            for token in ("app-1", "app-2", "op", "wrong", None):
                headers = {"Authorization": f"Bearer {token}"} if token else {}
                for method, path in [("GET", "/v1/models"), ("GET", "/metrics")] + [
                    ("GET", f"/api/{name}") for name in ("stats", "keys", "splits")
                ]:
                    async with session.request(method, path, headers=headers) as answer:
                        seen.setdefault(token, []).append(answer.status)
                async with session.post("/refresh", headers=headers) as answer:
                    seen[token].append(answer.status)
                seen[token].append((await add(session, "env:SECOND", token=token))[0])
            return seen

    assert run(asking()) == {
        "app-1": [200, 200, 401, 401, 401, 401, 401],
        "app-2": [200, 200, 401, 401, 401, 401, 401],
        "op": [401, 401, 200, 200, 200, 200, 200],
        "wrong": [401] * 7,
        None: [401] * 7,
    }
    actors = {line["actor"] for line in audited(tmp_path)}
    assert len(actors) == 1
    assert actors.pop().startswith("token ")


def test_given_one_token_when_state_is_asked_for_then_it_is_enough_and_none_is_not(tmp_path):
    async def asking():
        async with operated(tmp_path, token="t") as (session, _):
            statuses = []
            for headers in ({}, {"Authorization": "Bearer t"}):
                for path in ("/api/stats", "/api/keys", "/api/splits", "/api/targets"):
                    async with session.get(path, headers=headers) as answer:
                        statuses.append(answer.status)
            return statuses

    assert run(asking()) == [401] * 4 + [200] * 4


def test_given_refreshes_when_good_and_bad_then_both_are_in_the_log_with_hashes(tmp_path):
    async def asking():
        async with operated(tmp_path) as (session, router):
            before = router.table.fingerprint
            (tmp_path / "splits.json").write_text("{")
            async with session.post("/refresh") as answer:
                assert answer.status == 422
            (tmp_path / "splits.json").unlink()
            async with session.post("/refresh") as answer:
                assert answer.status == 200
            return before

    before = run(asking())
    refused, done = (line for line in audited(tmp_path) if line["action"] == "refresh")
    assert (refused["outcome"], done["outcome"]) == ("refused", "done")
    assert "splits.json" in refused["reason"]
    assert (refused["before"], done["after"]) == (before, before)
    assert (tmp_path / AUDIT_FILE).stat().st_mode & 0o077 == 0


def test_given_a_disk_that_refuses_when_logged_then_the_action_still_counts(tmp_path):
    AuditLog(tmp_path / "file.txt" / AUDIT_FILE).write("me", "refresh", "done")
    (tmp_path / "file").write_text("")
    AuditLog(tmp_path / "file" / AUDIT_FILE).write("me", "refresh", "done")
    assert len(audited(tmp_path / "file.txt")) == 1


def test_given_a_stat_when_asked_by_alias_then_the_model_is_meant(tmp_path):
    async def asking():
        path = tmp_path / "router.json"
        async with RawUpstream(answering()).running() as url:
            path.write_bytes(config_bytes(configuration([url], model={"aliases": ["nick"]})))
            router = Router(lambda: read_overlaid(path, None))
            async with serving(router) as port, aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
                await chat(session)
                async with session.get("/api/stats", params={"model": "nick"}) as answer:
                    return (await answer.json())["models"][0]["requests"]

    assert run(asking()) == 1


def test_given_a_key_in_a_file_when_it_is_rotated_then_the_new_one_is_used_by_itself(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("sk-before-0123456789")

    async def asking():
        async with operated(tmp_path, keys=[f"file:{secret}"]) as (session, router):
            assert (await chat(session))[0] == 200
            secret.write_text("sk-after-9876543210")
            while key_id("sk-after-9876543210") not in router.state.keys:
                await asyncio.sleep(0.05)
            await chat(session)
            async with session.get("/api/keys") as answer:
                return {row["prefix"]: row["requests"] for row in (await answer.json())["data"]}

    assert run(asking()) == {"sk-bef": 1, "sk-aft": 1}


def test_given_health_that_was_stored_when_started_again_then_who_rested_still_rests(tmp_path, monkeypatch):
    bad = answering(b"HTTP/1.1 500 Oops\r\nContent-Length: 3\r\n\r\nbad")

    async def asking():
        async with RawUpstream(bad).running() as first, RawUpstream(answering()).running() as second:
            policy = {"failures_before_cooldown": 1, "cooldown_s": 100.0, "max_cooldown_s": 200.0}
            seen = []
            for jump_s in (0, -(10**6)):
                now = time.time()
                monkeypatch.setattr("modelscan_catalog.router.report.time.time", lambda: now + jump_s)  # noqa: B023
                router = Router(
                    lambda: configuration([first, second], policy=policy), usage_path=tmp_path / "u"
                )
                async with (
                    serving(router) as port,
                    aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
                ):
                    before = router.state.health.resting()
                    assert (await chat(session))[0] == 200
                    async with session.get("/api/targets") as answer:
                        rows = {row["target"]: row for row in (await answer.json())["data"]}
                    seen.append((before, rows))
            return seen

    (at_first, rows), (restored, later) = run(asking())
    assert at_first == {}
    assert (rows["p0/x"]["failures_in_row"], rows["p0/x"]["first_byte_ms"]) == (1, None)
    assert rows["p1/x"]["resting_for_s"] is None
    assert rows["p1/x"]["first_byte_ms"] > 0
    assert 0 < restored["p0/x"] <= 200, "a wall clock that jumped back does not lengthen its rest"
    assert later["p0/x"]["resting_for_s"] > 0


def test_given_a_model_when_looked_up_then_it_is_found_by_id_and_alias_in_the_clients_shape(tmp_path):
    async def asking():
        models = [{"id": "lab/m", "aliases": ["hub/Name"], "targets": [{"provider": "p0", "model": "x"}]}]
        config = configuration(["http://127.0.0.1:9/v1"], models=models)
        async with (
            serving(Router(lambda: config)) as port,
            aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
        ):
            for path, status, kind in (
                ("/v1/models/lab/m", 200, "model"),
                ("/v1/models/hub%2FName", 200, "model"),
                ("/v1/models/none", 404, None),
            ):
                async with session.get(path) as answer:
                    assert (answer.status, (await answer.json()).get("object")) == (status, kind)
            async with session.get("/v1/models", headers={"anthropic-version": "2023-06-01"}) as answer:
                listed = await answer.json()
                assert (listed["first_id"], listed["has_more"]) == ("lab/m", False)
                assert listed["data"][0]["type"] == "model"

    run(asking())
