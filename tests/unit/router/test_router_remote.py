"""A router apart from its registry: what it asks, what it takes, and what serves when there is no answer."""

import asyncio
import contextlib
import hashlib
import json

import pytest
from aiohttp import ClientSession, web
from click.testing import CliRunner
from router_serving import CHAT, RawUpstream, answering, chat, configuration, run

from modelscan_catalog.cli.router import router as router_command
from modelscan_catalog.errors import SettingsError
from modelscan_catalog.router.app import Router
from modelscan_catalog.router.config import config_bytes, read_config
from modelscan_catalog.router.overlay_files import replace_file
from modelscan_catalog.router.remote import REMOTE_FILE, Remote, following
from modelscan_catalog.router.server import serving

SOMEWHERE = "http://127.0.0.1:9/v1"


class RegistryHost:
    """Serves ``content`` at /router.json with a tag; keeps the status of every answer and what was asked."""

    def __init__(self, content):
        self.content = content
        self.status = 200
        self.answers = []
        self.asked = []

    async def _answer(self, request):
        self.asked.append(dict(request.headers))
        tag = f'"{hashlib.sha256(self.content).hexdigest()}"'
        if self.status != 200:
            response = web.Response(status=self.status, headers={"Location": "/elsewhere"})
        elif request.headers.get("If-None-Match") == tag:
            response = web.Response(status=304)
        else:
            response = web.Response(body=self.content, headers={"ETag": tag})
        self.answers.append(response.status)
        return response

    @contextlib.asynccontextmanager
    async def running(self, port=0):
        app = web.Application()
        app.router.add_get("/router.json", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


def named(model, url=SOMEWHERE):
    target = {"provider": "p0", "model": "x", "priority": 0}
    return config_bytes(configuration([url], models=[{"id": model, "targets": [target]}]))


def models_of(path):
    return [model.id for model in read_config(path).models]


async def until(condition):
    while not condition():
        await asyncio.sleep(0.01)


def test_given_an_unchanged_configuration_when_asked_again_then_the_request_is_conditional(tmp_path):
    async def twice():
        host, path = RegistryHost(named("one")), tmp_path / "data" / REMOTE_FILE
        async with host.running() as url, ClientSession() as session:
            remote = Remote(f"{url}/", path, token="registry-token")
            assert [await remote.fetch(session), await remote.fetch(session)] == [True, False]
            host.content = named("two")
            assert await remote.fetch(session)
        assert host.answers == [200, 304, 200]
        assert {asked["Authorization"] for asked in host.asked} == {"Bearer registry-token"}
        assert models_of(path) == ["two"]

    run(twice())


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{", "not JSON"),
        (b"[]", "the document"),
        (json.dumps({"routing": {"direct": {"providers": [{"name": "p"}]}}}).encode(), "providers.0.type"),
    ],
)
def test_given_a_bad_configuration_when_fetched_then_it_is_refused_until_a_good_one_comes(
    tmp_path, content, told
):
    async def refused():
        host, path = RegistryHost(named("good")), tmp_path / REMOTE_FILE
        async with host.running() as url, ClientSession() as session:
            remote = Remote(url, path)
            await remote.fetch(session)
            host.content = content
            for _ in range(2):  # the second answer is 304: the bad one is still the newest
                with pytest.raises(SettingsError, match=told) as raised:
                    await remote.fetch(session)
                assert str(raised.value).startswith(f"{url}/router.json: ")
            assert models_of(path) == ["good"]
            host.content = named("mended")
            assert await remote.fetch(session)
        assert host.answers == [200, 200, 304, 200]

    run(refused())


@pytest.mark.parametrize(
    ("status", "told"),
    [(401, "MODELSCAN_REGISTRY_TOKEN"), (404, "REGISTRY_URL"), (302, "answered 302"), (503, "answered 503")],
)
def test_given_another_answer_when_fetched_then_status_and_what_to_do_are_told(tmp_path, status, told):
    async def refused():
        host = RegistryHost(named("one"))
        host.status = status
        async with host.running() as url, ClientSession() as session:
            with pytest.raises(SettingsError, match=told):
                await Remote(url, tmp_path / REMOTE_FILE).fetch(session)
        assert len(host.answers) == 1
        assert not (tmp_path / REMOTE_FILE).exists()

    run(refused())


