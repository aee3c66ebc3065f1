"""Anthropic-compatible client of minimax-cn-coding-plan; generated from interface 666264a6abde."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Unpack

from modelscan_catalog.sdk import base

ACCESS: Final = base.Access(
    provider="minimax-cn-coding-plan",
    base_url="https://api.minimax.cn/anthropic/v1",
    key_env=("MINIMAX_API_KEY",),
    auth="header",
    auth_name="x-api-key",
    headers={"anthropic-version": "2023-06-01"},
)


class Parameters(base.MessageParameters, total=False):
    temperature: float
    thinking: Mapping[str, Any]
    tool_choice: Mapping[str, Any]
    tools: Sequence[Any]


class MinimaxCnCodingPlanClient(base.AnthropicClient):
    """Blocking."""

    access = ACCESS

    def message(
        self, model: str, messages: Sequence[base.Turn], max_tokens: int, **more: Unpack[Parameters]
    ) -> base.MessageAnswer:
        """The whole answer."""
        return self._message(model, messages, max_tokens, more)

    def stream(
        self, model: str, messages: Sequence[base.Turn], max_tokens: int, **more: Unpack[Parameters]
    ) -> base.Stream[base.MessageEvent]:
        """The answer in events."""
        return self._stream(model, messages, max_tokens, more)


class AsyncMinimaxCnCodingPlanClient(base.AsyncAnthropicClient):
    """For an event loop."""

    access = ACCESS

    async def message(
        self, model: str, messages: Sequence[base.Turn], max_tokens: int, **more: Unpack[Parameters]
    ) -> base.MessageAnswer:
        """The whole answer."""
        return await self._message(model, messages, max_tokens, more)

    async def stream(
        self, model: str, messages: Sequence[base.Turn], max_tokens: int, **more: Unpack[Parameters]
    ) -> base.AsyncStream[base.MessageEvent]:
        """The answer in events."""
        return await self._stream(model, messages, max_tokens, more)
