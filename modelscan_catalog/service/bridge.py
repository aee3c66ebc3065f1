"""Answers a request of the router's server with an ASGI application, in the same event loop."""

import asyncio
from collections.abc import Iterable, MutableMapping
from http import HTTPStatus
from typing import Any

from aiohttp import web
from multidict import CIMultiDict
from starlette.types import ASGIApp, Message

from modelscan_catalog.api.errors import ErrorAnswer, ErrorBody

BODY_TIMEOUT_S = 30.0
"""Longest silence within the body of a request."""
_CHUNK = 65536


async def asgi_answer(app: ASGIApp, request: web.BaseRequest) -> web.StreamResponse:
    """What ``app`` answers; one that comes in parts is passed on part by part."""
    answer = _Answer(request)
    try:
        await app(scope_of(request), answer.receive, answer.send)
    except Exception:
        if not answer.begun:
            raise  # the application logs a fault and answers 500 before it raises it again
    if not answer.given_up:
        return answer.whole()
    text = f"the body did not arrive within {BODY_TIMEOUT_S:g} s"
    body = ErrorAnswer(error=ErrorBody(code="request_timeout", message=text))
    response = web.json_response(body.model_dump(), status=HTTPStatus.REQUEST_TIMEOUT)
    response.force_close()
    return response


def scope_of(request: web.BaseRequest) -> MutableMapping[str, Any]:
    """A request as ASGI describes it."""
    transport = request.transport
    peer = transport.get_extra_info("peername") if transport is not None else None
    socket = transport.get_extra_info("sockname") if transport is not None else None
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": f"{request.version.major}.{request.version.minor}",
        "method": request.method,
        "scheme": request.scheme,
        "path": request.rel_url.path,
        "raw_path": request.rel_url.raw_path.encode(),
        "query_string": request.rel_url.raw_query_string.encode(),
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.raw_headers],
        "client": tuple(peer[:2]) if isinstance(peer, tuple) else None,
        "server": tuple(socket[:2]) if isinstance(socket, tuple) else None,
    }


class _Answer:
    """The two channels of one ASGI call."""

    def __init__(self, request: web.BaseRequest) -> None:
        self._request = request
        self._asked = False
        self.begun = False
        self.given_up = False
        """Whether the body stayed away for too long."""
        self._status = 500
        self._headers: CIMultiDict[str] = CIMultiDict()
        self._body = b""
        self._response: web.StreamResponse | None = None

    async def receive(self) -> Message:
        """The next part of the body; afterwards nothing: a client that has gone cancels the whole call."""
        if self._asked:
            await asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                chunk = await self._request.content.read(_CHUNK)
        except TimeoutError:
            self.given_up = True
            return {"type": "http.disconnect"}
        more = not self._request.content.at_eof()
        self._asked = not more
        return {"type": "http.request", "body": chunk, "more_body": more}

    async def send(self, message: Message) -> None:
        """The head, or a part of the body."""
        if message["type"] == "http.response.start":
            self.begun = True
            self._status = message["status"]
            self._headers = _decoded(message.get("headers", ()))
            self._headers["server"] = "modelscan"
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        if self._response is None and not more:
            self._body = body
            return
        if self._response is None:
            self._response = web.StreamResponse(status=self._status, headers=self._headers)
            await self._response.prepare(self._request)
        if body:
            await self._response.write(body)
        if not more:
            await self._response.write_eof()

    def whole(self) -> web.StreamResponse:
        """The response, sent already where it came in parts."""
        if self._response is not None:
            return self._response
        self._headers.popall("content-length", None)
        return web.Response(status=self._status, headers=self._headers, body=self._body)


def _decoded(headers: Iterable[tuple[bytes, bytes]]) -> CIMultiDict[str]:
    return CIMultiDict((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)
