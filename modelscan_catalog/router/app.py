"""The router process: OpenAI-compatible in, the configured providers out."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from modelscan_catalog.errors import SettingsError, UnknownIdError
from modelscan_catalog.router.config import RouterConfig, read_config
from modelscan_catalog.router.forward import RouterError, forward
from modelscan_catalog.router.lint import is_loopback
from modelscan_catalog.router.table import RouteTable
from modelscan_catalog.secret_refs import resolve_secret

LOGGER = logging.getLogger("modelscan.router")

_OPEN_PATHS = {"/health", "/healthz"}
_SHUTDOWN_TIMEOUT_S = 10.0
_MAX_CONNECTIONS = 1024
_KEEP_ALIVE_S = 4.0
"""Below uvicorn's 5 s, which engines keep: a connection that is being closed must not be used again."""

Loader = Callable[[], RouterConfig]


class Router:
    """The served configuration and the connections to its providers."""

    def __init__(self, load: Loader, token: str | None = None) -> None:
        self._load = load
        self._token = token
        self._session: aiohttp.ClientSession | None = None
        self.last_refusal: str | None = None
        """Why the newest configuration was not taken; null while the newest one serves."""
        self.table = RouteTable(load())
        self._max_body_bytes = self.table.config.policy.max_body_bytes

    def application(self) -> web.Application:
        """An application that owns the outgoing connections for as long as it runs."""
        app = web.Application(client_max_size=self._max_body_bytes, middlewares=[self._answer_in_shape])
        app.cleanup_ctx.append(self._connections)
        app.router.add_get("/health", self._health)
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/refresh", self._refresh)
        return app

    def reload(self) -> RouteTable:
        """Swap in the configuration as it is now; a bad one raises ``SettingsError`` and changes nothing."""
        try:
            self.table = RouteTable(self._load())
        except SettingsError as error:
            self.last_refusal = str(error)
            raise
        self.last_refusal = None
        return self.table

    async def _connections(self, app: web.Application) -> Any:
        del app
        policy = self.table.config.policy
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=policy.connect_timeout_s)
        connector = aiohttp.TCPConnector(limit=_MAX_CONNECTIONS, keepalive_timeout=_KEEP_ALIVE_S)
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, auto_decompress=True, trust_env=False
        ) as session:
            self._session = session
            yield

    @web.middleware
    async def _answer_in_shape(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Every failure in the OpenAI error shape; nothing of an exception reaches the client."""
        try:
            self._authorize(request)
            return await handler(request)
        except RouterError as error:
            return error.response()
        except web.HTTPRequestEntityTooLarge:
            message = f"the body exceeds {self._max_body_bytes} bytes"
            return RouterError(413, "request_too_large", message).response()
        except web.HTTPException as error:
            if error.status < 400:
                raise
            return RouterError(error.status, error.reason.lower().replace(" ", "_"), error.reason).response()
        except ConnectionResetError:
            raise
        except Exception:
            LOGGER.exception("request failed: %s %s", request.method, request.path)
            return RouterError(500, "internal_error", "the router failed; its log has more").response()

    def _authorize(self, request: web.Request) -> None:
        if request.path in _OPEN_PATHS:
            return
        if self._token is None:
            _refuse_other_sites(request)
            return
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            raise RouterError(
                401, "invalid_api_key", "give the router's token as Authorization: Bearer TOKEN"
            )

    async def _health(self, request: web.Request) -> web.Response:
        del request
        table = self.table
        return web.json_response(
            {
                "status": "ok" if self.last_refusal is None else "serving_previous_config",
                "problem": self.last_refusal,
                "config": _fingerprint(table.config),
                "models": len(table.config.models),
                "usable_models": len(table.usable_models()),
                "unusable_providers": len(table.unusable),
            }
        )

    async def _models(self, request: web.Request) -> web.Response:
        del request
        rows = [
            {
                "id": model.id,
                "object": "model",
                "created": 0,
                "owned_by": model.id.partition("/")[0],
                "context_window": model.context,
            }
            for model in self.table.usable_models()
        ]
        return web.json_response({"object": "list", "data": rows})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        if self._session is None:
            raise RouterError(503, "starting", "the router is starting or stopping", "server_error")
        body = _chat_body(await request.read())
        table = self.table
        name = body.get("model") or table.config.default_model
        if not name:
            raise RouterError(400, "invalid_request", "model is missing, and no default_model is configured")
        try:
            attempts = table.attempts(name)
        except UnknownIdError as error:
            raise RouterError(404, "model_not_found", str(error)) from error
        except SettingsError as error:
            raise RouterError(503, "no_usable_target", str(error), "server_error") from error
        return await forward(request, self._session, attempts, body, "/chat/completions", table.config.policy)

    async def _refresh(self, request: web.Request) -> web.Response:
        del request
        try:
            table = self.reload()
        except SettingsError as error:
            raise RouterError(
                422, "invalid_config", f"the previous configuration keeps serving: {error}"
            ) from error
        return web.json_response(
            {"status": "ok", "config": _fingerprint(table.config), "models": len(table.config.models)}
        )


def run(
    config_path: Path,
    host: str = "127.0.0.1",
    port: int = 8080,
    token_ref: str | None = None,
    adapt: Callable[[RouterConfig], RouterConfig] | None = None,
) -> None:
    """Serve ``config_path`` until SIGINT or SIGTERM; one line on standard output says where.

    ``port`` 0 takes a free one. ``adapt`` changes each configuration that is loaded, such as
    ``with_local``. Raises ``SettingsError`` for an unusable configuration, token or address, and for an
    address beyond loopback without a token.
    """
    if not is_loopback(host) and token_ref is None:
        raise SettingsError(f"{host} is reachable from other machines: give a token reference (env:NAME)")
    token = resolve_secret(token_ref) if token_ref else None

    def load() -> RouterConfig:
        config = read_config(config_path)
        return adapt(config) if adapt else config

    asyncio.run(_serve(Router(load, token), host, port))


async def _serve(router: Router, host: str, port: int) -> None:
    runner = web.AppRunner(
        router.application(),
        handler_cancellation=True,
        access_log=None,
        shutdown_timeout=_SHUTDOWN_TIMEOUT_S,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise SettingsError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
        bound = runner.addresses[0][1]
        sys.stdout.write(f"router listening on http://{host}:{bound}\n")
        sys.stdout.flush()
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):
                loop.add_signal_handler(name, stop.set)
        await stop.wait()
    finally:
        await runner.cleanup()


def _refuse_other_sites(request: web.Request) -> None:
    """Without a token, a web page in the user's browser must not spend the user's keys.

    A page's requests carry its origin, or, after a DNS change, its own host name.
    """
    for header in (f"//{request.host}", request.headers.get("Origin")):
        if header is not None and not _is_here(header):
            raise RouterError(
                403, "forbidden_origin", "without a token only programs of this machine may ask"
            )


def _is_here(address: str) -> bool:
    try:
        return is_loopback(urlsplit(address).hostname or "")
    except ValueError:
        return False


def _chat_body(content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise RouterError(400, "invalid_json", f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise RouterError(400, "invalid_request", "the body must be a JSON object")
    if not isinstance(body.get("messages"), list) or not body["messages"]:
        raise RouterError(400, "invalid_request", "messages must be a list with at least one message")
    if not isinstance(body.get("model", ""), str):
        raise RouterError(400, "invalid_request", "model must be a string")
    if not isinstance(body.get("stream", False), bool | None):
        raise RouterError(400, "invalid_request", "stream must be true or false")
    return body


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _fingerprint(config: RouterConfig) -> str:
    return hashlib.sha256(config.model_dump_json().encode()).hexdigest()[:16]
