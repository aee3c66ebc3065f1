"""What every client must do against a provider in its shape: one list of claims for all clients.

A driver says how one client is called; the vendors' own SDKs have theirs in the tests.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, Protocol

from modelscan_catalog.sdk import errors
from modelscan_catalog.sdk.interface import ProviderInterface
from modelscan_catalog.sdk.local_provider import LocalProvider
from modelscan_catalog.store import write_bytes

KEY = "contract-key-0123456789"
TEXT = "Grüezi 漢字 🙂 'quoted' \u2028 end"
"""U+2028 ends a line for Python, and must not end one of a stream."""
_SILENCE_S = 0.05

Fault = Literal["authentication", "request", "rate_limit", "server", "answer", "broken_stream", "deadline"]


class Driver(Protocol):
    """One client, called in the words of the contract; ``fault`` names what an exception means."""

    def ask(self, model: str, text: str) -> str: ...
    def stream(self, model: str, text: str) -> Iterator[str]: ...
    def call_tool(self, model: str) -> tuple[str, str] | None: ...
    async def ask_async(self, model: str, text: str) -> str: ...
    def stream_async(self, model: str, text: str) -> AsyncIterator[str]: ...
    def fault(self, error: Exception) -> Fault | None: ...
    def close(self) -> None: ...


Connect = Callable[[str, str, float], Driver]
"""A driver for a base URL, a key and the longest silence in seconds."""


@dataclass(frozen=True)
class Claim:
    """Whether one claim held; ``detail`` says what happened instead."""

    name: str
    passed: bool
    detail: str = ""


def check_contract(provider: LocalProvider, interface: ProviderInterface, connect: Connect) -> list[Claim]:
    """All claims about one client, each against a fresh count of faults."""
    claims: list[Claim] = []
    base_url = provider.play(interface, KEY)
    driver = connect(base_url, KEY, 10.0)

    def claim(name: str, holds: Callable[[], object]) -> None:
        base = provider.play(interface, KEY)
        assert base == base_url
        try:
            said = holds()
        except Exception as error:  # noqa: BLE001 - whatever a client raises is a finding
            claims.append(Claim(name, False, f"{type(error).__name__}: {error}"[:300]))
            return
        claims.append(
            Claim(name, said in (None, True), "" if said in (None, True) else f"got {said!r}"[:300])
        )

    def fails_with(fault: Fault, act: Callable[[], object], client: Driver = driver) -> bool | str:
        try:
            act()
        except Exception as error:  # noqa: BLE001 - its kind is what is asked
            if KEY in str(error) and client is driver:
                return "the message holds the key"
            found = client.fault(error)
            return True if found == fault else f"{type(error).__name__} for {fault}: {error}"
        return f"no {fault} error"

    try:
        claim("a whole answer", lambda: driver.ask("echo", TEXT) == TEXT)
        claim("one request is one request", lambda: (driver.ask("echo", "x"), len(provider.asked))[1] == 1)
        claim("a fault passes after retries", lambda: driver.ask("flaky", TEXT) == TEXT)
        claim("a rate limit is waited for", lambda: driver.ask("limited", TEXT) == TEXT)
        claim("a bad request is not repeated", lambda: _refused_once(driver, provider, fails_with))
        claim("a server's fault is told", lambda: fails_with("server", lambda: driver.ask("status-500", "x")))
        claim("a rate limit is told", lambda: fails_with("rate_limit", lambda: driver.ask("status-429", "x")))
        claim(
            "what is not an answer is told", lambda: fails_with("answer", lambda: driver.ask("garbage", "x"))
        )
        claim("an asynchronous answer", lambda: asyncio.run(driver.ask_async("echo", TEXT)) == TEXT)
        wrong = connect(base_url, "wrong-key-9876543210", 10.0)
        claim(
            "a wrong key is told",
            lambda: fails_with("authentication", lambda: wrong.ask("echo", "x"), wrong),
        )
        wrong.close()
        hasty = connect(base_url, KEY, _SILENCE_S)
        claim("silence ends", lambda: fails_with("deadline", lambda: hasty.ask("hang", "x"), hasty))
        hasty.close()
        if _streams(interface):
            claim("a stream", lambda: "".join(driver.stream("echo", TEXT)) == TEXT)
            claim("an asynchronous stream", lambda: asyncio.run(_collected(driver)) == TEXT)
            claim(
                "a broken stream is told",
                lambda: fails_with("broken_stream", lambda: "".join(driver.stream("cut", TEXT))),
            )
            claim("a stream can be left", lambda: _left(driver))
        if interface.api_type != "custom":
            claim("a tool call", lambda: driver.call_tool("tools") == ("weather", "Bern"))
    finally:
        driver.close()
    return claims


def _streams(interface: ProviderInterface) -> bool:
    return interface.api_type != "custom" or any(endpoint.streams for endpoint in interface.endpoints)


def _refused_once(
    driver: Driver, provider: LocalProvider, fails_with: Callable[..., bool | str]
) -> bool | str:
    said = fails_with("request", lambda: driver.ask("status-400", "x"))
    return said if said is not True else len(provider.asked) == 1


async def _collected(driver: Driver) -> str:
    return "".join([piece async for piece in driver.stream_async("echo", TEXT)])


def _left(driver: Driver) -> bool:
    pieces = driver.stream("echo", TEXT)
    next(pieces)
    close = getattr(pieces, "close", None)
    if close is not None:
        close()
    return driver.ask("echo", "after") == "after"


TOOL_SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}}


class GeneratedDriver:
    """A generated client in the contract's words; ``key`` is a reference."""

    def __init__(
        self, module: ModuleType, interface: ProviderInterface, base_url: str, key: str, silence_s: float
    ) -> None:
        blocking, self._waiting = client_classes(module)
        self._options: dict[str, Any] = {"base_url": base_url, "timeout_s": silence_s, "first_wait_s": 0.001}
        self._key = key if interface.auth and interface.auth.scheme != "none" else None
        self._client = blocking(self._key, **self._options)
        self._kind = interface.api_type
        self._whole = next(
            (e for e in interface.endpoints if e.method == "POST" and not e.streams),
            next((e for e in interface.endpoints if not e.streams), None),
        )
        self._stream = next((e for e in interface.endpoints if e.streams), None)

    def ask(self, model: str, text: str) -> str:
        """The text of a whole answer."""
        return _text(self._kind, self._call(self._client, model, text, stream=False))

    def stream(self, model: str, text: str) -> Iterator[str]:
        """The text of each piece."""
        with self._call(self._client, model, text, stream=True) as pieces:
            for piece in pieces:
                yield _text(self._kind, piece)

    def call_tool(self, model: str) -> tuple[str, str] | None:
        """Name and city of the tool call."""
        if self._kind == "anthropic-compatible":
            tool = {"name": "weather", "input_schema": TOOL_SCHEMA}
            messages = [{"role": "user", "content": "weather?"}]
            answer = self._client.message(model, messages, 64, extra_body={"tools": [tool]})
            return answer.content[0].name, answer.content[0].input["city"]
        tool = {"type": "function", "function": {"name": "weather", "parameters": TOOL_SCHEMA}}
        messages = [{"role": "user", "content": "weather?"}]
        answer = self._client.chat(model, messages, extra_body={"tools": [tool]})
        call = answer.choices[0].message.tool_calls[0]
        return call.function.name, "Bern" if "Bern" in call.function.arguments else ""

    async def ask_async(self, model: str, text: str) -> str:
        """The text of a whole answer."""
        async with self._waiting(self._key, **self._options) as client:
            return _text(self._kind, await self._call(client, model, text, stream=False))

    async def stream_async(self, model: str, text: str) -> AsyncIterator[str]:
        """The text of each piece."""
        async with (
            self._waiting(self._key, **self._options) as client,
            await self._call(client, model, text, stream=True) as pieces,
        ):
            async for piece in pieces:
                yield _text(self._kind, piece)

    def _call(self, client: Any, model: str, text: str, *, stream: bool) -> Any:
        messages = [{"role": "user", "content": text}]
        if self._kind == "openai-compatible":
            return (client.stream if stream else client.chat)(model, messages)
        if self._kind == "anthropic-compatible":
            return (client.stream if stream else client.message)(model, messages, 64)
        endpoint = self._stream if stream else self._whole
        assert endpoint is not None
        given: dict[str, Any] = {}
        if endpoint.method == "POST":
            given["body"] = {"messages": messages, "model": model}
        if "{model}" in endpoint.path:
            given["model"] = model
        return getattr(client, endpoint.operation)(**given)

    def fault(self, error: Exception) -> Fault | None:
        """What the client's own exceptions mean."""
        kinds: tuple[tuple[type[Exception], Fault], ...] = (
            (errors.AuthenticationError, "authentication"),
            (errors.RateLimitError, "rate_limit"),
            (errors.ServerError, "server"),
            (errors.RequestError, "request"),
            (errors.BrokenStreamError, "broken_stream"),
            (errors.AnswerError, "answer"),
            (errors.DeadlineError, "deadline"),
        )
        return next((fault for kind, fault in kinds if isinstance(error, kind)), None)

    def close(self) -> None:
        """Close its connections."""
        self._client.close()


def generated(module: ModuleType, interface: ProviderInterface, keys: Path) -> Connect:
    """How to connect a generated client; keys are given by reference, to files below ``keys``."""

    def connect(base_url: str, key: str, silence_s: float) -> Driver:
        path = keys / f"{key}.txt"
        if not path.exists():
            write_bytes(path, key.encode())
        return GeneratedDriver(module, interface, base_url, f"file:{path}", silence_s)

    return connect


def _text(kind: str | None, answer: Any) -> str:
    return str(answer.get("text", "")) if kind == "custom" else str(answer.text)


def client_classes(module: ModuleType) -> tuple[type[Any], type[Any]]:
    """The blocking and the asynchronous client of a generated module."""
    found = [
        value
        for _, value in inspect.getmembers(module, inspect.isclass)
        if value.__module__ == module.__name__ and hasattr(value, "access")
    ]
    waiting = next(value for value in found if value.__name__.startswith("Async"))
    return next(value for value in found if value is not waiting), waiting
