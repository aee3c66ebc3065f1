"""Active probes: targets that rest, and local deployments, are asked for their models now and then."""

import asyncio
from typing import TYPE_CHECKING

from modelscan_catalog.router.table import Route
from modelscan_catalog.router.upstream import UpstreamError, Upstreams

if TYPE_CHECKING:
    from modelscan_catalog.router.app import Router

_PROBE_TIMEOUT_S = 5.0
_IDLE_CHECK_S = 5.0


async def probe_targets(router: "Router") -> None:
    """Probe for ever, every ``policy.probe_interval_s``; waits while that is null."""
    while True:
        policy = router.table.config.policy
        await asyncio.sleep(policy.probe_interval_s or _IDLE_CHECK_S)
        if policy.probe_interval_s is None:
            continue
        now = router.state.clock()
        asked: dict[str, list[Route]] = {}
        for route in router.table.routes():
            if route.provider.type == "local" or route.health.resting_until > now:
                asked.setdefault(route.provider.name, []).append(route)
        for routes in asked.values():
            alive = await is_alive(router.upstreams, routes[0])
            for route in routes:
                if not alive:
                    router.state.health.failed(route.health, policy)
                elif route.health.probed is False:
                    route.health.failures_in_row = route.health.rests = 0
                    route.health.resting_until = 0.0
                route.health.probed, route.health.changed = alive, True


async def is_alive(upstreams: Upstreams, route: Route) -> bool:
    """Whether the route's provider answers ``GET /models`` with anything but a server error.

    No key is sent: a refusal for want of one shows just as well that somebody is there.
    """
    lines = [
        f"GET {route.base_path}/models HTTP/1.1",
        f"Host: {route.address.authority}",
        "Accept-Encoding: identity",
        "User-Agent: modelscan-router",
    ]
    head = ("\r\n".join(lines) + "\r\n\r\n").encode()
    try:
        answer = await upstreams.ask(route.address, head, b"", _PROBE_TIMEOUT_S)
    except UpstreamError:
        return False
    try:
        await answer.whole(_PROBE_TIMEOUT_S, 16 * 2**20)
    except UpstreamError:
        return False
    finally:
        answer.release()
    return answer.status < 500
