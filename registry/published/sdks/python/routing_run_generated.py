"""OpenAI-compatible client of routing-run; generated from interface 15742cd0f749."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Unpack

from modelscan_catalog.sdk import base

ACCESS: Final = base.Access(
    provider="routing-run",
    base_url="https://api.routing.run/v1",
    key_env=("ROUTING_RUN_API_KEY",),
)


class Parameters(base.ChatParameters, total=False):
    response_format: Mapping[str, Any]
    temperature: float
    tool_choice: Any
    tools: Sequence[Any]


class RoutingRunClient(base.OpenAIClient):
    """Blocking."""

    access = ACCESS

    def chat(
        self, model: str, messages: Sequence[base.Message], **more: Unpack[Parameters]
    ) -> base.ChatCompletion:
        """The whole answer."""
        return self._chat(model, messages, more)

    def stream(
        self, model: str, messages: Sequence[base.Message], **more: Unpack[Parameters]
    ) -> base.Stream[base.ChatChunk]:
        """The answer in pieces."""
        return self._stream(model, messages, more)


class AsyncRoutingRunClient(base.AsyncOpenAIClient):
    """For an event loop."""

    access = ACCESS

    async def chat(
        self, model: str, messages: Sequence[base.Message], **more: Unpack[Parameters]
    ) -> base.ChatCompletion:
        """The whole answer."""
        return await self._chat(model, messages, more)

    async def stream(
        self, model: str, messages: Sequence[base.Message], **more: Unpack[Parameters]
    ) -> base.AsyncStream[base.ChatChunk]:
        """The answer in pieces."""
        return await self._stream(model, messages, more)
