"""Clients of many providers in one go: made, checked, and kept where that is wanted."""

from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from modelscan_catalog.errors import UnknownIdError
from modelscan_catalog.onboarding.published import Catalogue, catalogue_of, stored_interfaces
from modelscan_catalog.sdk.check import check_clients
from modelscan_catalog.sdk.history import clients_dir, record_version, write_active
from modelscan_catalog.sdk.render import Language, write_base
from modelscan_catalog.settings import Settings
from modelscan_catalog.state import open_state
from modelscan_catalog.store import write_bytes


@dataclass(frozen=True)
class Generation:
    """What was made; ``failed`` holds findings by provider, those clients are not kept."""

    catalogue: Catalogue
    kept: int
    claims_held: int
    failed: dict[str, tuple[str, ...]]

    def document(self) -> dict[str, object]:
        """As JSON."""
        failed = {name: list(findings) for name, findings in self.failed.items()}
        return {
            **self.catalogue.summary(),
            "kept": self.kept,
            "claims_held": self.claims_held,
            "failed": failed,
        }


def generate_clients(
    settings: Settings,
    providers: Collection[str] = (),
    language: Language = "python",
    *,
    check: bool = True,
    apply: bool = False,
    out: Path | None = None,
) -> Generation:
    """Clients of ``providers`` (all without names) from what models.dev gave last; rules only, no network.

    Raises ``UnknownIdError`` for a provider that the catalogue does not have.
    """
    interfaces = stored_interfaces(settings)
    known = sorted(interface.provider for interface in interfaces)
    unknown = sorted(set(providers) - set(known))
    if unknown:
        near = get_close_matches(unknown[0], known, n=5)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        raise UnknownIdError(f"{unknown[0][:100]}: no provider of the catalogue{hint}", near)
    wanted = [one for one in interfaces if not providers or one.provider in providers]
    catalogue = catalogue_of(wanted, language)
    checked = check_clients(catalogue.pairs) if check and language == "python" else []
    failed = {one.client.provider: one.findings for one in checked if not one.passed}
    good = [client for client in catalogue.clients if client.provider not in failed]
    if out is not None:
        for client in good:
            write_bytes(out / client.file, client.text.encode())
        write_base(out, language)
    if apply:
        with open_state(settings.state_file) as connection:
            for client in good:
                record_version(connection, client)
            write_active(connection, clients_dir(settings))
    claims = sum(claim.passed for one in checked for claim in one.claims)
    return Generation(catalogue, len(good), claims, failed)
