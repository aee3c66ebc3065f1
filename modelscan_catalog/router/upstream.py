"""HTTP/1.1 connections to upstreams: kept alive, never more than one chunk ahead of the reader.

httptools (llhttp) parses. An aiohttp client call costs about as much CPU as all else of a request together;
this one does only what the router needs: POST and GET, one answer a connection at a time, no redirects, no
cookies, no decompression (``Accept-Encoding: identity`` is asked for), no proxies.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, cast
from urllib.parse import urlsplit

import httptools

_READ_AHEAD_BYTES = 64 * 1024
_MAX_HEAD_BYTES = 64 * 1024
_WATCH_INTERVAL_S = 0.05
_MAX_IDLE_PER_ADDRESS = 256
IDLE_S = 4.0
"""Below uvicorn's 5 s, which engines keep: a connection that is being closed must not be used again."""


class UpstreamError(Exception):
    """The upstream did not give a whole, well-formed answer; ``reason`` names no secret."""

    def __init__(self, reason: str, *, timed_out: bool = False, unanswered: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.timed_out = timed_out
        self.unanswered = unanswered
        """The connection ended before a single byte of an answer."""


@dataclass(frozen=True)
class Address:
    """Where an upstream listens; ``authority`` is the value of its Host header."""

    host: str
    port: int
    tls: bool
    authority: str

    @classmethod
    def of(cls, url: str) -> Self:
        """The address in an http or https URL; ``ValueError`` when it has none."""
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        if not parts.hostname:
            raise ValueError(f"{url}: no host")
        return cls(parts.hostname, parts.port or (443 if tls else 80), tls, parts.netloc)


class Upstreams:
    """Connections of one router to all its upstreams; used within one event loop."""

    def __init__(self, connect_timeout_s: float, max_connections: int) -> None:
        self._connect_timeout_s = connect_timeout_s
        self._idle: dict[Address, deque[_Connection]] = {}
        self._busy: set[_Connection] = set()
        self._max_connections = max_connections
        self._open = 0
        self._watch: asyncio.TimerHandle | None = None
        self._tls: ssl.SSLContext | None = None
        self._closed = False

    async def ask(self, address: Address, head: bytes, body: bytes, first_byte_s: float) -> "Answer":
        """Send a whole request; the answer once its headers are there.

        ``head`` ends with an empty line. A kept connection that ends without a single byte is replaced
        once by a fresh one: the upstream closed it before it read the request. Raises ``UpstreamError``
        for anything else, after ``first_byte_s`` at the latest. The caller must ``release`` the answer.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + first_byte_s
        connection = self._take_idle(address)
        if connection is not None:
            try:
                return await self._exchange(connection, head, body, deadline)
            except UpstreamError as error:
                if not error.unanswered:
                    raise
        connection = await self._connect(address, deadline)
        return await self._exchange(connection, head, body, deadline)

    async def close(self) -> None:
        """Drop every connection."""
        self._closed = True
        if self._watch is not None:
            self._watch.cancel()
        for connection in [*self._busy, *(one for idle in self._idle.values() for one in idle)]:
            connection.drop()
        self._idle.clear()

    async def _exchange(
        self, connection: "_Connection", head: bytes, body: bytes, deadline: float
    ) -> "Answer":
        self._busy.add(connection)
        if self._watch is None:
            self._watch = connection.loop.call_later(_WATCH_INTERVAL_S, self._expire)
        answer = Answer(self, connection)
        try:
            await connection.send(head, body, deadline)
        except BaseException:
            answer.release()
            raise
        answer.status = connection.status
        answer.headers = connection.headers
        return answer

    def _take_idle(self, address: Address) -> "_Connection | None":
        idle = self._idle.get(address)
        while idle:
            connection = idle.pop()
            if connection.is_usable():
                return connection
        return None

    async def _connect(self, address: Address, deadline: float) -> "_Connection":
        loop = asyncio.get_running_loop()
        if address.tls and self._tls is None:
            self._tls = ssl.create_default_context()
        if self._open >= self._max_connections:
            raise UpstreamError(f"{self._open} upstream connections are open already")
        limit_s = min(self._connect_timeout_s, deadline - loop.time())
        try:
            async with asyncio.timeout(limit_s):
                _, connection = await loop.create_connection(
                    lambda: _Connection(loop, address, self._count),
                    address.host,
                    address.port,
                    ssl=self._tls if address.tls else None,
                )
        except TimeoutError:
            raise UpstreamError(f"not connected within {limit_s:g} s", timed_out=True) from None
        except ssl.SSLError as error:
            raise UpstreamError(f"TLS failed: {error.reason}") from error
        except OSError as error:
            raise UpstreamError(f"cannot connect: {error.strerror or type(error).__name__}") from error
        return connection

    def give_back(self, connection: "_Connection") -> None:
        """Keep ``connection`` for the next request, or drop it when its answer was not read to the end."""
        self._busy.discard(connection)
        if self._closed or not connection.rest():
            connection.drop()
            return
        idle = self._idle.setdefault(connection.address, deque())
        idle.append(connection)
        if len(idle) > _MAX_IDLE_PER_ADDRESS:
            idle.popleft().drop()

    def _count(self, change: int) -> None:
        self._open += change

    def _expire(self) -> None:
        """Fails what has passed its deadline, drops what was idle for too long; sleeps when all is quiet."""
        self._watch = None
        now = asyncio.get_running_loop().time()
        for connection in [one for one in self._busy if one.deadline < now]:
            connection.fail(UpstreamError("no answer in time", timed_out=True))
        for address, idle in list(self._idle.items()):
            while idle and (not idle[0].is_usable() or idle[0].deadline < now):
                idle.popleft().drop()
            if not idle:
                del self._idle[address]
        if self._busy or self._idle:
            self._watch = asyncio.get_running_loop().call_later(_WATCH_INTERVAL_S, self._expire)


class Answer:
    """One upstream's answer: status, headers by lower-case name, then the body in chunks."""

    __slots__ = ("_connection", "_pool", "headers", "status")

    def __init__(self, pool: Upstreams, connection: "_Connection") -> None:
        self._pool = pool
        self._connection: _Connection | None = connection
        self.status = 0
        self.headers: dict[bytes, bytes] = {}

    async def some(self, silence_s: float) -> bytes:
        """What has come since; empty at the end. ``UpstreamError`` after ``silence_s`` without a byte."""
        assert self._connection is not None
        return await self._connection.some(silence_s)

    async def whole(self, silence_s: float, max_bytes: int) -> bytes:
        """The rest of the body; ``UpstreamError`` when it exceeds ``max_bytes``."""
        first = await self.some(silence_s)
        if self._connection is not None and self._connection.is_complete():
            return first
        parts, size = [first], len(first)
        while parts[-1]:
            if size > max_bytes:
                raise UpstreamError(f"its answer exceeds {max_bytes} bytes")
            parts.append(await self.some(silence_s))
            size += len(parts[-1])
        return b"".join(parts)

    def release(self) -> None:
        """Let the connection go; an answer that was not read to its end closes it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.give_back(connection)


class _Connection(asyncio.Protocol):
    """One connection; its callbacks are called by the event loop and by the parser."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, address: Address, count: Callable[[int], None]
    ) -> None:
        self.loop = loop
        self.address = address
        self.deadline = 0.0
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self._count = count
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._can_write: asyncio.Future[None] | None = None
        self._chunks: list[bytes] = []
        self._held_bytes = 0
        self._head_bytes = 0
        self._has_head = self._complete = self._keep = self._paused = self._write_paused = False
        self._surplus = False
        """A second answer followed, which nobody asked for: the connection is not used again."""
        self._error: UpstreamError | None = None

    def is_usable(self) -> bool:
        """Whether the connection is open and quiet."""
        return self._transport is not None and not self._transport.is_closing() and self._error is None

    def is_complete(self) -> bool:
        """Whether the whole answer has been read."""
        return self._complete and not self._chunks

    async def send(self, head: bytes, body: bytes, deadline: float) -> None:
        """Write one request and wait for the answer's headers."""
        if self._transport is None or self._error is not None:
            raise UpstreamError("closed before the request", unanswered=True)
        self._parser = httptools.HttpResponseParser(self)
        self.headers = {}
        self.status = self._head_bytes = 0
        self._has_head = self._complete = self._keep = False
        self.deadline = deadline
        if len(body) < _READ_AHEAD_BYTES:
            self._transport.write(head + body)
        else:
            self._transport.writelines([head, body])
        while self._write_paused and not self._has_head and self._error is None:
            # A large body: the deadline counts the upstream's time to read it, as a client would.
            self._can_write = self.loop.create_future()
            await self._can_write
        while not self._has_head:
            await self._wait()

    async def some(self, silence_s: float) -> bytes:
        while not self._chunks:
            if self._complete:
                return b""
            self.deadline = self.loop.time() + silence_s
            await self._wait()
        chunks = self._chunks
        taken = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self._chunks = []
        self._held_bytes = 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return taken

    def rest(self) -> bool:
        """Make ready for the next request; false when that is not possible."""
        usable = self._complete and self._keep and not (self._chunks or self._surplus) and self.is_usable()
        self._parser = None
        self.deadline = self.loop.time() + IDLE_S
        return usable

    def drop(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def fail(self, error: UpstreamError) -> None:
        """End the exchange in progress with ``error``."""
        if self._error is None:
            self._error = error
        self._wake()
        self.drop()

    async def _wait(self) -> None:
        self._raise_failure()
        self._waiter = self.loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
        if not self._chunks and not self._complete:
            self._raise_failure()

    def _raise_failure(self) -> None:
        if self._error is not None:
            raise self._error

    def _wake(self) -> None:
        for waiter in (self._waiter, self._can_write):
            if waiter is not None and not waiter.done():
                waiter.set_result(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._count(1)

    def data_received(self, data: bytes) -> None:
        if self._parser is None:
            self.fail(UpstreamError("it sent what nobody asked for", unanswered=True))
            return
        if not self._has_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.fail(UpstreamError("it switched protocols"))
        except httptools.HttpParserError:
            self.fail(UpstreamError("its answer is not HTTP"))
        if not self._has_head and self._head_bytes > _MAX_HEAD_BYTES:
            self.fail(UpstreamError("its headers are too large"))
        if self._held_bytes > _READ_AHEAD_BYTES and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._count(-1)
        unframed = b"content-length" not in self.headers and b"transfer-encoding" not in self.headers
        if self._has_head and unframed and exc is None:
            self._complete = True
        elif self._error is None and not self._complete:
            reason = "reset" if exc is not None else "closed"
            unanswered = self._head_bytes == 0
            self._error = UpstreamError(f"{reason} before the end of its answer", unanswered=unanswered)
        self._wake()

    def on_message_begin(self) -> None:
        if self._complete:
            self._surplus = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._surplus:
            return
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        if self._surplus:
            return
        status = self._parser.get_status_code()
        if status < 200:
            self.headers = {}
            return
        self.status = status
        self._has_head = True
        self._wake()

    def on_body(self, body: bytes) -> None:
        if self._surplus:
            return
        self._chunks.append(body)
        self._held_bytes += len(body)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def on_message_complete(self) -> None:
        assert self._parser is not None
        if self._surplus or not self._has_head:
            return
        self._keep = self._parser.should_keep_alive()
        self._complete = True
        self._wake()
