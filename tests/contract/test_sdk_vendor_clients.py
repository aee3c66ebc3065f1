"""The vendors' own SDKs and generated clients keep one contract, against one local server."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import anthropic
import openai
import pytest

from modelscan_catalog.onboarding.published import catalogue_of, stored_interfaces
from modelscan_catalog.sdk.check import check_clients
from modelscan_catalog.sdk.contract import TOOL_SCHEMA, Claim, Fault, check_contract
from modelscan_catalog.sdk.interface import ProviderInterface
from modelscan_catalog.sdk.local_provider import LocalProvider
from modelscan_catalog.settings import load_settings

MOST_USED = [
    "openai",
    "anthropic",
    "google",
    "openrouter",
    "vercel",
    "nano-gpt",
    "kilo",
    "amazon-bedrock",
    "deepinfra",
    "groq",
]
"""The two with a vendor's SDK here, the largest custom ones, and the largest sellers by offers."""


@pytest.fixture(scope="module")
def interfaces() -> dict[str, ProviderInterface]:
    return {interface.provider: interface for interface in stored_interfaces(load_settings())}


class OpenAIDriver:
    """The openai SDK in the contract's words."""

    def __init__(self, base_url: str, key: str, silence_s: float) -> None:
        self._options: dict[str, Any] = {"base_url": base_url, "api_key": key, "timeout": silence_s}
        if silence_s < 1:
            self._options["max_retries"] = 0  # it repeats what ran into its deadline
        self._client = openai.OpenAI(**self._options)

    def ask(self, model: str, text: str) -> str:
        answer = self._client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": text}]
        )
        return answer.choices[0].message.content or ""

    def stream(self, model: str, text: str) -> Iterator[str]:
        with self._client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": text}], stream=True
        ) as pieces:
            for piece in pieces:
                yield piece.choices[0].delta.content or ""

    def call_tool(self, model: str) -> tuple[str, str] | None:
        tool: Any = {"type": "function", "function": {"name": "weather", "parameters": TOOL_SCHEMA}}
        answer = self._client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "weather?"}], tools=[tool]
        )
        call: Any = (answer.choices[0].message.tool_calls or [])[0]
        return call.function.name, "Bern" if "Bern" in call.function.arguments else ""

    async def ask_async(self, model: str, text: str) -> str:
        async with openai.AsyncOpenAI(**self._options) as client:
            answer = await client.chat.completions.create(
                model=model, messages=[{"role": "user", "content": text}]
            )
        return answer.choices[0].message.content or ""

    async def stream_async(self, model: str, text: str) -> AsyncIterator[str]:
        async with openai.AsyncOpenAI(**self._options) as client:
            pieces = await client.chat.completions.create(
                model=model, messages=[{"role": "user", "content": text}], stream=True
            )
            async for piece in pieces:
                yield piece.choices[0].delta.content or ""

    def fault(self, error: Exception) -> Fault | None:
        return _fault(openai, error)

    def close(self) -> None:
        self._client.close()


class AnthropicDriver:
    """The anthropic SDK in the contract's words."""

    def __init__(self, base_url: str, key: str, silence_s: float) -> None:
        base_url = base_url.removesuffix("/v1")  # it writes /v1 itself
        self._options: dict[str, Any] = {"base_url": base_url, "api_key": key, "timeout": silence_s}
        if silence_s < 1:
            self._options["max_retries"] = 0
        self._client = anthropic.Anthropic(**self._options)

    def _request(self, model: str, text: str) -> dict[str, Any]:
        return {"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": text}]}

    def ask(self, model: str, text: str) -> str:
        return str(self._client.messages.create(**self._request(model, text)).content[0].text)

    def stream(self, model: str, text: str) -> Iterator[str]:
        with self._client.messages.create(**self._request(model, text), stream=True) as events:
            for event in events:
                if event.type == "content_block_delta":
                    yield event.delta.text

    def call_tool(self, model: str) -> tuple[str, str] | None:
        tool = {"name": "weather", "input_schema": TOOL_SCHEMA}
        answer = self._client.messages.create(**self._request(model, "weather?"), tools=[tool])
        return answer.content[0].name, answer.content[0].input["city"]

    async def ask_async(self, model: str, text: str) -> str:
        async with anthropic.AsyncAnthropic(**self._options) as client:
            answer = await client.messages.create(**self._request(model, text))
        return str(answer.content[0].text)

    async def stream_async(self, model: str, text: str) -> AsyncIterator[str]:
        async with anthropic.AsyncAnthropic(**self._options) as client:
            events = await client.messages.create(**self._request(model, text), stream=True)
            async for event in events:
                if event.type == "content_block_delta":
                    yield event.delta.text

    def fault(self, error: Exception) -> Fault | None:
        return _fault(anthropic, error)

    def close(self) -> None:
        self._client.close()


def _fault(sdk: Any, error: Exception) -> Fault | None:
    """Both SDKs are made by one generator and have the same exceptions."""
    kinds: tuple[tuple[Any, Fault], ...] = (
        (sdk.AuthenticationError, "authentication"),
        (sdk.RateLimitError, "rate_limit"),
        (sdk.InternalServerError, "server"),
        (sdk.BadRequestError, "request"),
        (sdk.APITimeoutError, "deadline"),
    )
    named = next((fault for kind, fault in kinds if isinstance(error, kind)), None)
    if named is None and type(error).__name__ in ("RemoteProtocolError", "ReadError", "APIConnectionError"):
        return "broken_stream"  # the transport's own exception comes through
    return named


def test_the_ten_most_used_providers_have_clients_that_keep_the_contract_and_type_check(
    interfaces: dict[str, ProviderInterface],
) -> None:
    catalogue = catalogue_of([interfaces[name] for name in MOST_USED])
    checked = check_clients(catalogue.pairs)
    assert {one.client.provider for one in checked} == set(MOST_USED)
    for one in checked:
        assert one.findings == (), one.client.provider
        assert one.types is True
        assert len(one.claims) >= 11


@pytest.mark.parametrize(
    ("provider", "connect"), [("openai", OpenAIDriver), ("anthropic", AnthropicDriver)], ids=str
)
def test_the_vendors_own_sdk_keeps_the_same_contract(
    interfaces: dict[str, ProviderInterface], provider: str, connect: Any
) -> None:
    with LocalProvider().running() as local:
        claims = check_contract(local, interfaces[provider], connect)
    # An SDK hands on what is not JSON as it came; that is the one claim that only generated clients make.
    broken = [claim for claim in claims if not claim.passed and claim.name != "what is not an answer is told"]
    assert broken == []
    assert len(claims) == 16


def test_a_client_that_shows_its_key_in_the_wrong_place_breaks_the_contract(
    interfaces: dict[str, ProviderInterface],
) -> None:
    assert interfaces["azure"].auth != interfaces["openai"].auth
    with LocalProvider().running() as local:
        claims: list[Claim] = check_contract(local, interfaces["azure"], OpenAIDriver)
    assert not next(claim for claim in claims if claim.name == "a whole answer").passed
