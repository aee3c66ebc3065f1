"""Key references added to a running router: ``keys.json`` beside its deployments and splits."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.router.config import MAX_KEYS, DirectRouting, RouterConfig, Routing, changed
from modelscan_catalog.router.overlay_files import locked, read_overlay, write_overlay
from modelscan_catalog.router.parts import Part
from modelscan_catalog.secret_refs import SecretRef

KEYS_FILE = "keys.json"


class KeysFile(Part):
    """The whole of ``keys.json``: references by provider, never a key."""

    schema_version: str = Field(default="1.0.0", pattern=r"^1\.\d+\.\d+$")
    keys: dict[str, tuple[SecretRef, ...]] = Field(default_factory=dict)


class TooManyKeysError(SettingsError):
    """The provider has as many keys as one may have."""


def add_key(config_dir: Path, config: RouterConfig, provider: str, reference: str) -> bool:
    """Have routers that watch ``config_dir`` use ``reference`` for ``provider``; false when they do already.

    ``config`` is what they serve. Raises ``TooManyKeysError`` for more than 100 keys, ``SettingsError``
    when the file is damaged or cannot be written.
    """
    path = config_dir / KEYS_FILE
    with locked(path):
        known = read_keys(config_dir)
        listed = config.providers[provider]
        references = {listed.key, *listed.keys, *known.get(provider, ())} - {None}
        if reference in references:
            return False
        if len(references) >= MAX_KEYS:
            raise TooManyKeysError(f"{provider} has {MAX_KEYS} keys already: remove one first")
        write_overlay(path, KeysFile(keys=known | {provider: (*known.get(provider, ()), reference)}))
    return True


def read_keys(config_dir: Path) -> dict[str, tuple[str, ...]]:
    """The references by provider; raises ``SettingsError`` for a damaged file."""
    return dict(read_overlay(config_dir / KEYS_FILE, KeysFile).keys)


def with_keys(config: RouterConfig, keys: Mapping[str, tuple[str, ...]]) -> RouterConfig:
    """``config`` with ``keys`` beside those it lists; providers that it does not know are passed over."""
    if not any(name in config.providers for name in keys):
        return config
    providers = tuple(
        changed(one, keys=tuple(dict.fromkeys((*one.keys, *keys[one.name])))) if one.name in keys else one
        for one in config.routing.direct.providers
    )
    return changed(config, routing=Routing(direct=DirectRouting(providers=providers)))
