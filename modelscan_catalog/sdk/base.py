"""What generated clients inherit: one pair of classes for each format, blocking and for an event loop."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypedDict

from modelscan_catalog.sdk.access import Access
from modelscan_catalog.sdk.streaming import (
    AsyncStream,
    ChatReader,
    JsonReader,
    MessageReader,
    Stream,
)
from modelscan_catalog.sdk.transport import AsyncClient, Client
from modelscan_catalog.sdk.types import (
    ChatChunk,
    ChatCompletion,
    Embeddings,
    JsonObject,
    ListedModels,
    Message,
    MessageAnswer,
    MessageEvent,
    Turn,
)

__all__ = [
    "ANTHROPIC_PATHS", "OPENAI_PATHS", "Access", "AnthropicClient", "AsyncAnthropicClient",
    "AsyncOpenAIClient", "AsyncRestClient", "AsyncStream", "ChatChunk", "ChatCompletion", "ChatParameters",
    "JsonObject", "Message", "MessageAnswer", "MessageEvent", "MessageParameters", "OpenAIClient",
    "RestClient", "Stream", "Turn",
]  # fmt: skip

OPENAI_PATHS: Final[Mapping[str, str]] = {
    "chat": "/chat/completions",
    "responses": "/responses",
    "embeddings": "/embeddings",
    "models": "/models",
}
"""Below the base URL; https://platform.openai.com/docs/api-reference."""
ANTHROPIC_PATHS: Final[Mapping[str, str]] = {"chat": "/messages", "models": "/models"}
"""Below the base URL; https://docs.anthropic.com/en/api/messages."""


class ChatParameters(TypedDict, total=False):
    """What every OpenAI-compatible provider takes; ``extra_body`` holds fields of its own."""

    max_tokens: int
    stop: str | Sequence[str]
    extra_body: Mapping[str, Any]


class MessageParameters(TypedDict, total=False):
    """What every Anthropic-compatible provider takes; ``extra_body`` holds fields of its own."""

    system: str
    stop_sequences: Sequence[str]
    extra_body: Mapping[str, Any]


def _body(parameters: Mapping[str, object], **given: Any) -> dict[str, Any]:
    body = {**given, **parameters}
    extra = body.pop("extra_body", None) or {}
    assert isinstance(extra, Mapping)
    return {**body, **extra}


class OpenAIClient(Client):
    """Chat completions, embeddings and the model list of an OpenAI-compatible provider."""

    usual_paths = OPENAI_PATHS

    def _chat(
        self, model: str, messages: Sequence[Message], parameters: Mapping[str, object]
    ) -> ChatCompletion:
        return self.ask("chat", ChatCompletion, _body(parameters, model=model, messages=messages))

    def _stream(
        self, model: str, messages: Sequence[Message], parameters: Mapping[str, object]
    ) -> Stream[ChatChunk]:
        body = _body(parameters, model=model, messages=messages, stream=True)
        return self.events("chat", ChatReader, body)

    def respond(self, body: JsonObject) -> JsonObject:
        """The provider's own answer to a Responses request; not every provider has this endpoint."""
        answer: JsonObject = self.ask("responses", dict, body)
        return answer

    def embed(self, model: str, texts: Sequence[str]) -> Embeddings:
        """A vector of each text; not every provider has this endpoint."""
        return self.ask("embeddings", Embeddings, {"model": model, "input": list(texts)})

    def models(self) -> ListedModels:
        """What the provider says it serves; not every provider has this endpoint."""
        return self.ask("models", ListedModels)


class AsyncOpenAIClient(AsyncClient):
    """``OpenAIClient`` for an event loop."""

    usual_paths = OPENAI_PATHS

    async def _chat(
        self, model: str, messages: Sequence[Message], parameters: Mapping[str, object]
    ) -> ChatCompletion:
        return await self.ask("chat", ChatCompletion, _body(parameters, model=model, messages=messages))

    async def _stream(
        self, model: str, messages: Sequence[Message], parameters: Mapping[str, object]
    ) -> AsyncStream[ChatChunk]:
        body = _body(parameters, model=model, messages=messages, stream=True)
        return await self.events("chat", ChatReader, body)

    async def respond(self, body: JsonObject) -> JsonObject:
        """The provider's own answer to a Responses request; not every provider has this endpoint."""
        answer: JsonObject = await self.ask("responses", dict, body)
        return answer

    async def embed(self, model: str, texts: Sequence[str]) -> Embeddings:
        """A vector of each text; not every provider has this endpoint."""
        return await self.ask("embeddings", Embeddings, {"model": model, "input": list(texts)})

    async def models(self) -> ListedModels:
        """What the provider says it serves; not every provider has this endpoint."""
        return await self.ask("models", ListedModels)


class AnthropicClient(Client):
    """Messages of an Anthropic-compatible provider."""

    usual_paths = ANTHROPIC_PATHS

    def _message(
        self, model: str, messages: Sequence[Turn], max_tokens: int, parameters: Mapping[str, object]
    ) -> MessageAnswer:
        body = _body(parameters, model=model, messages=messages, max_tokens=max_tokens)
        return self.ask("chat", MessageAnswer, body)

    def _stream(
        self, model: str, messages: Sequence[Turn], max_tokens: int, parameters: Mapping[str, object]
    ) -> Stream[MessageEvent]:
        body = _body(parameters, model=model, messages=messages, max_tokens=max_tokens, stream=True)
        return self.events("chat", MessageReader, body)


class AsyncAnthropicClient(AsyncClient):
    """``AnthropicClient`` for an event loop."""

    usual_paths = ANTHROPIC_PATHS

    async def _message(
        self, model: str, messages: Sequence[Turn], max_tokens: int, parameters: Mapping[str, object]
    ) -> MessageAnswer:
        body = _body(parameters, model=model, messages=messages, max_tokens=max_tokens)
        return await self.ask("chat", MessageAnswer, body)

    async def _stream(
        self, model: str, messages: Sequence[Turn], max_tokens: int, parameters: Mapping[str, object]
    ) -> AsyncStream[MessageEvent]:
        body = _body(parameters, model=model, messages=messages, max_tokens=max_tokens, stream=True)
        return await self.events("chat", MessageReader, body)


class RestClient(Client):
    """Endpoints of a custom interface: JSON objects in and out."""

    def _call(
        self, operation: str, body: JsonObject | None, model: str, query: Mapping[str, str]
    ) -> JsonObject:
        answer: JsonObject = self.ask(operation, dict, body, model=model, query=query)
        return answer

    def _stream(
        self, operation: str, body: JsonObject, model: str, query: Mapping[str, str]
    ) -> Stream[JsonObject]:
        return self.events(operation, JsonReader, body, model=model, query=query)


class AsyncRestClient(AsyncClient):
    """``RestClient`` for an event loop."""

    async def _call(
        self, operation: str, body: JsonObject | None, model: str, query: Mapping[str, str]
    ) -> JsonObject:
        answer: JsonObject = await self.ask(operation, dict, body, model=model, query=query)
        return answer

    async def _stream(
        self, operation: str, body: JsonObject, model: str, query: Mapping[str, str]
    ) -> AsyncStream[JsonObject]:
        return await self.events(operation, JsonReader, body, model=model, query=query)
