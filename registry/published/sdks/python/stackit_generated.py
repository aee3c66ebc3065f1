"""OpenAI-compatible client of stackit; generated from interface 1f4a8e934f48."""

from collections.abc import Sequence
from typing import Any, Final, Literal, Unpack

from modelscan_catalog.sdk import base

ACCESS: Final = base.Access(
    provider="stackit",
    base_url="https://api.openai-compat.model-serving.eu01.onstackit.cloud/v1",
    key_env=("STACKIT_API_KEY",),
)


class Parameters(base.ChatParameters, total=False):
    reasoning_effort: Literal["low", "medium", "high"]
    temperature: float
    tool_choice: Any
    tools: Sequence[Any]


class StackitClient(base.OpenAIClient):
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


class AsyncStackitClient(base.AsyncOpenAIClient):
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
