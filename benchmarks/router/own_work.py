"""What the router itself does with a request, in microseconds: one process, no sockets, no engine.

    python -m benchmarks.router.own_work [--parts]

The router is configured as for ``make bench-router`` and asked as its server asks it; ``engine.py``'s answers
lie ready, and what goes to the client is dropped. The least of many rounds counts: on a shared machine it is
the only figure that repeats. Beside it stands the bare relay of ``floor.py``, which looks at nothing, and the
reading of the request's JSON. ``--parts`` tells the dearest functions as cProfile sees them: it makes
small calls look dearer than they are.
"""

import asyncio
import cProfile
import json
import os
import pstats
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop
from aiohttp import HttpVersion11, StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from benchmarks.router.engine import ANSWER, MODEL, STREAM
from benchmarks.router.floor import Floor
from benchmarks.router.peers import modelscan
from modelscan_catalog.router.app import Router
from modelscan_catalog.router.config import read_config

ROUNDS = 500
REQUESTS_A_ROUND = 20
"""Few: the sooner one round meets nothing else on the machine."""
_PATH = "/v1/chat/completions"
_PROMPT = "Compare the price of a bug with the price of a test. " * 3
_USAGE = (
    b'data: {"choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 20, "total_tokens": 32}}\n\n'
)
_ANSWERS = {
    "plain": (b"application/json", [ANSWER]),
    "stream": (b"text/event-stream", [*STREAM[:-1], _USAGE, STREAM[-1]]),
}
"""Streams as engines give them that are asked for their usage."""


class _Connection:
    """A client's connection, as far as a request looks at it."""

    ssl_context = transport = sockname = None
    peername = ("127.0.0.1", 40000)
    _reading_paused = False

    def resume_reading(self, resume_parser: bool = True) -> None: ...


class _Dropping(AbstractStreamWriter):
    """Takes what is written to a client and drops it."""

    length = None

    async def write(self, chunk: Any) -> None: ...

    async def write_eof(self, chunk: bytes = b"") -> None: ...

    async def drain(self) -> None: ...

    async def write_headers(self, status_line: str, headers: CIMultiDict[str]) -> None: ...

    def enable_compression(self, encoding: str = "deflate", strategy: int | None = None) -> None: ...

    def enable_chunking(self) -> None: ...


class _Answer:
    """An engine's answer whose chunks are there already."""

    status = 200

    def __init__(self, kind: bytes, chunks: list[bytes]) -> None:
        self.headers = {b"content-type": kind, b"server": b"uvicorn"}
        self._chunks = iter(chunks)

    async def some(self, silence_s: float) -> bytes:
        return next(self._chunks, b"")

    async def whole(self, silence_s: float, max_bytes: int) -> bytes:
        return b"".join(self._chunks)

    def release(self) -> None: ...


class _Engines:
    """Stands in for the connections to engines."""

    def __init__(self, kind: str) -> None:
        self._answer = _ANSWERS[kind]

    async def ask(self, *asked: object) -> _Answer:
        return _Answer(*self._answer)


def _body(kind: str) -> bytes:
    messages = [{"role": "user", "content": _PROMPT}]
    return json.dumps(
        {"model": MODEL, "messages": messages, "max_tokens": 64, "stream": kind == "stream"}
    ).encode()


def _request(body: bytes, loop: asyncio.AbstractEventLoop) -> web.BaseRequest:
    """A request as aiohttp's server hands it over."""
    connection: Any = _Connection()
    given = {"Host": "127.0.0.1:8080", "Authorization": "Bearer unused", "Content-Type": "application/json"}
    headers = CIMultiDictProxy(CIMultiDict({**given, "Content-Length": str(len(body))}))
    message = RawRequestMessage(
        "POST", _PATH, HttpVersion11, headers, (), False, None, False, False, URL.build(path=_PATH)
    )
    payload = StreamReader(connection, 2**16, loop=loop)
    payload.feed_data(body)
    payload.feed_eof()
    task: Any = asyncio.current_task(loop)
    return web.BaseRequest(message, payload, connection, _Dropping(), task, loop, client_max_size=2**24)


Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


async def _least_us(handle: Handler, body: bytes, rounds: int = ROUNDS) -> float:
    """Microseconds of one request."""
    loop = asyncio.get_running_loop()
    least = float("inf")
    for _ in range(rounds):
        requests = [_request(body, loop) for _ in range(REQUESTS_A_ROUND)]
        started = time.perf_counter()
        for request in requests:
            await handle(request)
        least = min(least, time.perf_counter() - started)
    return least / REQUESTS_A_ROUND * 1e6


def _json_us(body: bytes) -> float:
    least = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for _ in range(REQUESTS_A_ROUND):
            json.loads(body)
        least = min(least, time.perf_counter() - started)
    return least / REQUESTS_A_ROUND * 1e6


async def main(parts: bool) -> None:
    """Print the table, or the parts."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        os.environ.update(modelscan(work, 1, [9001, 9002], work).env)
        router = Router(lambda: read_config(work / "router.json"))
    floor: Any = Floor([9001, 9002])
    print("| µs a request | router | bare relay | router ÷ relay | reading its JSON | router ÷ that |")
    print("|---|---|---|---|---|---|")
    for kind in _ANSWERS:
        floor._upstreams = router.forwarder._upstreams = engines = _Engines(kind)  # type: ignore[assignment]
        body = _body(kind)
        response = await router.handle(_request(body, asyncio.get_running_loop()))
        assert response.status == 200, engines
        own, bare, read = (
            await _least_us(router.handle, body),
            await _least_us(floor.answer, body),
            _json_us(body),
        )
        print(f"| {kind} | {own:.1f} | {bare:.1f} | {own / bare:.2f} | {read:.1f} | {own / read:.1f} |")
        if parts:
            profile = cProfile.Profile()
            profile.enable()
            await _least_us(router.handle, body)
            profile.disable()
            pstats.Stats(profile).sort_stats("tottime").print_stats(40)
    told = router.usage.totals(("outcome",))
    assert [row["outcome"] for row in told] == ["ok"], told
    assert told[0]["requests_without_tokens"] == 0, told


if __name__ == "__main__":
    uvloop.run(main("--parts" in sys.argv))
