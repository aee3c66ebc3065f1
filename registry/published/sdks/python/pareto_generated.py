"""OpenAI-compatible client of pareto; generated from interface 6152af42292a."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Unpack

from modelscan_catalog.sdk import base

ACCESS: Final = base.Access(
    provider="pareto",
    base_url="https://api.paretoinference.com/v1",
    key_env=("PARETO_API_KEY",),
)


class Parameters(base.ChatParameters, total=False):
    reasoning_effort: Literal["low", "high", "max"]
    response_format: Mapping[str, Any]
    temperature: float
    tool_choice: Any
    tools: Sequence[Any]


class ParetoClient(base.OpenAIClient):
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


class AsyncParetoClient(base.AsyncOpenAIClient):
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
