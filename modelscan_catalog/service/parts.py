"""The parts of the service, made from its settings: tokens, registry, router, usage."""

import hmac
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from modelscan_catalog.errors import ModelScanError, SettingsError
from modelscan_catalog.router.added_keys import confirmed, with_settings_keys
from modelscan_catalog.router.app import Router
from modelscan_catalog.router.chains import read_chains, with_chains
from modelscan_catalog.router.config import RouterConfig
from modelscan_catalog.router.lint import is_loopback
from modelscan_catalog.router.overlays import overlay_files, read_overlaid
from modelscan_catalog.router.splits import SPLITS_FILE
from modelscan_catalog.router.usage import UsageStore
from modelscan_catalog.secret_refs import resolve_secret
from modelscan_catalog.settings import Settings
from modelscan_catalog.state import open_state
from modelscan_catalog.upgrade.run import write_splits

LOGGER = logging.getLogger("modelscan.service")

ROUTER_FILE = "router.json"
_OWN_ROUTER = ("direct", "plano_embedded")


@dataclass(frozen=True)
class Tokens:
    """Bearer tokens of operators and of those who ask models; None where everybody of this machine may."""

    admin: str | None
    client: str | None

    def may_ask(self, authorization: str) -> bool:
        """Whether a header holds one of them, or none is needed."""
        wanted = [token for token in (self.admin, self.client) if token is not None]
        given = authorization.removeprefix("Bearer ").encode()
        return not wanted or any(hmac.compare_digest(given, token.encode()) for token in wanted)


def tokens_of(settings: Settings) -> Tokens:
    """The tokens that the settings refer to.

    Raises ``SettingsError`` for a reference that leads nowhere, and for a bind beyond loopback without one.
    """
    admin = resolve_secret(settings.api_token) if settings.api_token else None
    client = resolve_secret(settings.client_token) if settings.client_token else admin
    if admin is None and not is_loopback(settings.host):
        raise SettingsError(
            f"host {settings.host}: others could reach the mutating endpoints; set MODEL_MANAGER_API_TOKEN, "
            "give --token env:NAME, or bind 127.0.0.1"
        )
    return Tokens(admin, client)


def published_of(settings: Settings) -> Path:
    """The registry to serve."""
    return settings.catalog_root or settings.published_dir


def own_entries(settings: Settings) -> Path | None:
    """A folder of a user's own entries, laid over the registry."""
    if settings.overlays is not None:
        return settings.overlays
    below = published_of(settings) / settings.catalog_models_subdir
    return below if settings.catalog_root is not None and below.is_dir() else None


def router_dir(settings: Settings) -> Path:
    """Where the router keeps usage, and finds deployments and splits."""
    return settings.data_dir / "router"


def make_router(settings: Settings, published: Path, tokens: Tokens) -> tuple[Router | None, str | None]:
    """The router, or None and why there is none; raises ``SettingsError`` for a bad configuration."""
    if settings.routing_mode not in _OWN_ROUTER:
        return None, f"routing_mode is {settings.routing_mode}; `modelscan router --export plano` feeds it"
    config_path = published / ROUTER_FILE
    if not config_path.is_file():
        return None, f"{config_path} is not there"
    folder = router_dir(settings)

    def load() -> RouterConfig:
        config = read_overlaid(config_path, folder)
        if settings.router_chains is not None:
            config = with_chains(config, read_chains(settings.router_chains), str(settings.router_chains))
        return with_settings_keys(config, settings)

    hosts = partial(confirmed, settings)
    return Router(load, tokens.client, folder / "usage.sqlite", tokens.admin, folder, hosts), None


def watched_files(settings: Settings, published: Path) -> tuple[Path, ...]:
    """Files whose change has the router read its configuration anew."""
    own = () if settings.router_chains is None else (settings.router_chains,)
    return (published / ROUTER_FILE, *overlay_files(router_dir(settings)), *own)


@asynccontextmanager
async def usage_store(settings: Settings) -> AsyncIterator[UsageStore]:
    """Where reported usage goes while no router runs."""
    store = UsageStore(router_dir(settings) / "usage.sqlite")
    store.start()
    try:
        yield store
    finally:
        store.close()


def follow_upgrades(settings: Settings) -> None:
    """Write the splits that the state asks for: who decided may have been killed before it did so.

    What keeps it from that is logged; the router then serves as it did.
    """
    try:
        with open_state(settings.state_file) as state:
            write_splits(state, router_dir(settings) / SPLITS_FILE)
    except ModelScanError as error:
        LOGGER.warning("upgrades: the splits are not written: %s", error)
