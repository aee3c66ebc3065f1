"""OpenAI-compatible client of perplexity-agent; generated from interface 65ece6430de9."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Unpack

from modelscan_catalog.sdk import base

ACCESS: Final = base.Access(
    provider="perplexity-agent",
    base_url="https://api.perplexity.ai/v1",
    key_env=("PERPLEXITY_API_KEY",),
)


class Parameters(base.ChatParameters, total=False):
    reasoning_effort: Literal["minimal", "low", "medium", "high", "xhigh", "max"]
    response_format: Mapping[str, Any]
    temperature: float
    tool_choice: Any
    tools: Sequence[Any]


class PerplexityAgentClient(base.OpenAIClient):
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


class AsyncPerplexityAgentClient(base.AsyncOpenAIClient):
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
