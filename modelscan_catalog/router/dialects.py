"""Which translation stands between the format of a client and the format of a target."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from modelscan_catalog.router import anthropic, messages
from modelscan_catalog.router.stream_usage import asks_for_usage

Dialect = Literal["openai", "anthropic"]


class Stream(Protocol):
    """Translates one stream as it comes; ``usage`` in OpenAI's words once it is known."""

    finished: bool
    usage: dict[str, Any] | None

    def feed(self, data: bytes) -> bytes:
        """What ``data`` completes; raises ``ValueError`` for what cannot be read."""


@dataclass(frozen=True)
class Translation:
    """Request to the target, answer and stream back to the client."""

    request: Callable[[Mapping[str, Any], str], dict[str, Any]]
    answer: Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]
    """Of the target's answer and the client's request."""
    stream: Callable[[Mapping[str, Any]], Stream]


_TRANSLATIONS: dict[tuple[Dialect, Dialect], Translation] = {
    ("openai", "anthropic"): Translation(
        anthropic.messages_request,
        lambda answer, _: anthropic.completion(answer),
        lambda document: anthropic.StreamTranslator(asks_for_usage(document)),
    ),
    ("anthropic", "openai"): Translation(
        lambda document, model: {**messages.chat_request(document), "model": model},
        lambda answer, document: messages.message_answer(answer, messages.wants_thoughts(document)),
        lambda document: messages.MessageStream(messages.wants_thoughts(document)),
    ),
}


def translation(client: Dialect, target: Dialect) -> Translation:
    """What translates between two that do not speak the same."""
    return _TRANSLATIONS[client, target]


TRANSLATED_PATHS: dict[Dialect, str] = {"openai": "/chat/completions", "anthropic": "/messages"}
"""Where targets take what was translated for them."""


def error_body(client: Dialect, status: int, body: dict[str, Any]) -> dict[str, Any]:
    """An error in OpenAI's shape in the shape that the client knows."""
    if client == "openai":
        return body
    return messages.error_answer(status, body["error"]["message"])


def error_event(client: Dialect, status: int, body: dict[str, Any]) -> bytes:
    """An error as the last event of a stream."""
    data = b"data: " + json.dumps(error_body(client, status, body)).encode() + b"\n\n"
    return b"event: error\n" + data if client == "anthropic" else data
