"""What a group of endpoints is made from: the served registry, who may change something, and the settings."""

import hmac
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from fastapi import Request
from starlette.exceptions import HTTPException

from modelscan_catalog.api.figures import Figures
from modelscan_catalog.api.snapshot import Served
from modelscan_catalog.errors import StateError
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

    def kept_state(self, what: str) -> Path:
        """The state file. Raises ``StateError``, which begins with ``what``, where nothing is kept."""
        if self.state is None:
            raise StateError(f"{what}: this server keeps no state; start it with `modelscan serve`")
        return self.state

    @property
    def guarded(self) -> bool:
        """Whether a caller without a token is refused."""
        return not self.trusts(Request({"type": "http", "headers": []}))

    def trusts(self, request: Request) -> bool:
        """Whether a caller may know where things lie: with the token, and everybody where there is none."""
        try:
            self.authorized(request)
        except HTTPException:
            return False
        return True

    def told(self, request: Request, value: Any) -> Any:
        """``value`` as the caller may read it: for those who are not trusted, directories by name only."""
        return value if self.trusts(request) else _by_name(value, self._places())

    def _places(self) -> list[tuple[re.Pattern[str], str]]:
        settings = self.settings
        places = {
            "(registry)": self.served.published,
            "(weights)": settings.weights_dir,
            "(state)": settings.state_file.parent,
            "(data)": settings.data_dir,
            "(hand-kept data)": settings.registry_dir,
        }
        with suppress(RuntimeError):  # a user without a name, as containers have, has no home
            places["(home)"] = Path.home()
        spelled = {way: name for name, path in places.items() for way in (path.absolute(), path)}
        longest_first = sorted(spelled.items(), key=lambda place: -len(str(place[0])))
        return [(_whole(way), name) for way, name in longest_first if way not in (Path(way.anchor), Path())]


def _whole(path: Path) -> re.Pattern[str]:
    """The path itself and what lies below it, but no word that has it in the middle."""
    return re.compile(rf"(?<![\w.-]){re.escape(str(path))}(?![\w-])")


def _by_name(value: Any, places: list[tuple[re.Pattern[str], str]]) -> Any:
    if isinstance(value, str):
        for path, name in places:
            value = path.sub(name, value)
        return value
    if isinstance(value, dict):
        return {key: _by_name(inner, places) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_by_name(inner, places) for inner in value]
    return value


def bearer(token: str | None, other: str | None = None) -> Guard:
    """A guard that asks for ``token``, or takes the ``other`` one as well.

    Without ``token`` everybody passes, and only loopback is served.
    """
    taken = [f"Bearer {one}".encode() for one in (token, other) if one is not None]

    def authorized(request: Request) -> None:
        given = request.headers.get("authorization", "").encode()
        if token is not None and not any(hmac.compare_digest(given, one) for one in taken):
            raise HTTPException(401, "this endpoint needs the server's bearer token")

    return authorized
