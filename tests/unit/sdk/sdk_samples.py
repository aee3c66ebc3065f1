"""Interfaces for tests of the generator."""

from typing import Any

from modelscan_catalog.sdk.interface import Auth, Endpoint, Evidence, Parameter, ProviderInterface

CHAT = Endpoint(operation="chat", method="POST", path="/chat/completions", expected=True)


def interface(**changes: Any) -> ProviderInterface:
    """An OpenAI-compatible provider, with ``changes``; every fact has its evidence."""
    values: dict[str, Any] = {
        "provider": "example",
        "name": "Example",
        "api_type": "openai-compatible",
        "base_url": "https://api.example.com/v1",
        "auth": Auth(scheme="bearer"),
        "key_env": ("EXAMPLE_KEY",),
        "endpoints": (CHAT,),
        "parameters": (Parameter(name="temperature", kind="number"),),
    } | changes
    fields = ["api_type", "base_url", "auth", *(f"endpoints.{one.operation}" for one in values["endpoints"])]
    values.setdefault("evidence", tuple(evidence(field) for field in fields))
    return ProviderInterface(**values)


def evidence(field: str, standing: Any = "stated") -> Evidence:
    """Evidence for one field."""
    return Evidence(field=field, standing=standing, source="test", locator="test", rule="test")
