"""The router's process: listens, bounds its clients, watches its configuration, stops in order."""

import asyncio
import gc
import json
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol, cast

import uvloop
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.key_hosts import KeyHosts, reviewed_key_hosts
from modelscan_catalog.router.answers import RouterError
from modelscan_catalog.router.app import Router
from modelscan_catalog.router.config import Policy, RouterConfig
from modelscan_catalog.router.lint import is_loopback
from modelscan_catalog.router.overlays import overlay_files, read_overlaid
from modelscan_catalog.router.probe import probe_targets
from modelscan_catalog.router.remote import Remote, following
from modelscan_catalog.secret_refs import resolve_secret

LOGGER = logging.getLogger("modelscan.router")

_SHUTDOWN_TIMEOUT_S = 10.0
_KEEP_ALIVE_S = 75.0
_BACKLOG = 1024
_WATCH_INTERVAL_S = 1.0
_FULL_BODY = json.dumps(
    RouterError(503, "overloaded", "too many connections to the router", "server_error").body
).encode()
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(_FULL_BODY), _FULL_BODY)
)


class Answering(Protocol):
    """What answers requests: a router alone, or a service with a router in it."""

    max_body_bytes: int

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer to one request; raises nothing but a lost connection."""


class _Refusal(asyncio.Protocol):
    """A connection beyond the bound: answered and closed before it sends anything."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        open_transport = cast(asyncio.Transport, transport)
        open_transport.write(_FULL)
        open_transport.close()


