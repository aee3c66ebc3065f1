"""The whole catalogue's interfaces and clients as files: by rules alone, offline, always the same bytes."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from modelscan_catalog.errors import SourceError
from modelscan_catalog.key_hosts import KeyHosts, key_hosts, reviewed_key_hosts
from modelscan_catalog.onboarding.combine import with_key_hosts
from modelscan_catalog.onboarding.rules import interface_by_rules
from modelscan_catalog.onboarding.tables import InterfaceTables, interface_tables
from modelscan_catalog.sdk.interface import ProviderInterface, faults
from modelscan_catalog.sdk.render import GeneratedClient, Language, generate, module_name
from modelscan_catalog.settings import Settings
from modelscan_catalog.sources.runner import latest
from modelscan_catalog.sources.staged import ModelsDevOffer, ModelsDevProvider
from modelscan_catalog.store import json_bytes


@dataclass(frozen=True)
class Catalogue:
    """Every provider's interface, and the client of each that has what it needs."""

    interfaces: tuple[ProviderInterface, ...]
    clients: tuple[GeneratedClient, ...]

    @property
    def pairs(self) -> list[tuple[GeneratedClient, ProviderInterface]]:
        """Each client with its interface."""
        by_id = {interface.provider: interface for interface in self.interfaces}
        return [(client, by_id[client.provider]) for client in self.clients]

    def summary(self) -> dict[str, object]:
        """How many of each kind, how many need more and what."""
        needing = {one.provider: list(one.missing) for one in self.interfaces if one.missing}
        kinds = Counter(one.api_type or "unknown" for one in self.interfaces)
        return {
            "providers": len(self.interfaces),
            "by_api_type": dict(sorted(kinds.items())),
            "openai_compatible_share": round(kinds["openai-compatible"] / max(1, len(self.interfaces)), 4),
            "with_client": len(self.clients),
            "needs_more": dict(sorted(needing.items())),
        }


def interfaces_of(
    providers: Iterable[ModelsDevProvider],
    offers: Iterable[ModelsDevOffer],
    tables: InterfaceTables | None = None,
    allowed: KeyHosts | None = None,
) -> tuple[ProviderInterface, ...]:
    """The interface of every provider, concluded by rules, by id; ``allowed`` is the reviewed table."""
    rules = tables or interface_tables()
    hosts = allowed or reviewed_key_hosts()
    served: defaultdict[str, list[ModelsDevOffer]] = defaultdict(list)
    for offer in offers:
        served[offer.provider].append(offer)
    found = [
        with_key_hosts(interface_by_rules(provider, served[provider.id], rules), hosts)
        for provider in providers
    ]
    return tuple(sorted(found, key=lambda interface: interface.provider))


def stored_interfaces(settings: Settings) -> tuple[ProviderInterface, ...]:
    """The same from what models.dev gave last, without a socket; raises ``SourceError`` without any."""
    result = latest("models_dev", settings)
    if result is None:
        raise SourceError("models_dev: neither cached nor in the snapshot; run `modelscan build`")
    providers = [row for row in result.tables["providers"] if isinstance(row, ModelsDevProvider)]
    offers = [row for row in result.tables["offers"] if isinstance(row, ModelsDevOffer)]
    return interfaces_of(providers, offers, interface_tables(settings.registry_dir), key_hosts(settings))


def catalogue_of(interfaces: Sequence[ProviderInterface], language: Language = "python") -> Catalogue:
    """The clients of all interfaces that have what they need.

    An interface that does not pass its gate is kept, with its faults among what is missing. Two that have
    what they need and would be one module get none: nobody's client is taken over by a similar name.
    """
    gated = tuple(
        interface.model_copy(update={"missing": (*interface.missing, *wrong)}) if wrong else interface
        for interface in interfaces
        for wrong in [faults(interface)]
    )
    ready = Counter(module_name(one.provider) for one in gated if not one.missing)
    gated = tuple(
        interface.model_copy(update={"missing": (f"name: another provider is {name} too",)})
        if not interface.missing and ready[name] > 1
        else interface
        for interface in gated
        for name in [module_name(interface.provider)]
    )
    clients = tuple(generate(interface, language) for interface in gated if not interface.missing)
    return Catalogue(gated, clients)


def onboarding_files(
    providers: Iterable[ModelsDevProvider], offers: Iterable[ModelsDevOffer]
) -> dict[str, bytes]:
    """Published files by path: ``onboarding.json``, ``interfaces.jsonl`` and the clients below ``sdks/``."""
    catalogue = catalogue_of(interfaces_of(providers, offers))
    files = {
        "onboarding.json": json_bytes(catalogue.summary(), indent=1),
        "interfaces.jsonl": b"".join(_interface_line(interface) for interface in catalogue.interfaces),
        "sdks/index.json": json_bytes([manifest_entry(client) for client in catalogue.clients], indent=1),
    }
    return files | {
        f"sdks/{client.language}/{client.file}": client.text.encode() for client in catalogue.clients
    }


def _interface_line(interface: ProviderInterface) -> bytes:
    return json_bytes(interface.model_dump(mode="json", exclude_defaults=True))


def manifest_entry(client: GeneratedClient) -> dict[str, object]:
    """One line of the manifest of clients."""
    return {
        "provider": client.provider,
        "language": client.language,
        "file": f"{client.language}/{client.file}",
        "lines": client.lines,
        "sha256": client.sha256,
        "interface_sha256": client.interface_sha256,
    }
