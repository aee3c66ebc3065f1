"""Deployments beside router.json: what they change, what is refused, and a running router that follows."""

import asyncio
import contextlib
import json
import threading

import aiohttp
import pytest
from router_samples import sample_config
from router_serving import RawUpstream, answering, chat, configuration, run

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.router.app import Router
from modelscan_catalog.router.config import config_bytes
from modelscan_catalog.router.deployments import (
    DEPLOYMENTS_FILE,
    list_deployments,
    register_deployment,
    remove_deployment,
    with_deployments,
)
from modelscan_catalog.router.overlays import overlay_files, read_overlaid
from modelscan_catalog.router.server import serving
from modelscan_catalog.router.table import RouteTable

URL = "http://127.0.0.1:8000/v1"


def overlaid(folder):
    return with_deployments(sample_config(), list_deployments(folder))


def test_given_prices_when_the_engine_is_registered_again_then_they_stay_until_others_are_given(tmp_path):
    register_deployment(tmp_path, "mine", "lab/big", URL, input_price=0.2, output_price=0.4)
    register_deployment(tmp_path, "mine", "lab/big", URL, context=1000)
    (route, *_) = RouteTable(overlaid(tmp_path)).attempts("lab/big")
    assert (route.target.input_price, route.target.output_price, route.context) == (0.2, 0.4, 1000)
    register_deployment(tmp_path, "mine", "lab/big", URL, input_price=0.3, output_price=0.4)
    assert list_deployments(tmp_path)[0].input_price == 0.3


def first_targets(config, name):
    return [route.name for route in RouteTable(config).attempts(name)]


def test_given_a_deployment_of_a_known_model_when_laid_over_then_it_is_tried_before_every_seller(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("ACME_API_KEY", "k")
    register_deployment(tmp_path, "mine", "lab/big", URL, served_model="big-q4", context=32768)
    assert first_targets(overlaid(tmp_path), "lab/big")[0] == "local/mine/big-q4"
    assert first_targets(overlaid(tmp_path), "big-q4")[0] == "local/mine/big-q4"


def test_given_an_alias_when_registered_then_the_model_that_bears_it_gets_the_target(tmp_path):
    register_deployment(tmp_path, "mine", "big", URL)
    config = overlaid(tmp_path)
    assert [model.id for model in config.models] == [model.id for model in sample_config().models]
    assert first_targets(config, "lab/big")[0] == "local/mine/mine"


def test_given_a_model_unknown_to_the_catalogue_when_registered_then_it_is_served_by_its_own_id(tmp_path):
    register_deployment(tmp_path, "tuned", "me/tuned-7b", URL, context=8192, input=["text"])
    config = overlaid(tmp_path)
    [model] = [model for model in config.models if model.id == "me/tuned-7b"]
    assert (model.context, model.input, model.aliases) == (8192, ("text",), ("tuned",))
    assert first_targets(config, "me/tuned-7b") == ["local/tuned/tuned"]


def test_given_two_deployments_of_a_model_when_laid_over_then_both_share_its_first_place(tmp_path):
    register_deployment(tmp_path, "a", "lab/big", URL)
    register_deployment(tmp_path, "b", "lab/big", "http://127.0.0.1:8001/v1", weight=3)
    [model] = [model for model in overlaid(tmp_path).models if model.id == "lab/big"]
    assert {target.provider: target.priority for target in model.targets} == {
        "local/a": 0,
        "local/b": 0,
        "local/big/vllm": 1,
        "acme": 2,
        "filed": 3,
        "local/off/vllm": 4,
    }


def test_given_deployments_when_laid_over_twice_then_each_is_tried_once_and_first(tmp_path):
    register_deployment(tmp_path, "mine", "lab/big", URL)
    register_deployment(tmp_path, "other", "lab/big", URL)
    register_deployment(tmp_path, "alone", "lab/new", URL)
    twice = with_deployments(overlaid(tmp_path), list_deployments(tmp_path))
    once, again = (
        {model.id: [target.provider for target in model.targets] for model in config.models}
        for config in (overlaid(tmp_path), twice)
    )
    assert once == again
    assert again["lab/new"] == ["local/alone"]


def test_given_the_same_name_again_when_registered_then_the_new_address_replaces_the_old(tmp_path):
    register_deployment(tmp_path, "mine", "lab/big", URL)
    register_deployment(tmp_path, "mine", "lab/big", "http://127.0.0.1:9000/v1/")
    assert [one.base_url for one in list_deployments(tmp_path)] == ["http://127.0.0.1:9000/v1"]


def test_given_a_removed_deployment_when_laid_over_then_nothing_is_left_of_it(tmp_path):
    register_deployment(tmp_path, "mine", "lab/big", URL)
    assert remove_deployment(tmp_path, "mine")
    assert not remove_deployment(tmp_path, "mine")
    assert overlaid(tmp_path) == sample_config()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"key_ref": "sk-literal-secret"}, "env:NAME"),
        ({"base_url": "127.0.0.1:8000"}, "base_url"),
        ({"base_url": "http://u:p@host/v1"}, "no credentials"),
        ({"name": "a b"}, "name"),
        ({"base_url": "http://engines.example.org/v1", "key_ref": "env:K"}, "use https"),
        ({"base_url": "http://[2001:4860::1]/v1", "key_ref": "env:K"}, "use https"),
    ],
)
def test_given_a_field_that_cannot_be_used_when_registered_then_it_is_told_and_nothing_is_written(
    tmp_path, fields, told
):
    with pytest.raises(SettingsError, match=told) as raised:
        register_deployment(tmp_path, **{"name": "mine", "model": "lab/big", "base_url": URL, **fields})
    assert "sk-literal" not in str(raised.value)
    assert not (tmp_path / DEPLOYMENTS_FILE).exists()