class BoundedServer(web.Server):
    """An HTTP server with a bound on connections and on the time that a new one may stay silent."""

    def __init__(self, answering: Answering, policy: Policy) -> None:
        super().__init__(
            self._spoken,
            request_factory=self._request,
            handler_cancellation=True,
            access_log=None,
            keepalive_timeout=_KEEP_ALIVE_S,
        )
        self._answering = answering
        self._max_connections = policy.max_connections
        self._timeout_s = policy.client_timeout_s
        self._silent: dict[Any, float] = {}

    def __call__(self) -> Any:
        """The protocol of a new connection."""
        if len(self._connections) >= self._max_connections:
            return _Refusal()
        return super().__call__()

    def connection_made(self, handler: Any, transport: asyncio.Transport) -> None:
        """Note when a connection began; it must speak before long."""
        super().connection_made(handler, transport)
        self._silent[handler] = self._loop.time() + self._timeout_s

    def connection_lost(self, handler: Any, exc: BaseException | None = None) -> None:
        """Forget a connection."""
        self._silent.pop(handler, None)
        super().connection_lost(handler, exc)

    def close_silent(self) -> None:
        """Close connections that have not sent the head of a request in time."""
        now = self._loop.time()
        for handler, until in list(self._silent.items()):
            if until > now:
                break
            del self._silent[handler]
            handler.force_close()

    async def _spoken(self, request: web.BaseRequest) -> web.StreamResponse:
        self._silent.pop(request.protocol, None)
        return await self._answering.handle(request)

    def _request(
        self,
        message: Any,
        payload: Any,
        protocol: Any,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> web.BaseRequest:
        return web.BaseRequest(
            message,
            payload,
            protocol,
            writer,
            task,
            self._loop,
            client_max_size=self._answering.max_body_bytes,
        )


@asynccontextmanager
async def serving(
    router: Router, host: str = "127.0.0.1", port: int = 0, watched: Sequence[Path] = ()
) -> AsyncIterator[int]:
    """Serve ``router`` and give its port (``port`` 0 takes a free one); at the end requests may finish.

    A change of a ``watched`` file reloads the configuration. Raises ``SettingsError`` when the
    address cannot be listened on. Whatever has been counted is stored at the end.
    """
    async with running(router, watched), listening(router, router.table.config.policy, host, port) as bound:
        yield bound


@asynccontextmanager
async def running(router: Router, watched: Sequence[Path] = ()) -> AsyncIterator[None]:
    """Keep a router's usage, health and configuration current; at the end its connections are closed."""
    router.usage.start()
    tasks = [asyncio.create_task(_tend(router, watched)), asyncio.create_task(probe_targets(router))]
    try:
        yield
    finally:
        await _cancelled(tasks)
        await router.mirror.close()
        await router.upstreams.close()
        await asyncio.to_thread(router.usage.close)


@asynccontextmanager
async def listening(
    answering: Answering, policy: Policy, host: str, port: int, drain_s: float = _SHUTDOWN_TIMEOUT_S
) -> AsyncIterator[int]:
    """Take connections and give the port; at the end no new ones, and ``drain_s`` for what is under way.

    Raises ``SettingsError`` when the address cannot be listened on.
    """
    server = BoundedServer(answering, policy)
    runner = web.ServerRunner(server, shutdown_timeout=drain_s)
    await runner.setup()
    tasks = [asyncio.create_task(_close_silent(server))]
    try:
        try:
            await web.TCPSite(runner, host, port, backlog=_BACKLOG).start()
        except OSError as error:
            raise SettingsError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
        yield runner.addresses[0][1]
    finally:
        await _cancelled(tasks)
        await runner.cleanup()


async def _cancelled(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _close_silent(server: BoundedServer) -> None:
    while True:
        await asyncio.sleep(_WATCH_INTERVAL_S)
        server.close_silent()


async def _tend(router: Router, watched: Sequence[Path]) -> None:
    """Once a second: forget orders, start keys over, reload when a configuration or a key's file changed."""

    def versions() -> dict[Path, tuple[int, int, int] | None]:
        return {path: _version(path) for path in (*watched, *router.table.secret_files)}

    seen = versions()
    while True:
        await asyncio.sleep(_WATCH_INTERVAL_S)
        router.table.forget_orders()
        router.state.start_keys_over(router.table.config.policy.key_reset_interval_s)
        before, seen = seen, versions()
        if all(before.get(path, version) == version for path, version in seen.items()):
            continue
        try:
            table = await router.reload()
            LOGGER.info("new configuration: %d models", len(table.config.models))
        except SettingsError as error:
            LOGGER.error("the previous configuration keeps serving: %s", error)


def _version(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def run(
    config_path: Path,
    host: str = "127.0.0.1",
    port: int = 8080,
    token_refs: Sequence[str] = (),
    adapt: Callable[[RouterConfig], RouterConfig] | None = None,
    usage_path: Path | None = None,
    config_dir: Path | None = None,
    admin_token_ref: str | None = None,
    remote: Remote | None = None,
    key_hosts: Callable[[], KeyHosts] = reviewed_key_hosts,
) -> None:
    """Serve ``config_path`` until SIGINT or SIGTERM; one line on standard output says where.

    ``remote`` keeps that file as it is elsewhere, from before the start on.

    ``port`` 0 takes a free one. Deployments, splits and keys in ``config_dir`` are laid over the file.
    Clients give one of the tokens, if any; ``/refresh`` and ``/api`` want the admin token, if there is one.
    ``adapt`` changes each configuration that is loaded, such as ``with_local``. Usage is kept in the SQLite
    file ``usage_path``, or in memory without one; ``key_hosts`` as for ``Router``. Raises
    ``SettingsError`` for an unusable configuration, token or address, and for an address beyond loopback
    without a token.
    """
    if not is_loopback(host) and not token_refs:
        raise SettingsError(f"{host} is reachable from other machines: give a token reference (env:NAME)")
    tokens = [resolve_secret(reference) for reference in token_refs]
    admin_token = resolve_secret(admin_token_ref) if admin_token_ref else None

    def load() -> RouterConfig:
        config = read_overlaid(config_path, config_dir)
        return adapt(config) if adapt else config

    def made() -> Router:
        return Router(load, tokens, usage_path, admin_token, config_dir, key_hosts)

    watched = (config_path, *(overlay_files(config_dir) if config_dir is not None else ()))
    if remote is not None:
        uvloop.run(remote.begin())
    uvloop.run(_serve(made, host, port, watched, remote))


_SWITCH_INTERVAL_S = 0.001
"""How long another thread may keep requests waiting; Python's own 5 ms show in the p99."""


def until_signalled() -> asyncio.Event:
    """Make this process ready to serve; the event is set by SIGINT or SIGTERM."""
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    return stop


async def _serve(
    make: Callable[[], Router], host: str, port: int, watched: Sequence[Path], remote: Remote | None
) -> None:
    stop = until_signalled()
    router = make()
    async with following(remote, router), serving(router, host, port, watched) as bound:
        # What the start made lives as long as the process: walking it again and again shows in the p99.
        gc.collect()
        gc.freeze()
        sys.stdout.write(f"router listening on http://{host}:{bound}\n")
        sys.stdout.flush()
        await stop.wait()
