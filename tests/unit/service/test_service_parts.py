"""The service: one port for registry and router, two tokens, ordered start, restart without lost requests."""

import asyncio
import gc
import shutil
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from service_samples import CHAT, Upstream, loader, publish, router_config, serving

from modelscan_catalog.api import system
from modelscan_catalog.api.snapshot import Snapshot
from modelscan_catalog.errors import PublishError, SettingsError
from modelscan_catalog.router.app import Router
from modelscan_catalog.router.config import config_bytes
from modelscan_catalog.router.splits import read_splits
from modelscan_catalog.service import bridge
from modelscan_catalog.service import service as service_module
from modelscan_catalog.service.parts import tokens_of
from modelscan_catalog.settings import Settings
from modelscan_catalog.upgrade.local import local_upgrades


@pytest.fixture(autouse=True)
def no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "PAUSE_S", 0.2)
    monkeypatch.setattr(service_module, "_ANEW_EVERY_S", 0.2)
    monkeypatch.setenv("OPERATORS", "operator-secret")
    monkeypatch.setenv("CLIENTS", "client-secret")


async def _ask(session: aiohttp.ClientSession, path: str, token: str = "", **more: Any) -> tuple[int, Any]:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    method = "POST" if "json" in more else "GET"
    async with session.request(method, path, headers=headers, **more) as answer:
        is_json = answer.content_type == "application/json"
        return answer.status, await (answer.json() if is_json else answer.text())


def test_registry_and_router_answer_on_one_port(tmp_path: Path) -> None:
    async def asked() -> None:
        async with Upstream().running() as url:
            publish(tmp_path / "published", url)
            async with serving(loader(tmp_path, "a warning")) as (session, _):
                status, body = await _ask(session, "/v1/chat/completions", json=CHAT)
                assert (status, body["choices"][0]["message"]["content"]) == (200, "hi")
                _, model = await _ask(session, "/models/alibaba/qwen3-8b")
                assert model["data"]["model"]["id"] == "alibaba/qwen3-8b"
                _, health = await _ask(session, "/health")
                assert list(health["data"]["components"]) == [
                    "settings",
                    "state",
                    "registry",
                    "router",
                    "api",
                    "upgrades",
                ]
                _, info = await _ask(session, "/system/info")
                assert info["data"]["warnings"] == ["a warning"]
                _, text = await _ask(session, "/metrics")
                assert "modelscan_api_requests_total" in text
                assert "modelscan_router_upstream_calls_total" in text
                _, stats = await _ask(session, "/api/stats")
                assert stats["models"][0]["requests"] == 1

    asyncio.run(asked())


def test_splits_that_a_killed_process_did_not_write_are_written_at_the_start(tmp_path: Path) -> None:
    async def asked() -> None:
        async with Upstream().running() as url:
            publish(tmp_path / "published", url)
            load = loader(tmp_path)
            upgrades = local_upgrades(load().settings)
            upgrades.start("m", "m", "other")
            upgrades.splits_file.unlink()
            async with serving(load) as (session, _):
                _, splits = await _ask(session, "/api/splits")
                assert set(splits["idle"]) == {"m"}, "the router has read them, and has no model `other`"
            assert set(read_splits(upgrades.splits_file)) == {"m"}

    asyncio.run(asked())


def test_usage_that_is_reported_is_told_by_the_routers_figures(tmp_path: Path) -> None:
    async def asked() -> None:
        publish(tmp_path / "published", "http://127.0.0.1:9/v1")
        async with serving(loader(tmp_path)) as (session, _):
            await _ask(session, "/models/alibaba/qwen3-8b/usage", json={"latency_ms": 5})
            _, stats = await _ask(session, "/api/stats?model=alibaba/qwen3-8b")
            assert [row["target"] for row in stats["targets"]] == ["reported/alibaba/qwen3-8b"]

    asyncio.run(asked())


def test_operators_and_clients_have_tokens_of_their_own(tmp_path: Path) -> None:
    async def asked() -> None:
        async with Upstream().running() as url:
            publish(tmp_path / "published", url)
            tokens = {"api_token": "env:OPERATORS", "client_token": "env:CLIENTS"}
            async with serving(loader(tmp_path, **tokens)) as (session, _):
                for path, right, wrong in (
                    ("/v1/models", "client-secret", "operator-secret"),
                    ("/api/keys", "operator-secret", "client-secret"),
                    ("/audit", "operator-secret", "client-secret"),
                ):
                    assert (await _ask(session, path, right))[0] == 200, path
                    assert (await _ask(session, path, wrong))[0] == 401, path
                    assert (await _ask(session, path))[0] == 401, path
                assert (await _ask(session, "/admin/restart", "client-secret", json={}))[0] == 401
                assert (await _ask(session, "/models"))[0] == 200
                assert "router" not in (await _ask(session, "/metrics"))[1]
                assert "router" in (await _ask(session, "/metrics", "client-secret"))[1]

    asyncio.run(asked())


