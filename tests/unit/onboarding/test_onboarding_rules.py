"""Interfaces by rules: every provider of the snapshot, each fact with evidence, nothing guessed."""

import pytest

from modelscan_catalog.onboarding.published import catalogue_of, stored_interfaces
from modelscan_catalog.onboarding.rules import interface_by_rules
from modelscan_catalog.onboarding.tables import interface_tables
from modelscan_catalog.sdk.interface import ProviderInterface, faults
from modelscan_catalog.settings import load_settings
from modelscan_catalog.sources.staged import ModelsDevOffer, ModelsDevProvider

TABLES = interface_tables()


@pytest.fixture(scope="module")
def interfaces() -> dict[str, ProviderInterface]:
    return {one.provider: one for one in stored_interfaces(load_settings())}


def provider(**changes: object) -> ModelsDevProvider:
    values = {"id": "example", "name": "Example", "npm": "@ai-sdk/openai-compatible",
              "api": "https://api.example.com/v1/", "env": ("EXAMPLE_API_KEY",)}  # fmt: skip
    return ModelsDevProvider.model_validate(values | changes)


def offer(name: str, **facts: object) -> ModelsDevOffer:
    return ModelsDevOffer.model_validate({"provider": "example", "id": name, "name": name, **facts})


def test_all_225_providers_pass_the_gate_or_say_what_they_need(
    interfaces: dict[str, ProviderInterface],
) -> None:
    summary = catalogue_of(list(interfaces.values())).summary()
    assert summary["providers"] == len(interfaces) >= 225
    assert summary["by_api_type"] == {
        "anthropic-compatible": 8,
        "custom": 7,
        "openai-compatible": 207,
        "unknown": 3,
    }
    assert summary["with_client"] == 217
    assert len(summary["needs_more"]) == 8  # type: ignore[arg-type]
    for one in interfaces.values():
        assert faults(one) == [], one.provider
        assert one.inferred == (), one.provider


def test_every_fact_of_every_provider_has_evidence(interfaces: dict[str, ProviderInterface]) -> None:
    for one in interfaces.values():
        shown = {entry.field for entry in one.evidence}
        for name in ("api_type", "base_url", "auth", "key_env"):
            assert (name in shown) == bool(getattr(one, name)), (one.provider, name)
        assert {f"parameters.{parameter.name}" for parameter in one.parameters} <= shown


@pytest.mark.parametrize(
    ("name", "kind", "base_url", "scheme", "header", "env"),
    [
        ("openai", "openai-compatible", "https://api.openai.com/v1", "bearer", "Authorization",
         ("OPENAI_API_KEY",)),
        ("anthropic", "anthropic-compatible", "https://api.anthropic.com/v1", "header", "x-api-key",
         ("ANTHROPIC_API_KEY",)),
        ("azure", "openai-compatible", "https://${AZURE_RESOURCE_NAME}.openai.azure.com/openai/v1", "header",
         "api-key", ("AZURE_API_KEY",)),
        ("amazon-bedrock", "custom", "https://bedrock-runtime.${AWS_REGION}.amazonaws.com", "bearer",
         "Authorization", ("AWS_BEARER_TOKEN_BEDROCK",)),
        ("cloudflare-workers-ai", "openai-compatible",
         "https://api.cloudflare.com/client/v4/accounts/${CLOUDFLARE_ACCOUNT_ID}/ai/v1", "bearer",
         "Authorization", ("CLOUDFLARE_API_KEY",)),
        ("privatemode-ai", "openai-compatible", "http://localhost:8080/v1", "bearer", "Authorization",
         ("PRIVATEMODE_API_KEY",)),
    ],
)  # fmt: skip
def test_known_providers_are_as_their_vendors_say(
    interfaces: dict[str, ProviderInterface],
    name: str,
    kind: str,
    base_url: str,
    scheme: str,
    header: str,
    env: tuple[str, ...],
) -> None:
    one = interfaces[name]
    assert (one.api_type, one.base_url, one.key_env) == (kind, base_url, env)
    assert one.auth is not None
    assert (one.auth.scheme, one.auth.name) == (scheme, header)


def test_what_models_dev_states_comes_before_a_packages_default() -> None:
    found = interface_by_rules(provider(npm="@ai-sdk/groq"), [], TABLES)
    assert found.base_url == "https://api.example.com/v1"
    stated = next(entry for entry in found.evidence if entry.field == "base_url")
    assert (stated.standing, stated.source, stated.locator) == ("stated", "models_dev", "example.api")


def test_a_package_that_no_rule_knows_is_not_guessed_to_be_compatible() -> None:
    found = interface_by_rules(provider(npm="@vendor/own-sdk"), [offer("m", tool_call=True)], TABLES)
    assert found.api_type is None
    assert found.auth is None
    assert found.endpoints == ()
    assert found.key_env == ("EXAMPLE_API_KEY",)
    (missing,) = found.missing
    assert missing.startswith("api_type: no rule knows the client package @vendor/own-sdk")


def test_parameters_are_what_at_least_one_model_takes_and_are_counted() -> None:
    offers = [
        offer("a", temperature=True, tool_call=False, reasoning_efforts=("high", "low")),
        offer("b", temperature=True, tool_call=None, reasoning_efforts=("low", "default")),
        offer("c", temperature=False),
    ]
    found = {one.name: one for one in interface_by_rules(provider(), offers, TABLES).parameters}
    assert set(found) == {"temperature", "reasoning_effort"}
    assert found["temperature"].models == 2
    assert found["reasoning_effort"].choices == ("low", "high", "default")


def test_offers_that_speak_another_format_are_counted_apart() -> None:
    offers = [
        offer("a", temperature=True),
        offer("b", provider_npm="@ai-sdk/anthropic", temperature=True),
        offer("c", provider_api="https://other.example.com/v1"),
    ]
    found = interface_by_rules(provider(), offers, TABLES)
    assert found.models == 1
    assert found.other_formats == {"another address": 1, "anthropic-compatible": 1}


def test_the_responses_endpoint_is_known_only_where_something_says_so() -> None:
    def expected(found: ProviderInterface) -> bool | None:
        return next(one.expected for one in found.endpoints if one.operation == "responses")

    assert expected(interface_by_rules(provider(), [offer("a")], TABLES)) is None
    assert expected(interface_by_rules(provider(), [offer("a", provider_shape="responses")], TABLES)) is True
    assert expected(interface_by_rules(provider(npm="@ai-sdk/openai"), [], TABLES)) is True
