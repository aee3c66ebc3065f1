"""OpenAI-compatible client of tencent-token-plan; generated from interface 16c3b7ea9f5f."""

from collections.abc import Sequence
from typing import Any, Final, Literal, Unpack

from modelscan_catalog.sdk import base

ACCESS: Final = base.Access(
    provider="tencent-token-plan",
    base_url="https://api.lkeap.cloud.tencent.com/plan/v3",
    key_env=("TENCENT_TOKEN_PLAN_API_KEY",),
)


class Parameters(base.ChatParameters, total=False):
    reasoning_effort: Literal["none", "high"]
    temperature: float
    tool_choice: Any
    tools: Sequence[Any]


class TencentTokenPlanClient(base.OpenAIClient):
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


class AsyncTencentTokenPlanClient(base.AsyncOpenAIClient):
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
