"""``/router.json``: the configuration for routers that run apart, with this machine's own files over it."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from modelscan_catalog.api.context import ApiContext, bearer
from modelscan_catalog.api.responses import SECRET_REFUSALS
from modelscan_catalog.router.added_keys import with_settings_keys
from modelscan_catalog.router.config import config_bytes
from modelscan_catalog.router.overlays import overlay_files, read_overlaid
from modelscan_catalog.secret_refs import resolve_secret

Versions = tuple[tuple[int, int] | None, ...]


def router_file_routes(context: ApiContext, token: str | None) -> APIRouter:
    """One endpoint, for holders of the operators' ``token`` or of the registry token.

    Raises ``SettingsError`` for a registry token that leads nowhere.
    """
    reference = context.settings.registry_token
    guard = bearer(token, resolve_secret(reference) if reference else None)
    router = APIRouter(tags=["router"], responses=SECRET_REFUSALS, dependencies=[Depends(guard)])
    folder = context.settings.data_dir / "router"
    kept: dict[Versions, bytes] = {}

    @router.get("/router.json", response_class=Response)
    def configuration() -> Any:
        """The router's configuration with deployments, splits and added keys, for routers that run apart."""
        path = context.served.current().registry.files.root / "router.json"
        versions = tuple(_version(one) for one in (path, *overlay_files(folder)))
        content = kept.get(versions)
        if content is None:
            config = with_settings_keys(read_overlaid(path, folder), context.settings)
            content = config_bytes(config)
            kept.clear()
            kept[versions] = content
        return Response(content, media_type="application/json")

    return router


def _version(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ino
