"""What a run of the steps is made from: the identifier, the settings, and what the caller gave."""

import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from modelscan_catalog.errors import OnboardingError, SettingsError
from modelscan_catalog.key_hosts import KeyHosts, as_host, key_hosts
from modelscan_catalog.onboarding.settings import SynthesisSettings
from modelscan_catalog.sdk.history import clients_dir
from modelscan_catalog.secret_refs import SecretRef, check_reference
from modelscan_catalog.settings import Settings

_IDENTIFIER = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]{0,99})(?:/([^\s\x00-\x1f]{1,200}))?$")


@dataclass(frozen=True)
class Context:
    """One run; ``identifier`` is ``provider/model``, or a provider alone.

    Without ``apply`` nothing outside the cache is changed. ``live`` lets sources, pages and probes be
    asked; ``refresh`` makes everything anew. ``key_host`` is the host that the caller names for ``key``,
    where nobody has confirmed that it belongs there. ``openapi`` and ``docs`` are paths or addresses that the
    caller vouches for. ``allow_loopback`` is for tests.
    """

    identifier: str
    settings: Settings
    synthesis: SynthesisSettings = field(default_factory=SynthesisSettings)
    live: bool = False
    refresh: bool = False
    key: SecretRef | None = None
    key_host: str = ""
    openapi: str = ""
    docs: str = ""
    confirmations: Path | None = None
    apply: bool = False
    allow_loopback: bool = False

    def __post_init__(self) -> None:
        """Refuse a literal key, unrepeated, and what is no host."""
        if self.key_host and (self.key is None or as_host(self.key_host) != self.key_host):
            raise SettingsError(f"key_host: name the host of a key, as {as_host(self.key_host)}")
        if self.key is not None:
            try:
                check_reference(self.key)
            except ValueError as error:
                raise SettingsError(f"key: {error}") from None

    @property
    def provider(self) -> str:
        """The provider's id."""
        return split_identifier(self.identifier)[0]

    @property
    def model(self) -> str | None:
        """The provider's own id of the model, where one is named."""
        return split_identifier(self.identifier)[1]

    @cached_property
    def allowed(self) -> KeyHosts:
        """Hosts that keys may be sent to, the one that the caller named among them."""
        known = key_hosts(self.settings)
        if self.key is None or not self.key_host:
            return known
        named = known.own.get(self.key, frozenset()) | {self.key_host}
        return KeyHosts(known.reviewed, {**known.own, self.key: named})

    @property
    def sdk_dir(self) -> Path:
        """Where active clients lie as files."""
        return clients_dir(self.settings)

    @property
    def confirmations_dir(self) -> Path:
        """Where persons confirm what was inferred."""
        return self.confirmations or self.settings.registry_dir / "onboarding" / "confirmations"

    @property
    def router_dir(self) -> Path:
        """The overlays that running routers watch."""
        return self.settings.data_dir / "router"


def split_identifier(identifier: str) -> tuple[str, str | None]:
    """Provider and model; ``OnboardingError`` for what is neither."""
    match = _IDENTIFIER.match(identifier)
    if match is None:
        raise OnboardingError(
            f"{identifier[:80]!r} is not an identifier: give PROVIDER/MODEL, such as deepseek/deepseek-chat"
        )
    return match[1], match[2]
