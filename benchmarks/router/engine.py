"""An OpenAI-compatible engine as bare ASGI, its answers prepared: the gateway is measured, not the engine."""

import json
from typing import Any

MODEL = "m1"
_PIECES = 20
_HEAD = {"id": "chatcmpl-bench", "created": 1700000000, "model": MODEL}


def _event(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    document = {**_HEAD, "object": "chat.completion.chunk", "choices": [choice]}
    return b"data: " + json.dumps(document).encode() + b"\n\n"


STREAM = [_event({"role": "assistant", "content": ""})]
STREAM += [_event({"content": "word "})] * _PIECES
STREAM += [_event({}, "stop"), b"data: [DONE]\n\n"]
_MESSAGE = {"role": "assistant", "content": "word " * _PIECES}
ANSWER = json.dumps(
    {
        **_HEAD,
        "object": "chat.completion",
        "choices": [{"index": 0, "message": _MESSAGE, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 12, "completion_tokens": _PIECES, "total_tokens": 12 + _PIECES},
    }
).encode()
_ABOUT = json.dumps(
    {
        "object": "list",
        "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": "bench"}],
        "status": "ok",
        "model_path": MODEL,
        "served_model_name": MODEL,
        "is_generation": True,
    }
).encode()
"""For every GET: routers ask an engine for its models or for its health before they use it."""


async def _send(send: Any, parts: list[bytes], kind: bytes) -> None:
    headers = [(b"content-type", kind)]
    if len(parts) == 1:
        headers.append((b"content-length", str(len(parts[0])).encode()))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for part in parts[:-1]:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": parts[-1]})


async def app(scope: Any, receive: Any, send: Any) -> None:
    """The ASGI application."""
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return
    if scope["method"] == "GET":
        await _send(send, [_ABOUT], b"application/json")
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    if json.loads(body).get("stream"):
        await _send(send, STREAM, b"text/event-stream")
    else:
        await _send(send, [ANSWER], b"application/json")
