"""Bounds how often one client asks; off unless the settings name a limit."""

import math
import time

from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.types import ASGIApp, Receive, Scope, Send

from modelscan_catalog.api.errors import error_answer
from modelscan_catalog.errors import SettingsError

_NEVER_LIMITED = ("/health", "/healthz")


def parse_limit(text: str) -> list[RateLimitItem]:
    """The limits that ``50/second;1000/minute`` names; raises ``SettingsError``."""
    try:
        return parse_many(text)
    except ValueError as error:
        raise SettingsError(
            f"setting rate_limit: {text[:60]!r} is no limit; write it like 50/second;1000/minute"
        ) from error


class Limited:
    """ASGI middleware: 429 with Retry-After for a client that asks more often than it may.

    A client is an address. What stands before the server (a proxy) is one client, unless it limits itself.
    """

    def __init__(self, app: ASGIApp, limit: str) -> None:
        self._app = app
        self._items = parse_limit(limit)
        self._windows = MovingWindowRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http" and scope["path"] not in _NEVER_LIMITED:
            client = scope["client"][0] if scope.get("client") else ""
            for item in self._items:
                if not self._windows.hit(item, client):
                    left_s = self._windows.get_window_stats(item, client).reset_time - time.time()
                    wait = {"retry-after": str(max(1, math.ceil(left_s)))}
                    text = f"more than {item}; ask again after {wait['retry-after']} s"
                    await error_answer(429, "too_many_requests", text, headers=wait)(scope, receive, send)
                    return
        await self._app(scope, receive, send)
