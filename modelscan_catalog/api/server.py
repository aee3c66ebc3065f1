"""Run the API on uvicorn; a bind that others can reach needs a token."""

import ipaddress
import os
from pathlib import Path

import uvicorn

from modelscan_catalog.api.app import create_app
from modelscan_catalog.api.snapshot import Served
from modelscan_catalog.errors import SettingsError
from modelscan_catalog.secret_refs import check_reference, resolve_secret

TOKEN_VARIABLE = "MODEL_MANAGER_API_TOKEN"  # noqa: S105 - the name of a variable


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def api_token(reference: str | None) -> str | None:
    """The bearer token by reference, else that of ``MODEL_MANAGER_API_TOKEN``; raises ``SettingsError``."""
    if reference is not None:
        try:
            return resolve_secret(check_reference(reference))
        except ValueError as error:
            raise SettingsError(f"--token: {error}") from error
    return os.environ.get(TOKEN_VARIABLE) or None


def serve(published: Path, host: str, port: int, token_reference: str | None = None) -> None:
    """Serve until stopped. Raises ``SettingsError`` for a reachable bind without a token, ``PublishError``
    for a registry that is missing or not whole.
    """
    token = api_token(token_reference)
    if token is None and not is_loopback(host):
        raise SettingsError(
            f"--host {host}: others could reach the mutating endpoints; set {TOKEN_VARIABLE} or give --token "
            "env:NAME, or bind 127.0.0.1"
        )
    overlays = os.environ.get("MODELSCAN_OVERLAYS")
    served = Served(published, Path(overlays) if overlays else None)
    uvicorn.run(
        create_app(served, token),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
    )
