"""Interfaces out of OpenAPI documents: what they state, and nothing from outside them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.errors import DocumentError
from modelscan_catalog.onboarding.combine import filled, open_fields, with_missing
from modelscan_catalog.onboarding.openapi import interface_from_openapi
from modelscan_catalog.onboarding.tables import interface_tables
from modelscan_catalog.sdk.check import check_clients
from modelscan_catalog.sdk.interface import Auth, ProviderInterface, faults
from modelscan_catalog.sdk.render import generate


def body(*fields: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in fields}}
    return {"requestBody": {"content": {"application/json": {"schema": schema}}}}


def document(paths: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "openapi": "3.1.0",
        "info": {"title": "Example", "version": "1"},
        "servers": [{"url": "https://api.example.com"}],
        "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
        "paths": paths,
    } | more


def read(value: dict[str, Any]) -> ProviderInterface:
    return interface_from_openapi(json.dumps(value).encode(), "spec.json", "example")


def test_an_openai_compatible_document_gives_address_endpoints_and_parameters() -> None:
    chat = {
        "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Chat"}}}}
    }
    base = {"properties": {"model": {"type": "string"}, "messages": {"type": "array"}}}
    own = {
        "properties": {
            "temperature": {"type": "number"},
            "effort": {"type": "string", "enum": ["low", "high"]},
            "seed": {"type": ["integer", "null"]},
        }
    }
    found = read(
        document(
            {
                "/api/v1/chat/completions": {"post": chat},
                "/api/v1/models": {"get": {}},
                "/other": {"get": {}},
            },
            components={
                "schemas": {"Base": base, "Chat": {"allOf": [{"$ref": "#/components/schemas/Base"}, own]}},
                "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}},
            },
        )
    )
    assert found.api_type == "openai-compatible"
    assert found.base_url == "https://api.example.com/api/v1"
    assert found.auth == Auth(scheme="header", name="X-Key")
    assert {(one.operation, one.path) for one in found.endpoints} == {
        ("chat", "/chat/completions"),
        ("models", "/models"),
    }
    kinds = {one.name: (one.kind, one.choices) for one in found.parameters}
    assert kinds == {
        "temperature": ("number", ()),
        "effort": ("choice", ("low", "high")),
        "seed": ("any", ()),
    }
    assert faults(found) == []


def test_an_anthropic_compatible_document_is_told_by_what_its_messages_endpoint_takes() -> None:
    found = read(document({"/v1/messages": {"post": body("messages", "max_tokens")}}))
    assert found.api_type == "anthropic-compatible"
    assert read(document({"/v1/messages": {"post": body("text")}})).api_type == "custom"


def test_a_custom_document_becomes_a_client_that_keeps_the_contract() -> None:
    stream = {"responses": {"200": {"content": {"text/event-stream": {}}}}, "operationId": "streamText"}
    found = read(
        document(
            {
                "/v1/{model}/generate": {"post": {"operationId": "generateText"}},
                "/v1/stream": {"post": stream},
                "/v1/jobs/{job}": {"get": {}},
                "/v1/models": {"get": {}},
            }
        )
    )
    assert [one.operation for one in found.endpoints] == ["get_v1_models", "stream_text", "generate_text"]
    (checked,) = check_clients([(generate(found), found)], types=False)
    assert checked.findings == ()


def test_yaml_and_server_variables_are_read() -> None:
    text = (
        "openapi: 3.0.3\ninfo: {title: X, version: '1'}\n"
        "servers:\n- url: https://{region}.example.com/{tenant}\n"
        "  variables: {region: {default: eu}, tenant: {}}\npaths: {}\n"
    )
    found = interface_from_openapi(text.encode(), "spec.yaml", "example")
    assert found.base_url == "https://eu.example.com/${TENANT}"


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"swagger": "2.0"}', b"\xff\xfe", b"x" * 9_000_000, b'{"a":' + b"[" * 100_000],
    ids=["nothing", "a list", "no version", "OpenAPI 2", "no text", "too large", "nested"],
)  # fmt: skip
def test_what_is_no_openapi_3_document_is_refused(content: bytes) -> None:
    with pytest.raises(DocumentError):
        interface_from_openapi(content, "spec", "example")


def test_references_outside_the_document_or_in_a_circle_are_not_followed() -> None:
    outside = {"requestBody": {"$ref": "https://attacker.example/x.json#/a"}}
    assert read(document({"/chat/completions": {"post": outside}})).api_type == "custom"
    circle = document({"/chat/completions": {"post": {"requestBody": {"$ref": "#/a"}}}})
    with pytest.raises(DocumentError, match="circle"):
        read(circle | {"a": {"$ref": "#/b"}, "b": {"$ref": "#/a"}})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.sampled_from(["servers", "paths", "components", "security", "info"]), json_values, max_size=5
    ),
    st.dictionaries(st.sampled_from(["requestBody", "responses", "operationId"]), json_values, max_size=3),
)
def test_any_document_gives_an_interface_or_a_clear_refusal(
    parts: dict[str, Any], operation: dict[str, Any]
) -> None:
    value = document({"/v1/chat/completions": {"post": operation}}) | parts
    try:
        found = read(value)
    except DocumentError:
        return
    assert found.provider == "example"


def test_what_the_rules_know_is_not_replaced_by_a_document() -> None:
    known = with_missing(
        read(document({"/chat/completions": {"post": body("messages")}})).model_copy(
            update={"base_url": "https://known.example.com/v1"}
        )
    )
    other = read(document({"/v1/messages": {"post": body("messages", "max_tokens")}}))
    assert filled(known, other, interface_tables()) == known
    opened = known.model_copy(update={"base_url": None, "endpoints": ()})
    joined = filled(opened, other, interface_tables())
    assert joined.base_url == "https://api.example.com/v1"
    assert {one.operation for one in joined.endpoints} == {"chat", "responses", "embeddings", "models"}
    assert open_fields(joined) == ()
