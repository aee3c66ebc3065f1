"""OpenAI-compatible client of hetzner; generated from interface 89593e538fd9."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Unpack

from modelscan_catalog.sdk import base

ACCESS: Final = base.Access(
    provider="hetzner",
    base_url="https://inference.hetzner.com/api/v1",
    key_env=("HETZNER_API_KEY",),
)


class Parameters(base.ChatParameters, total=False):
    response_format: Mapping[str, Any]
    temperature: float
    tool_choice: Any
    tools: Sequence[Any]


class HetznerClient(base.OpenAIClient):
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


class AsyncHetznerClient(base.AsyncOpenAIClient):
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
