"""Keys: read from where they lie, shown only where they may be, never told."""

import httpx
import pytest
from sdk_samples import evidence, interface

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.sdk import base
from modelscan_catalog.sdk.check import load_client
from modelscan_catalog.sdk.contract import client_classes
from modelscan_catalog.sdk.errors import (
    ConnectionFailedError,
    MissingKeyError,
    RateLimitError,
    RequestError,
    WithheldKeyError,
)
from modelscan_catalog.sdk.render import generate
from modelscan_catalog.sdk.transport import _may_pass

KEY = "sk-very-secret-0123456789"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXAMPLE_KEY", KEY)


class Example(base.OpenAIClient):
    access = base.Access("example", "https://api.example.com/v1", key_env=("EXAMPLE_KEY",))


def test_the_key_is_read_from_the_providers_own_variable_and_a_literal_is_refused_unrepeated() -> None:
    with Example() as client:
        assert client.address.headers()["Authorization"] == f"Bearer {KEY}"
    with pytest.raises(ValueError, match="by reference") as refused:
        Example(KEY)
    assert KEY not in str(refused.value)


def test_without_a_key_the_error_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EXAMPLE_KEY")
    with Example() as client, pytest.raises(MissingKeyError, match="set EXAMPLE_KEY"):
        client.models()


def test_a_key_never_travels_over_plain_http_but_on_loopback() -> None:
    with pytest.raises(WithheldKeyError, match="plain http"):
        Example(base_url="http://api.example.com/v1")
    Example(base_url="http://127.0.0.1:1/v1").close()


def test_an_interface_with_inferred_facts_gets_no_key_until_somebody_has_confirmed_it() -> None:
    fields = [evidence(name) for name in ("api_type", "auth", "endpoints.chat")]
    inferred = interface(evidence=(*fields, evidence("base_url", "inferred")))
    client, _ = client_classes(load_client(generate(inferred)))
    with client() as quiet:
        assert "Authorization" not in quiet.address.headers()
        with pytest.raises(MissingKeyError):
            quiet.models()
    with pytest.raises(WithheldKeyError, match="nobody has confirmed"):
        client("env:EXAMPLE_KEY")
    confirmed = inferred.model_copy(update={"confirmed": True})
    trusted, _ = client_classes(load_client(generate(confirmed)))
    with trusted() as client_of_confirmed:
        assert KEY in client_of_confirmed.address.headers()["Authorization"]


def test_a_refusal_that_repeats_the_key_is_told_without_it() -> None:
    with Example() as client:
        body = f'{{"error": {{"message": "bad key {KEY}", "code": "{KEY}"}}}}'.encode()
        error = client.address.refusal(400, {}, body)
    assert isinstance(error, RequestError)
    assert KEY not in f"{error} {error.code} {error.detail} {error!r}"


def test_account_variables_of_the_address_are_filled_in_or_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Account(base.OpenAIClient):
        access = base.Access("example", "https://api.example.com/${ACCOUNT}/v1", key_env=("EXAMPLE_KEY",))

    with pytest.raises(MissingKeyError, match="ACCOUNT"):
        Account()
    with Account(variables={"ACCOUNT": "a1"}) as client:
        assert client.address.url("chat") == "https://api.example.com/a1/v1/chat/completions"
    monkeypatch.setenv("ACCOUNT", "a2")
    with Account() as client, pytest.raises(SettingsError, match="known are chat, embeddings"):
        client.address.url("nosuch")


def test_what_was_not_answered_is_tried_again_and_what_may_be_running_is_not() -> None:
    assert _may_pass(ConnectionFailedError("x"))
    assert _may_pass(RateLimitError("x", 429, retry_after_s=1))
    assert not _may_pass(RateLimitError("x", 429, retry_after_s=3600))
    assert not _may_pass(RequestError("x", 400))


def test_extra_fields_reach_the_request_and_nothing_else_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json={"choices": []})

    client, _ = client_classes(load_client(generate(interface())))
    with client() as made:
        made._http = httpx.Client(transport=httpx.MockTransport(answer))
        made.chat("m", [{"role": "user", "content": "x"}], temperature=0.5, extra_body={"own": 1})
    assert httpx.Response(200, content=sent[0].content).json() == {
        "model": "m",
        "messages": [{"role": "user", "content": "x"}],
        "temperature": 0.5,
        "own": 1,
    }
