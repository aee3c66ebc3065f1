"""What must not be published in a router configuration."""

import pytest

from modelscan_catalog.router.config import RouterConfig
from modelscan_catalog.router.emit import default_policy
from modelscan_catalog.router.lint import is_loopback, lint_router

TARGET = {"provider": "a", "model": "x"}


def config(models, provider=None, **more):
    seller = {"name": "a", "type": "api", "base_url": "https://a.example/v1", "key": "env:A"}
    return RouterConfig.model_validate(
        {
            "routing": {"direct": {"providers": [provider or seller]}},
            "models": [{"targets": [TARGET], **model} for model in models],
            "policy": default_policy().model_dump(),
            **more,
        }
    )


def codes(*arguments, **options):
    return [fault.code for fault in lint_router(config(*arguments, **options))]


BIG = {"id": "big", "context": 128_000, "input": ["text", "image"], "output": ["text"]}


@pytest.mark.parametrize(
    ("fallback", "found"),
    [
        ({**BIG, "id": "same"}, []),
        ({**BIG, "id": "small", "context": 32_000}, ["lossy_fallback"]),
        ({**BIG, "id": "unknown", "context": None}, ["lossy_fallback"]),
        ({**BIG, "id": "blind", "input": ["text"]}, ["lossy_fallback"]),
        ({**BIG, "id": "old", "deprecated": True}, ["deprecated"]),
    ],
)
def test_given_a_fallback_when_linted_then_it_may_lose_nothing_and_not_be_deprecated(fallback, found):
    assert codes([{**BIG, "fallbacks": [fallback["id"]]}, fallback]) == found


def test_given_a_smaller_fallback_that_is_marked_when_linted_then_it_is_allowed():
    small = {**BIG, "id": "small", "context": 32_000}
    assert codes([{**BIG, "fallbacks": ["small"], "lossy_fallbacks": ["small"]}, small]) == []


def test_given_a_deprecated_default_when_linted_then_it_is_an_error():
    assert codes([{**BIG, "deprecated": True}], default_model="big") == ["deprecated"]


def test_given_a_seller_without_key_or_with_a_key_in_clear_when_linted_then_it_is_an_error():
    seller = {"name": "a", "type": "api", "base_url": "http://a.example/v1"}
    assert codes([BIG], provider=seller) == ["no_key"]
    assert codes([BIG], provider={**seller, "key": "env:A"}) == ["key_in_clear"]
    assert codes([BIG], provider={**seller, "type": "local"}) == []


def test_given_several_keys_when_linted_then_they_count_as_keys_and_must_not_go_in_clear():
    seller = {"name": "a", "type": "api", "base_url": "https://a.example/v1", "keys": ["env:A", "env:B"]}
    assert codes([BIG], provider=seller) == []
    assert codes([BIG], provider={**seller, "base_url": "http://a.example/v1"}) == ["key_in_clear"]


@pytest.mark.parametrize("more", [{"chains": {"simple": ["big"]}}, {"refiners": ["big"]}])
def test_given_a_deprecated_model_in_a_chain_or_among_refiners_when_linted_then_it_is_an_error(more):
    assert codes([{**BIG, "deprecated": True}], **more) == ["deprecated"]


def test_given_two_models_with_one_alias_when_linted_then_both_are_named():
    [fault] = lint_router(config([{**BIG, "aliases": ["x"]}, {**BIG, "id": "b", "aliases": ["x"]}]))
    assert (fault.code, fault.message) == ("ambiguous_name", "means b and big")


@pytest.mark.parametrize(
    ("host", "here"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("example.org", False)],
)
def test_given_a_host_then_loopback_is_told_apart(host, here):
    assert is_loopback(host) is here
