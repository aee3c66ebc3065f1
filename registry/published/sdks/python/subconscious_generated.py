"""Anthropic-compatible client of subconscious; generated from interface cb9baac04e0a."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Unpack

from modelscan_catalog.sdk import base

ACCESS: Final = base.Access(
    provider="subconscious",
    base_url="https://api.subconscious.dev/v1",
    key_env=("SUBCONSCIOUS_API_KEY",),
    auth="header",
    auth_name="x-api-key",
    headers={"anthropic-version": "2023-06-01"},
)


class Parameters(base.MessageParameters, total=False):
    temperature: float
    thinking: Mapping[str, Any]
    tool_choice: Mapping[str, Any]
    tools: Sequence[Any]


class SubconsciousClient(base.AnthropicClient):
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


class AsyncSubconsciousClient(base.AsyncAnthropicClient):
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
