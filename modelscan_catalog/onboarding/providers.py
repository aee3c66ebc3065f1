"""The providers that were added: their interface, their standing, and where their keys lie."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from modelscan_catalog.errors import StateError
from modelscan_catalog.onboarding.records import Standing
from modelscan_catalog.sdk.interface import ProviderInterface
from modelscan_catalog.sdk.render import interface_sha256
from modelscan_catalog.secret_refs import check_reference
from modelscan_catalog.state import write_event
from modelscan_catalog.state.database import now, transaction


@dataclass(frozen=True, slots=True)
class AddedProvider:
    """One row; ``key_references`` say where keys lie and are no keys."""

    id: str
    name: str
    api_type: str | None
    base_url: str | None
    standing: Standing
    interface: dict[str, Any]
    interface_sha256: str
    added_at: str
    updated_at: str
    key_references: tuple[str, ...] = ()


def put_provider(
    connection: sqlite3.Connection,
    interface: ProviderInterface,
    standing: Standing,
    key_references: Sequence[str] = (),
) -> None:
    """Keep a provider and references to its keys; the same again changes nothing.

    A provider whose interface is not usable is given no key: ``StateError``.
    """
    if key_references and standing != "usable":
        raise StateError(f"{interface.provider}: {standing}: no key is kept for it")
    document = interface.model_dump_json()
    with transaction(connection):
        before = connection.execute(
            "SELECT interface_sha256, standing FROM providers WHERE id = ?", (interface.provider,)
        ).fetchone()
        sha256 = interface_sha256(interface)
        if before is None or (before["interface_sha256"], before["standing"]) != (sha256, standing):
            connection.execute(
                "INSERT INTO providers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
                "name = excluded.name, api_type = excluded.api_type, base_url = excluded.base_url, "
                "standing = excluded.standing, interface = excluded.interface, "
                "interface_sha256 = excluded.interface_sha256, updated_at = excluded.updated_at",
                (
                    interface.provider,
                    interface.name,
                    interface.api_type,
                    interface.base_url,
                    standing,
                    document,
                    sha256,
                    now(),
                    now(),
                ),
            )
            write_event(connection, "provider.stored", interface.provider, {"standing": standing})
        for reference in key_references:
            connection.execute(
                "INSERT OR IGNORE INTO provider_keys VALUES (?, ?, ?)",
                (interface.provider, check_reference(reference), now()),
            )


def is_usable(connection: sqlite3.Connection, provider: str) -> bool:
    """Whether it can be called: a later try that finds less does not take that away."""
    found = connection.execute("SELECT standing FROM providers WHERE id = ?", (provider,)).fetchone()
    return found is not None and found["standing"] == "usable"


def added_providers(connection: sqlite3.Connection) -> list[AddedProvider]:
    """All, by id."""
    keys: dict[str, list[str]] = {}
    for row in connection.execute("SELECT provider, reference FROM provider_keys ORDER BY reference"):
        keys.setdefault(row["provider"], []).append(row["reference"])
    return [
        AddedProvider(
            **(
                dict(row)
                | {
                    "interface": json.loads(row["interface"]),
                    "key_references": tuple(keys.get(row["id"], ())),
                }
            )
        )
        for row in connection.execute("SELECT * FROM providers ORDER BY id")
    ]
