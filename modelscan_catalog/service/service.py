"""The service: starts its parts in order, answers with them, stops them in reverse, starts them anew."""

import asyncio
import gc
import logging
import sqlite3
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from aiohttp import web
from fastapi import FastAPI
from prometheus_client import generate_latest

from modelscan_catalog.api.app import create_app
from modelscan_catalog.api.auditing import actor_of
from modelscan_catalog.api.errors import ErrorAnswer, ErrorBody
from modelscan_catalog.api.snapshot import Served
from modelscan_catalog.errors import ModelScanError
from modelscan_catalog.router.app import Router
from modelscan_catalog.router.metrics import registry as router_figures
from modelscan_catalog.router.server import running
from modelscan_catalog.service.bridge import asgi_answer, scope_of
from modelscan_catalog.service.parts import (
    Tokens,
    follow_upgrades,
    make_router,
    own_entries,
    published_of,
    tokens_of,
    usage_store,
    watched_files,
)
from modelscan_catalog.service.upgrading import Upgrading
from modelscan_catalog.settings import Loaded
from modelscan_catalog.state import open_state, write_audit
from modelscan_catalog.state.audit import Outcome

LOGGER = logging.getLogger("modelscan.service")

_ROUTER_PATHS = ("/v1/", "/route/", "/classify", "/api/keys", "/api/stats", "/api/splits", "/api/targets")
RETRY_AFTER_S = 1
PAUSE_S = 1.0
"""Between the stop and the new start of a restart."""
_ANEW_EVERY_S = 5.0
"""Between tries to start again what did not start."""


@dataclass(frozen=True)
class Parts:
    """What answers while the service is up."""

    app: FastAPI
    router: Router | None
    state: Path
    drain_timeout_s: float