def test_what_operators_tell_the_router_is_in_the_audit_log(tmp_path: Path) -> None:
    async def asked() -> None:
        publish(tmp_path / "published", "http://127.0.0.1:9/v1")
        async with serving(loader(tmp_path, api_token="env:OPERATORS")) as (session, _):
            body = {"provider_id": "here", "api_key": "env:CLIENTS"}
            await _ask(session, "/api/keys/add", json=body)
            assert (await _ask(session, "/api/keys/add", "operator-secret", json=body))[0] == 200
            _, log = await _ask(session, "/audit", "operator-secret")
            assert [(row["action"], row["outcome"]) for row in log["data"]] == [
                ("POST /api/keys/add", "done"), ("POST /api/keys/add", "refused")
            ]  # fmt: skip
            assert "secret" not in str(log)

    asyncio.run(asked())


def test_a_restart_lets_requests_finish_answers_503_meanwhile_and_follows_changes(tmp_path: Path) -> None:
    async def asked() -> None:
        upstream = Upstream()
        async with upstream.running() as url:
            published = publish(tmp_path / "published", url)
            async with serving(loader(tmp_path)) as (session, service):
                upstream.wait.clear()
                slow = asyncio.create_task(_ask(session, "/v1/chat/completions", json=CHAT))
                while not upstream.asked:
                    await asyncio.sleep(0.01)
                assert (await _ask(session, "/admin/restart", json={}))[0] == 202
                await asyncio.sleep(0.05)
                async with session.get("/health") as refused:
                    assert refused.status == 503
                    assert refused.headers["retry-after"] == "1"
                    assert (await refused.json())["error"]["code"] == "restarting"
                assert not slow.done()
                before = service.router
                upstream.wait.set()
                assert (await slow)[0] == 200
                while (await _ask(session, "/health"))[0] == 503:
                    await asyncio.sleep(0.05)
                assert service.router is not before
                assert (await _ask(session, "/v1/chat/completions", json=CHAT))[0] == 200
            assert published.is_dir()

    asyncio.run(asked())


def test_every_path_of_the_router_reaches_it_and_none_of_the_api_does(tmp_path: Path) -> None:
    async def asked() -> None:
        publish(tmp_path / "published", "http://127.0.0.1:9/v1")
        async with serving(loader(tmp_path)) as (session, service):
            assert service.router is not None
            answered_for_both = {"/health", "/healthz", "/metrics", "/refresh"}
            apart = service.router.paths - answered_for_both
            assert all(service_module.is_routers(path) for path in apart)
            _, document = await _ask(session, "/openapi.json")
            assert [path for path in document["paths"] if service_module.is_routers(path)] == []

    asyncio.run(asked())


def test_own_orders_of_models_are_followed_and_an_unknown_name_in_them_is_refused(tmp_path: Path) -> None:
    chains = tmp_path / "chains.json"

    async def asked() -> None:
        publish(tmp_path / "published", "http://127.0.0.1:9/v1")
        chains.write_text('{"chains": {"simple": ["m"]}}')
        async with serving(loader(tmp_path, router_chains=chains)) as (_, service):
            assert service.router is not None
            assert service.router.table.config.chains["simple"] == ("m",)
        chains.write_text('{"chains": {"simple": ["nobody"]}}')
        with pytest.raises(SettingsError, match=r"chains\.json: chain simple: no model is called nobody"):
            async with serving(loader(tmp_path, router_chains=chains)):
                pass

    asyncio.run(asked())


def test_a_restart_lets_go_of_the_former_registry_and_router(tmp_path: Path) -> None:
    def held() -> tuple[int, int]:
        gc.collect()
        kinds = [type(one) for one in gc.get_objects()]
        return kinds.count(Snapshot), kinds.count(Router)

    async def asked() -> None:
        publish(tmp_path / "published", "http://127.0.0.1:9/v1")
        async with serving(loader(tmp_path)) as (session, service):
            await _ask(session, "/models")
            once = held()  # applications of tests before this one may hold some too
            for _ in range(2):
                service.restart()
                while (await _ask(session, "/health"))[0] == 503:
                    await asyncio.sleep(0.05)
            assert all(now <= before for now, before in zip(held(), once, strict=True))

    asyncio.run(asked())


def test_a_restart_onto_a_damaged_registry_tries_until_it_is_mended(tmp_path: Path) -> None:
    async def asked() -> None:
        published = publish(tmp_path / "published")
        async with serving(loader(tmp_path)) as (session, _):
            (published / "models.jsonl").write_text("{half")
            assert (await _ask(session, "/admin/restart", json={}))[0] == 202
            await asyncio.sleep(0.8)
            assert (await _ask(session, "/health"))[0] == 503
            publish(published)
            async with asyncio.timeout(5):
                while (await _ask(session, "/health"))[0] == 503:
                    await asyncio.sleep(0.05)

    asyncio.run(asked())


