"""A yardstick: aiohttp as server and as client, the model's name read, nothing else done.

`python -m benchmarks.router.pass_through PORT ENGINE_PORT...`
"""

import asyncio
import itertools
import json
import sys

import aiohttp
import uvloop
from aiohttp import web


async def main(port: int, engines: list[int]) -> None:
    """Serve until ended."""
    turns = itertools.cycle(engines)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def chat(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            json.loads(body)["model"]
            url = f"http://127.0.0.1:{next(turns)}/v1/chat/completions"
            async with session.post(url, data=body, headers={"Content-Type": "application/json"}) as upstream:
                if upstream.content_type != "text/event-stream":
                    return web.Response(body=await upstream.read(), content_type=upstream.content_type)
                answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
                await answer.prepare(request)
                async for chunk in upstream.content.iter_any():
                    await answer.write(chunk)
                await answer.write_eof()
                return answer

        app = web.Application()
        app.router.add_post("/v1/chat/completions", chat)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), [int(engine) for engine in sys.argv[2:]]))
