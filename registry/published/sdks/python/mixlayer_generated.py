"""OpenAI-compatible client of mixlayer; generated from interface cb6c83bca057."""

from collections.abc import Sequence
from typing import Any, Final, Unpack

from modelscan_catalog.sdk import base

ACCESS: Final = base.Access(
    provider="mixlayer",
    base_url="https://models.mixlayer.ai/v1",
    key_env=("MIXLAYER_API_KEY",),
)


class Parameters(base.ChatParameters, total=False):
    temperature: float
    tool_choice: Any
    tools: Sequence[Any]


class MixlayerClient(base.OpenAIClient):
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


class AsyncMixlayerClient(base.AsyncOpenAIClient):
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
