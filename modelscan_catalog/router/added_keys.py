"""Key references added to a running router: ``keys.json`` beside its deployments and splits."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import Field

from modelscan_catalog.errors import OverrideError, SettingsError, StateError
from modelscan_catalog.key_hosts import KeyHosts, key_hosts
from modelscan_catalog.router.config import MAX_KEYS, DirectRouting, RouterConfig, Routing, changed
from modelscan_catalog.router.overlay_files import locked, read_overlay, write_overlay
from modelscan_catalog.router.parts import Part
from modelscan_catalog.secret_refs import SecretRef
from modelscan_catalog.settings import Settings

KEYS_FILE = "keys.json"


class KeysFile(Part):
    """The whole of ``keys.json``: references by provider, never a key."""

    schema_version: str = Field(default="1.0.0", pattern=r"^1\.\d+\.\d+$")
    keys: dict[str, tuple[SecretRef, ...]] = Field(default_factory=dict)


class TooManyKeysError(SettingsError):
    """The provider has as many keys as one may have."""


class ForeignKeyError(SettingsError):
    """The key is confirmed for other hosts than the provider's."""


def add_key(config_dir: Path, config: RouterConfig, provider: str, reference: str, allowed: KeyHosts) -> bool:
    """Have routers that watch ``config_dir`` use ``reference`` for ``provider``; false when they do already.

    ``config`` is what they serve. Raises ``ForeignKeyError`` for a key of another seller (``allowed``),
    ``TooManyKeysError`` for more than 100 keys, ``SettingsError`` when the file is damaged or cannot be
    written.
    """
    refuse_foreign(config, provider, (reference,), allowed)
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


def refuse_foreign(config: RouterConfig, provider: str, references: Iterable[str], allowed: KeyHosts) -> None:
    """Raise ``ForeignKeyError`` for a key that belongs to another seller than ``provider``.

    A key that no host is confirmed for is the one that a person gives to this provider, which may be an
    engine of theirs.
    """
    url = config.providers[provider].base_url
    for reference in references:
        refusal = allowed.refusal(reference, url, named=True) if allowed.of(reference) else None
        if refusal is not None:
            raise ForeignKeyError(f"{provider}: {refusal}")


def read_keys(config_dir: Path) -> dict[str, tuple[str, ...]]:
    """The references by provider; raises ``SettingsError`` for a damaged file."""
    return dict(read_overlay(config_dir / KEYS_FILE, KeysFile).keys)


def with_settings_keys(config: RouterConfig, settings: Settings) -> RouterConfig:
    """``config`` with the keys of the setting ``api_keys``.

    Raises ``SettingsError`` for a provider that it does not know and for a key of another seller.
    """
    if not settings.api_keys:
        return config
    allowed = confirmed(settings)
    for provider, references in settings.api_keys.items():
        if provider not in config.providers:
            raise SettingsError(f"setting api_keys.{provider}: the router has no such provider")
        try:
            refuse_foreign(config, provider, references, allowed)
        except ForeignKeyError as error:
            raise SettingsError(f"setting api_keys.{error}") from None
    return with_keys(config, settings.api_keys)


def confirmed(settings: Settings) -> KeyHosts:
    """Hosts by key, as a router needs them: what keeps them from being read is a ``SettingsError``."""
    try:
        return key_hosts(settings)
    except (OverrideError, StateError) as error:
        raise SettingsError(str(error)) from error


def with_keys(config: RouterConfig, keys: Mapping[str, tuple[str, ...]]) -> RouterConfig:
    """``config`` with ``keys`` beside those it lists; providers that it does not know are passed over."""
    if not any(name in config.providers for name in keys):
        return config
    providers = tuple(
        changed(one, keys=tuple(dict.fromkeys((*one.keys, *keys[one.name])))) if one.name in keys else one
        for one in config.routing.direct.providers
    )
    return changed(config, routing=Routing(direct=DirectRouting(providers=providers)))
