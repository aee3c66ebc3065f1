"""How often one client may ask: a token bucket each, kept as one number.

The generic cell rate algorithm (ITU-T I.371): a client's number is the time at which its bucket is full
again. Own code because the in-memory storage of the ``limits`` library starts a thread every 10 ms under
load, which shows in this process's latencies.
"""

import time
from collections.abc import Callable

from modelscan_catalog.router.config import ClientLimits

_MAX_CLIENTS = 10_000


class TokenBuckets:
    """One bucket a client, each of ``limits.burst`` requests, filled at ``limits.requests_per_minute``."""

    def __init__(self, limits: ClientLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._clock = clock
        self._interval_s = 60 / limits.requests_per_minute
        self._depth_s = self._interval_s * (limits.burst or limits.requests_per_minute)
        self._full_at: dict[str, float] = {}

    def take(self, client: str) -> float:
        """0 when ``client`` may ask now, which counts; else the seconds until it may."""
        now = self._clock()
        full_at = max(self._full_at.get(client, now), now) + self._interval_s
        wait_s = full_at - now - self._depth_s
        if wait_s > 1e-9:
            return wait_s
        if client not in self._full_at and len(self._full_at) >= _MAX_CLIENTS:
            self._forget(now)
        self._full_at[client] = full_at
        return 0.0

    def _forget(self, now: float) -> None:
        """Drop clients whose bucket is full, else the one first seen."""
        self._full_at = {client: at for client, at in self._full_at.items() if at > now}
        if len(self._full_at) >= _MAX_CLIENTS:
            del self._full_at[next(iter(self._full_at))]
