"""A language model on loopback that says what a test wants: rightly, wrongly, slowly, or with bad intent."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web

Answer = dict[str, Any] | str | int | float
"""Fields of the typed output; or the text to say; or an HTTP status; or seconds of silence."""


class ScriptedModel:
    """Gives its answers in turn, the last one for ever; speaks both common formats."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.base_url = ""
        self.moved_to = ""
        """Where it sends everybody instead of answering."""

    @contextmanager
    def running(self) -> Iterator["ScriptedModel"]:
        """Listen in a thread of its own."""
        loop = asyncio.new_event_loop()
        ready, stop = threading.Event(), asyncio.Event()

        async def serve() -> None:
            application = web.Application()
            application.router.add_post("/{path:.*}", self._answer)
            runner = web.AppRunner(
                application, handler_cancellation=True, access_log=None, shutdown_timeout=0.1
            )
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            ready.set()
            await stop.wait()
            await runner.cleanup()

        def run() -> None:
            loop.run_until_complete(serve())
            loop.close()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        ready.wait(10)
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(10)

    async def _answer(self, request: web.Request) -> web.Response:
        if self.moved_to:
            return web.Response(status=307, headers={"Location": self.moved_to + request.path})
        body = await request.json()
        self.asked.append(body)
        self.keys.append(request.headers.get("authorization", "").removeprefix("Bearer "))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, float):
            await asyncio.sleep(answer)
        if isinstance(answer, int):
            # A bad server repeats the key that it was shown.
            error = {"error": {"message": f"no: {request.headers.get('authorization')}", "type": "x"}}
            return web.json_response(error, status=answer)
        shape: Callable[[dict[str, Any], Answer], dict[str, Any]] = (
            _message if request.path.endswith("/messages") else _completion
        )
        return web.json_response(shape(body, answer))


def _completion(body: dict[str, Any], answer: Answer) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": str(answer)}
    if isinstance(answer, dict):
        name = body["tools"][0]["function"]["name"]
        function = {"name": name, "arguments": json.dumps(answer)}
        message = {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": function}],
        }
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150},
    }


def _message(body: dict[str, Any], answer: Answer) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "text", "text": str(answer)}
    if isinstance(answer, dict):
        block = {"type": "tool_use", "id": "t1", "name": body["tools"][0]["name"], "input": answer}
    return {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [block],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 100, "output_tokens": 50},
    }