class Service:
    """Answers requests of a ``BoundedServer``: the router's paths by the router, all else by the API.

    ``load`` gives the settings; it is asked again at each restart, so that a changed file is followed.
    """

    def __init__(self, load: Callable[[], Loaded]) -> None:
        self._load = load
        self._stack = AsyncExitStack()
        self._parts: Parts | None = None
        self._served: Served | None = None
        self._tokens = Tokens(None, None)
        self._upgrading: Upgrading | None = None
        self._address: str | None = None
        self._states: dict[str, str] = {}
        self._in_flight = 0
        self._restart: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self.max_body_bytes = 0

    @property
    def router(self) -> Router | None:
        """The router, where one runs."""
        return self._parts.router if self._parts is not None else None

    async def start(self) -> None:
        """Settings, state, registry, router, API, upgrades, one after the other.

        Raises the ``ModelScanError`` of the part that does not start, after the others have been stopped.
        """
        self._states = {}
        try:
            loaded = await asyncio.to_thread(self._load)
            settings = loaded.settings
            self._tokens = tokens_of(settings)
            self._say("settings", f"{len(loaded.warnings)} warnings" if loaded.warnings else "ok")
            for warning in loaded.warnings:
                LOGGER.warning("settings: %s", warning)
            await asyncio.to_thread(_migrated, settings.state_file)
            await asyncio.to_thread(follow_upgrades, settings)
            self._say("state", "ok")
            published = published_of(settings)
            served = await asyncio.to_thread(
                Served, published, own_entries(settings), settings.catalog_refresh_interval_s
            )
            self._served = served
            self._stack.callback(served.release)
            self._say("registry", "ok")
            router, why_not = await asyncio.to_thread(make_router, settings, published, self._tokens)
            if router is not None:
                await self._enter("router", running(router, watched_files(settings, published)))
                usage = router.usage
            else:
                usage = await self._stack.enter_async_context(usage_store(settings))
            self._say("router", why_not or "ok")
            app = create_app(served, self._tokens.admin, settings, usage, loaded.warnings, self)
            self._say("api", "ok")
            self._upgrading = Upgrading(settings, self._tokens.client)
            self._tell_address(router is not None)
            await self._stack.enter_async_context(self._upgrading.running())
            self._say("upgrades", self._upgrading.state)
        except BaseException:
            await self._stack.aclose()
            raise
        self.max_body_bytes = max(
            settings.api_max_body_bytes, router.max_body_bytes if router is not None else 0
        )
        self._parts = Parts(app, router, settings.state_file, settings.drain_timeout_s)

    async def stop(self) -> None:
        """End a restart that is under way, then the parts, the last started first."""
        if self._restart is not None:
            self._restart.cancel()
            await asyncio.gather(self._restart, return_exceptions=True)
        self._parts = None
        await self._stack.aclose()

    def listens(self, address: str) -> None:
        """Hear at which address it is asked, such as ``http://127.0.0.1:8080``."""
        self._address = address
        self._tell_address(self.router is not None)

    def _tell_address(self, with_router: bool) -> None:
        if self._upgrading is not None and self._address is not None and with_router:
            self._upgrading.router_url = f"{self._address}/v1"

    async def _enter(self, name: str, part: AbstractAsyncContextManager[None]) -> None:
        self._stack.callback(LOGGER.info, "stopped: %s", name)
        await self._stack.enter_async_context(part)

    def _say(self, name: str, state: str) -> None:
        self._states[name] = state
        LOGGER.info("started: %s (%s)", name, state)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; while the parts are being started anew it is 503 with Retry-After."""
        parts = self._parts
        if parts is None:
            return _refused("restarting", "the service is starting anew; ask again in a second")
        self._in_flight += 1
        try:
            if is_routers(request.path):
                if parts.router is None:
                    return _refused("no_router", f"no router runs here: {self._states.get('router', '')}")
                answer = await parts.router.handle(request)
                if request.method != "GET" and request.path.startswith("/api/"):
                    await asyncio.to_thread(self._audit, parts, request, answer.status)
                return answer
            return await asgi_answer(parts.app, request)
        finally:
            self._in_flight -= 1

    def _audit(self, parts: Parts, request: web.BaseRequest, status: int) -> None:
        """A row for what an operator told the router, beside the router's own log with its details."""
        actor, action = actor_of(scope_of(request)), f"{request.method} {request.path}"
        done = status < HTTPStatus.BAD_REQUEST
        try:
            with open_state(parts.state) as state:
                outcome: Outcome = "done" if done else "refused"
                write_audit(state, actor, action, "router", outcome, detail={"status": status})
        except (ModelScanError, sqlite3.Error) as error:
            LOGGER.error("not in the audit log (%s): %s by %s, %d", error, action, actor, status)

    def components(self) -> dict[str, str]:
        """What runs, in the order of its start."""
        states = dict(self._states)
        if self._served is not None and self._served.last_refusal is not None:
            states["registry"] = f"serves the previous one: {self._served.last_refusal}"
        if self.router is not None and self.router.last_refusal is not None:
            states["router"] = f"serves the previous configuration: {self.router.last_refusal}"
        if self._upgrading is not None and "upgrades" in states:
            states["upgrades"] = self._upgrading.state
        return states

    def metrics(self, bearer: str) -> bytes:
        """The router's figures, for those who may ask it."""
        router = self.router
        if router is None or not self._tokens.may_ask(bearer):
            return b""
        return generate_latest(router_figures(router))

    def reload_router(self) -> dict[str, object] | None:
        """Have the router read its configuration anew; to be called beside the event loop."""
        router = self.router
        if router is None:
            return None
        table = asyncio.run_coroutine_threadsafe(router.reload(), self._loop).result()
        return {"config": table.fingerprint, "models": len(table.config.models)}

    def restart(self) -> None:
        """Begin a restart, unless one is under way."""
        if self._restart is None or self._restart.done():
            self._restart = asyncio.create_task(self._start_anew())

    async def _start_anew(self) -> None:
        parts, self._parts = self._parts, None
        LOGGER.info("restart: waiting for %d requests", self._in_flight)
        if parts is not None:
            until = self._loop.time() + parts.drain_timeout_s
            while self._in_flight and self._loop.time() < until:
                await asyncio.sleep(0.02)
        await self._stack.aclose()
        del parts
        self._served = None
        gc.collect()  # applications are cyclic, and the former one holds a whole registry
        await asyncio.sleep(PAUSE_S)
        while True:
            try:
                await self.start()
            except ModelScanError as error:
                LOGGER.error("restart: %s; trying again in %g s", error, _ANEW_EVERY_S)
                await asyncio.sleep(_ANEW_EVERY_S)
            else:
                return


def is_routers(path: str) -> bool:
    """Whether the router answers there; the API has no such path."""
    return path == "/route" or path.startswith(_ROUTER_PATHS)


def _migrated(state: Path) -> None:
    with open_state(state):
        pass


def _refused(code: str, message: str) -> web.Response:
    body = ErrorAnswer(error=ErrorBody(code=code, message=message))
    return web.json_response(
        body.model_dump(), status=HTTPStatus.SERVICE_UNAVAILABLE, headers={"retry-after": str(RETRY_AFTER_S)}
    )
