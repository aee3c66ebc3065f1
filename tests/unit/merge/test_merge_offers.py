"""Offers and providers: the seller's terms as they stand, and how to speak to the seller."""

from typing import Any

import pytest
from merge_rows import limits, offer, price, provider

from modelscan_catalog.merge.catalogue import merge_catalogue
from modelscan_catalog.records import Offer, Provider


def sold(**more: Any) -> Offer:
    staged = {"models_dev_providers": [provider("shop")], "models_dev_offers": [offer("shop", "m", **more)]}
    (found,) = merge_catalogue(staged, pairs=()).offers
    return found


def seller(**more: Any) -> Provider:
    (found,) = merge_catalogue({"models_dev_providers": [provider("shop", **more)]}, pairs=()).providers
    return found


@pytest.mark.parametrize(
    ("npm", "api", "expected"),
    [
        ("@ai-sdk/openai-compatible", "https://a.example/v1", ("openai-compatible", "https://a.example/v1")),
        ("@ai-sdk/openai", None, ("openai-compatible", "https://api.openai.com/v1")),
        ("@ai-sdk/anthropic", "https://a.example", ("anthropic-compatible", "https://a.example")),
        ("@ai-sdk/openai-compatible", None, ("openai-compatible", None)),
        ("@ai-sdk/amazon-bedrock", None, ("custom", None)),
        ("never-seen-before", None, ("custom", None)),
        (None, None, ("custom", None)),
    ],
)
def test_a_sellers_wire_format_and_address_come_from_its_client_package(
    npm: str | None, api: str | None, expected: tuple[str, str | None]
) -> None:
    found = seller(npm=npm, api=api)
    assert (found.api_type, found.base_url) == expected


def test_terms_are_passed_on_unchanged() -> None:
    found = sold(price=price(1.5), limits=limits(1000), reasoning=True, status="beta")
    assert (found.price, found.limits, found.status) == (price(1.5), limits(1000), "beta")
    assert (found.capabilities.reasoning, found.capabilities.tool_call) == (True, None)


def test_what_a_seller_does_not_say_is_null() -> None:
    found = sold()
    assert (found.price, found.open_weights, found.status, found.model, found.api_type) == (None,) * 5


def test_an_unknown_word_for_a_status_is_no_status() -> None:
    assert sold(status="retired-maybe").status is None


def test_an_offer_says_where_its_wire_format_differs_from_the_sellers() -> None:
    assert sold(provider_npm="@ai-sdk/anthropic").api_type == "anthropic-compatible"
    assert sold(provider_shape="responses").api_type == "openai-compatible"
    assert sold(provider_api="https://b.example").base_url == "https://b.example"