def test_given_an_endless_answer_when_fetched_then_it_is_given_up_at_the_bound(tmp_path, monkeypatch):
    monkeypatch.setattr("modelscan_catalog.router.remote.MAX_CONFIG_BYTES", 2**20)

    async def bounded():
        host = RegistryHost(b" " * 2**22)
        async with host.running() as url, ClientSession() as session:
            with pytest.raises(SettingsError, match="larger than 1 MiB"):
                await Remote(url, tmp_path / REMOTE_FILE).fetch(session)

    run(bounded())


def test_given_no_registry_when_started_then_the_last_good_configuration_is_taken(tmp_path):
    async def starting():
        path = tmp_path / REMOTE_FILE
        remote = Remote("http://127.0.0.1:9", path, poll_s=0.01, patience_s=0.05)
        with pytest.raises(SettingsError, match=r"127\.0\.0\.1:9/router\.json: no answer"):
            await remote.begin()
        path.write_bytes(named("before"))
        await remote.begin()
        assert models_of(path) == ["before"]

    run(starting())


def test_given_a_registry_that_starts_later_when_started_then_the_router_waits_for_it(tmp_path):
    async def starting():
        host, path = RegistryHost(named("late")), tmp_path / REMOTE_FILE
        async with host.running() as url:
            pass  # a port that is free again
        begun = asyncio.create_task(Remote(url, path, poll_s=0.01).begin())
        await asyncio.sleep(0.05)
        assert not begun.done()
        async with host.running(int(url.rpartition(":")[2])):
            await begun
        assert models_of(path) == ["late"]

    run(starting())


def test_given_a_running_router_when_the_registry_changes_and_breaks_then_requests_are_answered(tmp_path):
    async def following_it():
        async with RawUpstream(answering()).running() as upstream:
            host, path = RegistryHost(named("m", upstream)), tmp_path / REMOTE_FILE
            async with host.running() as url:
                remote = Remote(url, path, poll_s=0.02)
                await remote.begin()
                router = Router(lambda: read_config(path))
                async with (
                    following(remote, router),
                    serving(router, watched=[path]) as port,
                    ClientSession(f"http://127.0.0.1:{port}") as session,
                ):
                    assert (await chat(session))[0] == 200
                    host.content = named("new", upstream)
                    await until(lambda: router.table.config.models[0].id == "new")
                    assert (await chat(session, CHAT | {"model": "new"}))[0] == 200
                    host.content = b"{"
                    await until(lambda: router.remote_problem is not None)
                    async with session.get("/healthz") as answer:
                        health = await answer.json()
                        assert (answer.status, health["status"]) == (200, "serving_previous_config")
                        assert "not JSON" in health["problem"]
                    host.status = 500
                    await until(lambda: "answered 500" in (router.remote_problem or ""))
                    assert (await chat(session, CHAT | {"model": "new"}))[0] == 200
                    host.status, host.content = 200, named("newest", upstream)
                    await until(lambda: router.table.config.models[0].id == "newest")
                    assert router.remote_problem is None

    run(following_it())


def test_given_registry_url_when_checked_by_the_command_then_that_configuration_is_the_one(
    tmp_path, monkeypatch
):
    (tmp_path / "router").mkdir()
    (tmp_path / "router" / REMOTE_FILE).write_bytes(named("kept"))
    monkeypatch.setenv("REGISTRY_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("MODELSCAN_DATA_DIR", str(tmp_path))
    assert "1 models of 1 providers" in CliRunner().invoke(router_command, ["--check"]).stdout


def test_given_an_address_with_credentials_when_started_then_the_setting_is_named(monkeypatch):
    monkeypatch.setenv("REGISTRY_URL", "http://user:secret@registry")
    result = CliRunner().invoke(router_command, ["--check"])
    assert isinstance(result.exception, SettingsError)
    assert "REGISTRY_URL" in str(result.exception)
    assert "secret" not in str(result.exception)


def test_given_a_disk_that_refused_once_when_it_has_room_then_the_same_publish_is_taken(
    tmp_path, monkeypatch
):
    host, path, refusals = RegistryHost(named("a")), tmp_path / REMOTE_FILE, [True]

    def refusing(path, content):
        if refusals:
            refusals.pop()
            raise SettingsError(f"{path}: cannot be written: No space left on device")
        replace_file(path, content)

    async def scenario():
        async with host.running() as url, ClientSession() as session:
            remote = Remote(url, path)
            with pytest.raises(SettingsError, match="No space left"):
                await remote.fetch(session)
            assert await remote.fetch(session)
            assert not await remote.fetch(session)

    monkeypatch.setattr("modelscan_catalog.router.remote.replace_file", refusing)
    run(scenario())
    assert path.read_bytes() == named("a")
    assert host.answers == [200, 200, 304]
