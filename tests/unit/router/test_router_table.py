"""Names resolve to an order of upstream calls; secrets are read once and shown nowhere."""

import random

import pytest

from modelscan_catalog.errors import SettingsError, UnknownIdError
from modelscan_catalog.router.config import RouterConfig
from modelscan_catalog.router.emit import default_policy
from modelscan_catalog.router.table import RouteTable


def table(models, **policy):
    sellers = [
        {"name": name, "type": "api", "base_url": f"https://{name}.example", "key": f"env:{name}_KEY"}
        for name in ("one", "two")
    ]
    document = {
        "routing": {"direct": {"providers": sellers}},
        "models": models,
        "policy": {**default_policy().model_dump(), **policy},
    }
    return RouteTable(RouterConfig.model_validate(document), draw=random.Random(7))


def target(provider, **more):
    return {"provider": provider, "model": f"{provider}-m", **more}


@pytest.fixture(autouse=True)
def _keys(monkeypatch):
    monkeypatch.setenv("one_KEY", "secret-1")
    monkeypatch.setenv("two_KEY", "secret-2")


MODELS = [
    {
        "id": "lab/m",
        "aliases": ["M"],
        "targets": [target("two", priority=1), target("one")],
        "fallbacks": ["lab/n"],
    },
    {"id": "lab/n", "targets": [{"provider": "one", "model": "n"}]},
]


@pytest.mark.parametrize("name", ["lab/m", "M", "LAB/M"])
def test_given_a_model_by_any_name_when_looked_up_then_its_targets_and_then_its_fallbacks_come(name):
    assert [attempt.name for attempt in table(MODELS).attempts(name)] == ["one/one-m", "two/two-m", "one/n"]


def test_given_a_sellers_own_name_when_looked_up_then_only_that_seller_is_called():
    assert [attempt.name for attempt in table(MODELS).attempts("two/two-m")] == ["two/two-m"]


def test_given_a_bound_on_attempts_when_looked_up_then_no_more_are_made():
    assert len(table(MODELS, max_attempts=2).attempts("lab/m")) == 2


def test_given_a_missing_key_when_looked_up_then_its_provider_is_passed_over(monkeypatch):
    monkeypatch.delenv("one_KEY")
    keyless = table(MODELS)
    assert [attempt.name for attempt in keyless.attempts("lab/m")] == ["two/two-m"]
    assert [model.id for model in keyless.usable_models()] == ["lab/m"]
    with pytest.raises(SettingsError, match="env:one_KEY"):
        keyless.attempts("lab/n")


def test_given_an_unknown_name_when_looked_up_then_it_is_told():
    with pytest.raises(UnknownIdError, match="see /v1/models"):
        table(MODELS).attempts("lab/none")


def test_given_an_attempt_when_printed_then_its_key_is_not_in_it():
    [attempt, *_] = table(MODELS).attempts("lab/m")
    assert attempt.keys.select(attempt.target.model).secret == "secret-1"
    assert b"secret-1" in attempt.head("/x", attempt.keys.select(attempt.target.model))
    assert "secret-1" not in repr(attempt)


def test_given_weights_of_nine_to_one_when_drawn_often_then_the_first_calls_follow_them():
    weighted = table([{"id": "m", "targets": [target("one", weight=9), target("two", weight=1)]}])
    first = [weighted.attempts("m")[0].provider.name for _ in range(2000)]
    assert 0.86 < first.count("one") / 2000 < 0.94
