"""OpenAI-compatible client of kimi-code-plan-global; generated from interface 0c007deddad0."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Unpack

from modelscan_catalog.sdk import base

ACCESS: Final = base.Access(
    provider="kimi-code-plan-global",
    base_url="https://api.kimi.ai/coding/v1",
    key_env=("KIMI_API_KEY",),
)


class Parameters(base.ChatParameters, total=False):
    reasoning_effort: Literal["low", "high", "max"]
    response_format: Mapping[str, Any]
    tool_choice: Any
    tools: Sequence[Any]


class KimiCodePlanGlobalClient(base.OpenAIClient):
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


class AsyncKimiCodePlanGlobalClient(base.AsyncOpenAIClient):
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
