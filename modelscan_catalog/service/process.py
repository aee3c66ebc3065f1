"""The process of the service: listens on one address, obeys signals, lets requests finish."""

import logging
import sys
from collections.abc import Callable

import uvloop

from modelscan_catalog.router.emit import default_policy
from modelscan_catalog.router.server import listening, until_signalled
from modelscan_catalog.service.parts import tokens_of
from modelscan_catalog.service.service import Service
from modelscan_catalog.settings import Loaded

LOGGER = logging.getLogger("modelscan.service")


def run(load: Callable[[], Loaded]) -> None:
    """Serve until SIGINT or SIGTERM; one line on standard output says where.

    Raises ``SettingsError`` for an unusable address or token and for an address beyond loopback without a
    token, ``PublishError`` for a registry that is missing or not whole, ``StateError`` for unusable state.
    """
    settings = load().settings
    tokens_of(settings)
    uvloop.run(_serve(load, settings.host, settings.port, settings.drain_timeout_s))


def own_host(host: str) -> str:
    """Under which name this process reaches itself: an address that means every one is the loopback."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"[{name}]" if ":" in name else name


async def _serve(load: Callable[[], Loaded], host: str, port: int, drain_s: float) -> None:
    stop = until_signalled()
    service = Service(load)
    await service.start()
    try:
        policy = service.router.table.config.policy if service.router is not None else default_policy()
        async with listening(service, policy, host, port, drain_s) as bound:
            service.listens(f"http://{own_host(host)}:{bound}")
            sys.stdout.write(f"serving on http://{host}:{bound} (documents: /docs)\n")
            sys.stdout.flush()
            await stop.wait()
            LOGGER.info("stopping: requests under way have %g s", drain_s)
    finally:
        await service.stop()
        LOGGER.info("stopped")
