"""The JSON of a client's request: read fast, refused with the reason."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json

from modelscan_catalog.router.answers import RouterError
from modelscan_catalog.router.decide import AUTO


def parsed(content: bytes) -> Any:
    """The JSON in ``content``; ``RouterError`` when it holds none.

    Pydantic's parser takes half the time. What it refuses is read again as Python does: that accepts more
    (half a surrogate pair, deep nesting) and says why it refuses in words that clients have seen before.
    """
    try:
        return from_json(content, allow_inf_nan=False, cache_strings="keys")
    except ValueError:
        pass
    try:
        return _DECODER.decode(content.decode())
    except (ValueError, RecursionError) as error:
        raise RouterError(400, "invalid_json", f"the body is not JSON: {error}") from error


def check_chat(document: Mapping[str, Any]) -> None:
    """Raise ``RouterError`` for what is no chat, in OpenAI's format or in Anthropic's."""
    messages = document.get("messages")
    if not isinstance(messages, list) or not messages:
        raise RouterError(400, "invalid_request", "messages must be a list with at least one message")


def check_completion(document: Mapping[str, Any]) -> None:
    """Raise ``RouterError`` for what is no completion."""
    if not isinstance(document.get("prompt"), str | list):
        raise RouterError(400, "invalid_request", "prompt must be a string or a list")


def check_embedding(document: Mapping[str, Any]) -> None:
    """Raise ``RouterError`` for what cannot be embedded."""
    if not isinstance(document.get("input"), str | list):
        raise RouterError(400, "invalid_request", "input must be a string or a list")
    if str(document.get("model")).partition(":")[0] == AUTO:
        raise RouterError(400, "invalid_request", "auto chooses models that chat: name an embedding model")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)