def test_what_does_not_start_stops_what_has_started(tmp_path: Path) -> None:
    async def asked(error: type[Exception], text: str) -> None:
        with pytest.raises(error, match=text):
            async with serving(loader(tmp_path)):
                pass
        assert len(asyncio.all_tasks()) == 1

    published = publish(tmp_path / "published", "http://127.0.0.1:9/v1")
    (published / "router.json").write_text('{"routing": 1}')
    asyncio.run(asked(PublishError, "router.json"))
    shutil.rmtree(published)
    asyncio.run(asked(FileNotFoundError, "Registry not found"))


@pytest.mark.parametrize("mode", ["plano_proxy", "off"])
def test_without_a_router_its_paths_say_why(tmp_path: Path, mode: str) -> None:
    async def asked() -> None:
        publish(tmp_path / "published", "http://127.0.0.1:9/v1")
        async with serving(loader(tmp_path, routing_mode=mode)) as (session, _):
            status, body = await _ask(session, "/v1/models")
            assert status == 503
            assert mode in body["error"]["message"]
            assert (await _ask(session, "/models"))[0] == 200
            assert (await _ask(session, "/models/alibaba/qwen3-8b/usage", json={"latency_ms": 1}))[0] == 200

    asyncio.run(asked())


def test_a_refresh_reads_registry_and_router_anew(tmp_path: Path) -> None:
    async def asked() -> None:
        published = publish(tmp_path / "published", "http://127.0.0.1:9/v1")
        async with serving(loader(tmp_path)) as (session, _):
            changed = router_config("http://127.0.0.1:10/v1").model_copy(update={"default_model": "m"})
            publish(published)
            (published / "router.json").write_bytes(config_bytes(changed))
            publish(published)
            status, body = await _ask(session, "/refresh", json={})
            assert status == 200
            assert body["data"]["router"]["models"] == 1

    asyncio.run(asked())


def test_keys_of_the_settings_are_added_to_the_routers_providers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MORE", "another-key")

    async def asked() -> None:
        publish(tmp_path / "published", "http://127.0.0.1:9/v1")
        async with serving(loader(tmp_path, api_keys={"here": ("env:MORE",)})) as (session, _):
            _, keys = await _ask(session, "/api/keys")
            assert [row["provider"] for row in keys["data"]] == ["here"]
            assert "another-key" not in str(keys)
        for keys, told in (
            ({"nobody": ("env:MORE",)}, r"api_keys\.nobody"),
            ({"here": ("env:OPENAI_API_KEY",)}, r"api_keys\.here: OPENAI_API_KEY is not sent to 127.0.0.1:9"),
        ):
            with pytest.raises(SettingsError, match=told):
                async with serving(loader(tmp_path, api_keys=keys)):
                    pass

    asyncio.run(asked())


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.org"])
def test_a_bind_that_others_reach_needs_a_token(host: str) -> None:
    with pytest.raises(SettingsError, match="others could reach"):
        tokens_of(Settings(host=host))
    assert tokens_of(Settings(host=host, api_token="env:OPERATORS")).client == "operator-secret"


def test_the_bridge_keeps_what_the_server_would(tmp_path: Path) -> None:
    async def asked() -> None:
        publish(tmp_path / "published")
        async with serving(loader(tmp_path)) as (session, _):
            async with session.get("/models?q=qwen3%208b&per_page=1") as answer:
                tag = answer.headers["etag"]
                assert (await answer.json())["data"][0]["id"] == "alibaba/qwen3-8b"
            same = {"if-none-match": tag}
            async with session.get("/models?q=qwen3%208b&per_page=1", headers=same) as answer:
                assert (answer.status, await answer.read()) == (304, b"")
            async with session.post("/catalog/validate", data=b" " * 1_000_001) as answer:
                assert answer.status == 413
            async with session.get("/docs/assets/swagger-ui-bundle.js") as answer:
                assert len(await answer.read()) > 100_000
            async with session.get("/models/..%2f..%2fetc%2fpasswd") as answer:
                assert answer.status == 404
            async with session.delete("/models") as answer:
                assert answer.status == 405

    asyncio.run(asked())


def test_a_fault_of_the_api_is_one_refusal_and_no_text_of_the_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(*_: object) -> None:
        raise RuntimeError("the inside of it")

    monkeypatch.setattr(system, "found_everywhere", faulty)

    async def asked() -> None:
        publish(tmp_path / "published")
        async with serving(loader(tmp_path)) as (session, _):
            status, body = await _ask(session, "/search?q=x")
            assert (status, body["error"]["code"]) == (500, "internal")
            assert "inside" not in str(body)
            assert (await _ask(session, "/health"))[0] == 200

    asyncio.run(asked())


def test_a_body_that_does_not_arrive_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "BODY_TIMEOUT_S", 0.2)

    async def asked() -> None:
        publish(tmp_path / "published")
        async with serving(loader(tmp_path)) as (session, _):
            base = session._base_url
            assert base is not None
            reader, writer = await asyncio.open_connection(base.host, base.port)
            writer.write(b"POST /catalog/validate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{}")
            try:
                answer = await asyncio.wait_for(reader.readuntil(b"}}"), 5)
            finally:
                writer.close()
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert b'"code": "request_timeout"' in answer

    asyncio.run(asked())
