"""router.json is read strictly, written stably, and never holds a literal key."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.router.config import (
    DirectRouting,
    RouterConfig,
    RouterModel,
    RouterProvider,
    Routing,
    Target,
    config_bytes,
    parse_config,
    read_config,
    with_local,
)
from modelscan_catalog.router.emit import default_policy


def document(**changes):
    base = {
        "routing": {
            "mode": "direct",
            "direct": {
                "providers": [
                    {"name": "a", "type": "api", "base_url": "https://a.example/v1", "key": "env:A_KEY"},
                    {
                        "name": "here",
                        "type": "local",
                        "base_url": "http://127.0.0.1:8000/v1",
                        "model": "lab/m",
                        "enabled": False,
                    },
                ]
            },
        },
        "models": [
            {"id": "lab/m", "targets": [{"provider": "here", "model": "m"}, {"provider": "a", "model": "x"}]},
            {"id": "lab/n", "targets": [{"provider": "a", "model": "n"}]},
        ],
        "policy": default_policy().model_dump(),
    }
    return {**base, **changes}


def parsed(**changes):
    return parse_config(json.dumps(document(**changes)).encode())


def test_given_the_documented_shape_when_read_then_it_is_a_configuration():
    config = parsed()
    assert config.providers["here"].model == "lab/m"
    assert config.routing.mode == "direct"


def provider(**changes):
    entry = {"name": "a", "type": "api", "base_url": "https://a.example/v1", **changes}
    return {"mode": "direct", "direct": {"providers": [entry]}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"routing": provider(key="sk-live-1234567890")}, "given by reference"),
        ({"routing": provider(base_url="https://${HOST}/v1")}, "variables"),
        ({"routing": provider(base_url="https://me:pw@a.example")}, "no credentials"),
        ({"routing": provider(base_url="ftp://a")}, "expected http"),
        ({"models": [{"id": "x", "targets": [{"provider": "zz", "model": "x"}]}]}, "no provider is called"),
        ({"models": [{"id": "x", "targets": []}]}, "at least 1 item"),
        ({"default_model": "nobody"}, "not among the models"),
        ({"unheard": 1}, "Extra inputs"),
        ({"schema_version": "2.0.0"}, "schema_version"),
    ],
)
def test_given_a_faulty_configuration_when_read_then_the_field_is_named_and_no_key_repeated(changes, message):
    with pytest.raises(SettingsError, match=message) as raised:
        parsed(**changes)
    assert "sk-live" not in str(raised.value)


def test_given_a_fallback_that_does_not_exist_when_read_then_it_is_refused():
    models = document()["models"]
    models[0]["fallbacks"] = ["lab/none"]
    with pytest.raises(SettingsError, match="cannot be its fallback"):
        parsed(models=models)


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_given_any_bytes_when_read_then_a_configuration_or_a_settings_error_comes(content):
    with pytest.raises(SettingsError):
        parse_config(content)


def test_given_a_missing_file_when_read_then_the_error_names_it(tmp_path):
    with pytest.raises(SettingsError, match=r"none\.json: cannot be read"):
        read_config(tmp_path / "none.json")


names = st.text(alphabet="abcdefghij", min_size=1, max_size=6)
targets = st.builds(
    Target,
    provider=st.just("p"),
    model=names,
    priority=st.integers(0, 5),
    weight=st.floats(0.1, 10),
    context=st.none() | st.integers(1, 10**6),
    input_price=st.none() | st.floats(0, 100),
)
models = st.lists(
    st.builds(
        RouterModel,
        id=names,
        aliases=st.lists(names, max_size=2).map(tuple),
        context=st.none() | st.integers(1, 10**6),
        input=st.just(("text",)),
        targets=st.lists(targets, min_size=1, max_size=3).map(tuple),
    ),
    unique_by=lambda model: model.id,
    max_size=4,
)


@settings(deadline=None)
@given(models)
def test_given_any_configuration_when_written_and_read_then_it_is_the_same_and_so_are_the_bytes(rows):
    seller = RouterProvider(name="p", type="api", base_url="https://p.example/v1", key="env:P")
    config = RouterConfig(
        routing=Routing(direct=DirectRouting(providers=(seller,))),
        models=tuple(rows),
        policy=default_policy(),
    )
    written = config_bytes(config)
    assert parse_config(written) == config
    assert config_bytes(parse_config(written)) == written


def test_given_a_listed_deployment_when_it_runs_somewhere_then_it_is_enabled_there():
    config = with_local(parsed(), "here", "http://127.0.0.1:9999/v1/")
    assert config.providers["here"].enabled
    assert config.providers["here"].base_url == "http://127.0.0.1:9999/v1"


@pytest.mark.parametrize("name", ["nobody", "a"])
def test_given_no_such_local_deployment_when_enabled_then_the_known_ones_are_told(name):
    with pytest.raises(SettingsError, match="there are: here"):
        with_local(parsed(), name, "http://127.0.0.1:1/v1")
