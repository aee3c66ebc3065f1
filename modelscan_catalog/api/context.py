"""What a group of endpoints is made from: the served registry, who may change something, and the settings."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from fastapi import Request
from starlette.exceptions import HTTPException

from modelscan_catalog.api.figures import Figures
from modelscan_catalog.api.snapshot import Served
from modelscan_catalog.router.usage import UsageStore
from modelscan_catalog.settings import Settings

Guard = Callable[[Request], None]
"""A dependency that refuses a request with 401."""


class ServiceView(Protocol):
    """The process around the application, where there is one."""

    def components(self) -> dict[str, str]:
        """What runs in it, in the order of its start, with the state of each."""

    def metrics(self, bearer: str) -> bytes:
        """Figures of everything beside the API; some only for those who hold a token."""

    def restart(self) -> None:
        """Begin to stop and start everything; returns at once."""

    def reload_router(self) -> dict[str, object] | None:
        """Have the router read its configuration anew; None without a router. Raises ``SettingsError``."""


@dataclass(frozen=True)
class ApiContext:
    """Handed to every function that makes an ``APIRouter``; put ``Depends(context.authorized)`` on what
    changes something or tells what is nobody else's business.
    """

    served: Served
    authorized: Guard
    settings: Settings
    state: Path | None = None
    """The state file; None where nothing is kept (tests of reads)."""
    usage: UsageStore | None = None
    """Where reported usage goes."""
    warnings: tuple[str, ...] = ()
    """What the configuration says and the server does not follow."""
    figures: Figures = field(default_factory=Figures)
    service: ServiceView | None = None

    @property
    def guarded(self) -> bool:
        """Whether a caller without a token is refused."""
        try:
            self.authorized(Request({"type": "http", "headers": []}))
        except HTTPException:
            return True
        return False


def bearer(token: str | None) -> Guard:
    """A guard that asks for ``token``; without a token everybody passes, and only loopback is served."""

    def authorized(request: Request) -> None:
        given = request.headers.get("authorization", "")
        if token is not None and not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            raise HTTPException(401, "this endpoint needs the server's bearer token")

    return authorized
