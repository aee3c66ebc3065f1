"""A router on a free port with raw-socket upstreams behind it, for tests."""

import asyncio
import contextlib

import aiohttp

from modelscan_catalog.router.app import Router
from modelscan_catalog.router.config import RouterConfig
from modelscan_catalog.router.emit import default_policy
from modelscan_catalog.router.server import serving

ANSWER = (
    b'{"choices": [{"message": {"role": "assistant", "content": "hi"}}], '
    b'"usage": {"prompt_tokens": 7, "completion_tokens": 5}}'
)
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(ANSWER),
    ANSWER,
)
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


class RawUpstream:
    """Does with each connection what ``behave(reader, writer, heads)`` says; keeps what it was sent."""

    def __init__(self, behave):
        self.behave = behave
        self.heads = []
        self.bodies = []
        self.connections = 0

    async def _serve(self, reader, writer):
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError), contextlib.closing(writer):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
                self.heads.append(fields)
                self.bodies.append(await reader.readexactly(int(fields.get(b"Content-Length", 0))))
                if not await self.behave(self, writer):
                    break

    @contextlib.asynccontextmanager
    async def running(self):
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        finally:
            server.close()


def answering(content=OK):
    async def behave(upstream, writer):
        writer.write(content)
        await writer.drain()
        return True

    return behave


def configuration(urls, *, provider=None, model=None, target=None, **extra):
    """One model ``m`` whose targets are ``urls`` in this order."""
    policy = {**default_policy().model_dump(), **extra.pop("policy", {})}
    return RouterConfig.model_validate(
        {
            "routing": {
                "direct": {
                    "providers": [
                        {"name": f"p{number}", "type": "local", "base_url": url, **(provider or {})}
                        for number, url in enumerate(urls)
                    ]
                }
            },
            "models": extra.pop("models", None)
            or [
                {
                    "id": "m",
                    "targets": [
                        {"provider": f"p{number}", "model": "x", "priority": number, **(target or {})}
                        for number in range(len(urls))
                    ],
                    **(model or {}),
                }
            ],
            "policy": policy,
            **extra,
        }
    )


@contextlib.asynccontextmanager
async def routed(*behaviours, usage_path=None, **changes):
    """A session of a router before one upstream a behaviour; yields session, router and upstreams."""
    async with contextlib.AsyncExitStack() as stack:
        upstreams = [RawUpstream(behave) for behave in behaviours]
        urls = [await stack.enter_async_context(upstream.running()) for upstream in upstreams]
        router = Router(lambda: configuration(urls, **changes), usage_path=usage_path)
        port = await stack.enter_async_context(serving(router))
        session = await stack.enter_async_context(aiohttp.ClientSession(f"http://127.0.0.1:{port}"))
        yield session, router, upstreams


def run(test, seconds=20):
    """Run a test's coroutine, bounded."""
    return asyncio.run(asyncio.wait_for(test, seconds))


async def chat(session, body=None, path="/v1/chat/completions", headers=None):
    """Status and parsed answer of one request."""
    async with session.post(path, json=body or CHAT, headers=headers) as answer:
        return answer.status, await answer.json()
