"""What this router is built of, without what it does: to see where its CPU goes.

`static` is its HTTP server alone, answering as the engine would; `relay` adds its own client to the engines,
and looks at nothing. What `modelscan` costs above `relay` is routing, keys, usage and policy.
"""

import asyncio
import itertools
import sys

import uvloop
from aiohttp import web

from benchmarks.router.engine import ANSWER, STREAM
from modelscan_catalog.router.upstream import Address, Upstreams

_TIMEOUT_S = 60.0
_HEAD = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: %b\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n"
)


class Floor:
    """Answers requests with as little as possible."""

    def __init__(self, engines: list[int]) -> None:
        self._upstreams = Upstreams(_TIMEOUT_S, 4096)
        addresses = [Address.of(f"http://127.0.0.1:{port}") for port in engines]
        self._turns = itertools.cycle(addresses) if addresses else None

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """From memory, or from the next engine."""
        body = request.content.read_nowait() if request.content.is_eof() else await request.read()
        if self._turns is not None:
            return await self._relay(request, next(self._turns), body)
        if b'"stream": true' not in body and b'"stream":true' not in body:
            return web.Response(body=ANSWER, headers={"Content-Type": "application/json"})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for event in STREAM:
            await response.write(event)
        await response.write_eof()
        return response

    async def _relay(self, request: web.BaseRequest, address: Address, body: bytes) -> web.StreamResponse:
        head = _HEAD % (address.authority.encode(), len(body))
        answer = await self._upstreams.ask(address, head, body, _TIMEOUT_S)
        try:
            kind = answer.headers[b"content-type"].decode()
            if not kind.startswith("text/event-stream"):
                content = await answer.whole(_TIMEOUT_S, 2**24)
                return web.Response(body=content, headers={"Content-Type": kind})
            response = web.StreamResponse(headers={"Content-Type": kind})
            await response.prepare(request)
            while chunk := await answer.some(_TIMEOUT_S):
                await response.write(chunk)
            await response.write_eof()
            return response
        finally:
            answer.release()


async def main(port: int, engines: list[int]) -> None:
    """Serve until ended."""
    server = web.Server(Floor(engines).answer, access_log=None, handler_cancellation=True)
    runner = web.ServerRunner(server)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), [int(engine) for engine in sys.argv[2:]]))
