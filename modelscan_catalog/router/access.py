"""Who may ask the router: tokens of clients and of operators, and without any, programs of this machine."""

import hashlib
import hmac
from collections.abc import Sequence
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.hdrs import AUTHORIZATION, HOST, ORIGIN

from modelscan_catalog.router.answers import RouterError
from modelscan_catalog.router.lint import is_loopback

ADMIN_PATHS = ("/api/", "/refresh")
"""Asked with the operators' token where there is one beside the clients'."""
_OPEN_PATHS = {"/health", "/healthz"}
_MAX_REMEMBERED = 4096


class Access:
    """The tokens of one router: ``tokens`` for clients, ``admin_token`` or else the same for operators."""

    def __init__(self, tokens: Sequence[str], admin_token: str | None) -> None:
        self._tokens = tuple(one.encode() for one in tokens)
        self._admin_tokens = (admin_token.encode(),) if admin_token is not None else self._tokens
        self._names = {
            one: hashlib.sha256(one).hexdigest()[:16] for one in (*self._tokens, *self._admin_tokens)
        }
        self.several = len(tokens) > 1
        """Whether clients can be told apart by their tokens."""
        self._local_hosts: set[str] = set()

    def token_of(self, request: web.BaseRequest, path: str) -> str | None:
        """The name of the token given, null where none is wanted; ``RouterError`` for a wrong one."""
        if path in _OPEN_PATHS:
            return None
        wanted = self._admin_tokens if path.startswith(ADMIN_PATHS) else self._tokens
        if not wanted:
            self._refuse_other_sites(request)
            return None
        given = request.headers.get(AUTHORIZATION, "").removeprefix("Bearer ")
        said = (given or request.headers.get("x-api-key", "")).encode("utf-8", "replace")
        for token in wanted:
            if hmac.compare_digest(said, token):
                return self._names[token]
        raise RouterError(401, "invalid_api_key", "give the router's token as Authorization: Bearer TOKEN")

    def _refuse_other_sites(self, request: web.BaseRequest) -> None:
        """Without a token, a web page in the user's browser must not spend the user's keys.

        A page's requests carry its origin, or, after a DNS change, its own host name.
        """
        headers = request.headers
        host, origin = headers.get(HOST, ""), headers.get(ORIGIN)
        if origin is None and host in self._local_hosts:
            return
        for named in (f"//{host}", origin):
            if named is not None and not _is_here(named):
                raise RouterError(
                    403, "forbidden_origin", "without a token only programs of this machine may ask"
                )
        if len(self._local_hosts) < _MAX_REMEMBERED:
            self._local_hosts.add(host)


def _is_here(address: str) -> bool:
    try:
        return is_loopback(urlsplit(address).hostname or "")
    except ValueError:
        return False
