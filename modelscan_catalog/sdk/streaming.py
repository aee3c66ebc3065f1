"""Server-sent events as they come, and when a stream of each format has ended well.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html (only ``data`` fields are needed).
"""

import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

import httpx
from pydantic import BaseModel

from modelscan_catalog.sdk.access import Address
from modelscan_catalog.sdk.errors import BrokenStreamError, ConnectionFailedError, DeadlineError
from modelscan_catalog.sdk.types import ChatChunk, JsonObject, MessageEvent

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")

_LINE_END = re.compile(rb"\r\n|\n|\r(?=.)", re.DOTALL)
_MOST_EVENT_BYTES = 16 * 1024 * 1024


class SseDecoder:
    """Bytes in, the ``data`` of each completed event out; lines end as the format says, and nowhere else."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, data: bytes) -> list[str]:
        """The events that ``data`` completes; ``ValueError`` for one beyond all bounds."""
        *lines, self._rest = _LINE_END.split(self._rest + data)
        if len(self._rest) > _MOST_EVENT_BYTES:
            raise ValueError("an event without end")
        events = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
            elif not line and self._data:
                events.append(b"\n".join(self._data).decode("utf-8", "replace"))
                self._data = []
        return events


class Reader(Protocol[T_co]):
    """Turns the events of one stream into pieces; ``ended`` once its last event has come."""

    ended: bool

    def read(self, data: str) -> T_co | None:
        """The piece in one event, None when it holds none."""


class ChatReader:
    """OpenAI-compatible: ``[DONE]`` ends a stream, or its connection does after a ``finish_reason``."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self.ended = False

    def read(self, data: str) -> ChatChunk | None:
        """The chunk in one event."""
        if data.strip() == "[DONE]":
            self.ended = True
            return None
        chunk = _piece(self._address, data, ChatChunk)
        self.ended = self.ended or any(choice.finish_reason for choice in chunk.choices)
        return chunk


class MessageReader:
    """Anthropic-compatible: ``message_stop`` ends a stream."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self.ended = False

    def read(self, data: str) -> MessageEvent | None:
        """One event."""
        event = _piece(self._address, data, MessageEvent)
        self.ended = self.ended or event.type == "message_stop"
        return event


class JsonReader:
    """Of a custom interface nothing is known but that every event is JSON."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self.ended = False

    def read(self, data: str) -> JsonObject | None:
        """The object in one event."""
        self.ended = True
        return None if data.strip() == "[DONE]" else _checked(self._address, data)


def _checked(address: Address, data: str) -> JsonObject:
    try:
        document: Any = json.loads(data)
    except ValueError:
        raise BrokenStreamError("an event of the stream is not JSON") from None
    if not isinstance(document, dict):
        raise BrokenStreamError("an event of the stream is not an object")
    if document.get("error"):
        raise BrokenStreamError(f"the stream ended with an error: {address.refusal(200, {}, data.encode())}")
    return document


P = TypeVar("P", bound=BaseModel)


def _piece(address: Address, data: str, piece: type[P]) -> P:
    _checked(address, data)
    return address.read(data.encode(), piece)


class Stream(Generic[T]):
    """Pieces of an answer as they come; leaving it early closes the connection. Iterate once."""

    def __init__(self, response: httpx.Response, reader: Reader[T]) -> None:
        self._response = response
        self._reader = reader

    def __iter__(self) -> Iterator[T]:
        decoder = SseDecoder()
        try:
            for data in self._response.iter_bytes():
                for event in _events(decoder, data):
                    piece = self._reader.read(event)
                    if piece is not None:
                        yield piece
        except httpx.HTTPError as error:
            raise _broken(error) from error
        finally:
            self.close()
        _require_end(self._reader)

    def close(self) -> None:
        """Drop the connection."""
        self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncStream(Generic[T]):
    """``Stream`` for an event loop."""

    def __init__(self, response: httpx.Response, reader: Reader[T]) -> None:
        self._response = response
        self._reader = reader

    async def __aiter__(self) -> AsyncIterator[T]:
        decoder = SseDecoder()
        try:
            async for data in self._response.aiter_bytes():
                for event in _events(decoder, data):
                    piece = self._reader.read(event)
                    if piece is not None:
                        yield piece
        except httpx.HTTPError as error:
            raise _broken(error) from error
        finally:
            await self.close()
        _require_end(self._reader)

    async def close(self) -> None:
        """Drop the connection."""
        await self._response.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


ReaderOf = Callable[[Address], Reader[T]]


def _events(decoder: SseDecoder, data: bytes) -> list[str]:
    try:
        return decoder.feed(data)
    except ValueError as error:
        raise BrokenStreamError(str(error)) from None


def _broken(error: httpx.HTTPError) -> Exception:
    if isinstance(error, httpx.TimeoutException):
        return DeadlineError("the stream fell silent")
    if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError):
        return BrokenStreamError(f"the connection ended in the middle of the stream: {type(error).__name__}")
    return ConnectionFailedError(type(error).__name__)


def _require_end(reader: Reader[Any]) -> None:
    if not reader.ended:
        raise BrokenStreamError("the stream ended without its last event")