@pytest.mark.parametrize("host", ["10.1.2.3", "gpustack", "model.ns.svc.cluster.local", "[fd00::1]"])
def test_given_an_engine_of_the_own_network_when_registered_with_a_key_then_plain_http_is_allowed(
    tmp_path, host
):
    assert register_deployment(tmp_path, "mine", "lab/big", f"http://{host}:80/v1", "env:K").key == "env:K"


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"deployments": [{"name": "x"}]}', b'{"more": 1}'])
def test_given_a_damaged_file_when_read_or_written_then_the_error_names_it_and_it_stays(tmp_path, content):
    path = tmp_path / DEPLOYMENTS_FILE
    path.write_bytes(content)
    for attempt in (
        lambda: list_deployments(tmp_path),
        lambda: register_deployment(tmp_path, "mine", "lab/big", URL),
    ):
        with pytest.raises(SettingsError, match=DEPLOYMENTS_FILE):
            attempt()
    assert path.read_bytes() == content


def test_given_many_writers_at_once_when_all_are_done_then_no_deployment_is_lost(tmp_path):
    writers = [
        threading.Thread(target=register_deployment, args=(tmp_path, f"d{n}", "lab/big", URL))
        for n in range(12)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(list_deployments(tmp_path)) == 12
    assert {path.name for path in tmp_path.iterdir()} <= {DEPLOYMENTS_FILE, f".{DEPLOYMENTS_FILE}.lock"}


def test_given_a_running_router_when_a_deployment_comes_and_goes_then_it_follows_by_itself(tmp_path):
    path = tmp_path / "router.json"

    async def following():
        async with contextlib.AsyncExitStack() as stack:
            ups = [RawUpstream(answering()) for _ in range(2)]
            seller, engine = [await stack.enter_async_context(up.running()) for up in ups]
            path.write_bytes(config_bytes(configuration([seller])))
            router = Router(lambda: read_overlaid(path, tmp_path))
            port = await stack.enter_async_context(serving(router, watched=[path, *overlay_files(tmp_path)]))
            session = await stack.enter_async_context(aiohttp.ClientSession(f"http://127.0.0.1:{port}"))
            assert (await chat(session))[0] == 200
            register_deployment(tmp_path, "mine", "m", engine)
            await until(session, "local/mine/mine")
            (tmp_path / DEPLOYMENTS_FILE).write_text("{")
            await asyncio.sleep(1.2)
            await until(session, "local/mine/mine")
            async with session.get("/health") as health:
                assert DEPLOYMENTS_FILE in (await health.json())["problem"]
            (tmp_path / DEPLOYMENTS_FILE).unlink()
            await until(session, "p0/x")
            return [json.loads(body)["model"] for body in ups[1].bodies]

    assert set(run(following())) == {"mine"}


async def until(session, target):
    """Ask until ``target`` answers; the test's time limit bounds it."""
    while True:
        body = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
        async with session.post("/v1/chat/completions", json=body) as answer:
            assert answer.status == 200
            if answer.headers["X-ModelScan-Target"] == target:
                return
        await asyncio.sleep(0.05)
