"""Versions of generated clients by content hash: which one serves, what came before, and the way back."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from modelscan_catalog.errors import UnknownIdError
from modelscan_catalog.sdk.render import GeneratedClient, Language, write_base
from modelscan_catalog.settings import Settings
from modelscan_catalog.state import write_event
from modelscan_catalog.state.database import now, transaction
from modelscan_catalog.store import write_bytes


@dataclass(frozen=True, slots=True)
class Version:
    """One text of one client; a ``withdrawn`` one was rolled back and is not taken up by itself again."""

    provider: str
    language: Language
    sha256: str
    interface_sha256: str
    file: str
    text: str
    created_at: str
    active: bool
    withdrawn: bool


_COLUMNS = "provider, language, sha256, interface_sha256, file, text, created_at, active, withdrawn"


def clients_dir(settings: Settings) -> Path:
    """Where active clients lie as files."""
    return settings.output_dir or settings.data_dir / "sdk"


def record_version(connection: sqlite3.Connection, client: GeneratedClient) -> Version:
    """Keep a client's text and make it the active one, unless just this text was rolled back.

    The same text again changes nothing. The answer is the active version.
    """
    with transaction(connection):
        row = connection.execute(
            "SELECT active, withdrawn FROM sdk_versions WHERE provider = ? AND language = ? AND sha256 = ?",
            (client.provider, client.language, client.sha256),
        ).fetchone()
        if row is None:
            connection.execute(
                "INSERT INTO sdk_versions "
                "(provider, language, sha256, interface_sha256, file, text, created_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    client.provider,
                    client.language,
                    client.sha256,
                    client.interface_sha256,
                    client.file,
                    client.text,
                    now(),
                ),
            )
        if row is None or not (row["active"] or row["withdrawn"]):
            _activate(connection, client.provider, client.language, client.sha256, "sdk.generated")
    current = active_version(connection, client.provider, client.language)
    assert current is not None
    return current


def roll_back(
    connection: sqlite3.Connection, provider: str, to: str = "", language: Language = "python"
) -> Version:
    """Make an older version the active one and withdraw the present one.

    ``to`` is the beginning of a hash; without it the version before the active one is taken. Raises
    ``UnknownIdError`` when there is none.
    """
    with transaction(connection):
        chosen = find_older(connection, provider, to, language)
        present = active_version(connection, provider, language)
        if present is not None:
            connection.execute(
                "UPDATE sdk_versions SET withdrawn = 1 WHERE provider = ? AND language = ? AND sha256 = ?",
                (provider, language, present.sha256),
            )
        _activate(connection, provider, language, chosen.sha256, "sdk.rolled_back")
    current = active_version(connection, provider, language)
    assert current is not None
    return current


def find_older(
    connection: sqlite3.Connection, provider: str, to: str = "", language: Language = "python"
) -> Version:
    """The version that ``roll_back`` would go to; raises ``UnknownIdError``."""
    known = versions(connection, provider, language)
    present = next((one for one in known if one.active), None)
    older = known[known.index(present) + 1 :] if present else known
    wanted = [one for one in (known if to else older) if one.sha256.startswith(to) and not one.active]
    if not wanted or (to and len(wanted) > 1):
        hashes = [one.sha256[:12] for one in known]
        raise UnknownIdError(
            f"{provider}: no {'one ' if to else 'older '}version {to or 'to go back to'}; "
            f"known are {', '.join(hashes) or 'none'}",
            hashes,
        )
    return wanted[0]


def versions(
    connection: sqlite3.Connection, provider: str | None = None, language: Language | None = None
) -> list[Version]:
    """All versions, newest first."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM sdk_versions WHERE (?1 IS NULL OR provider = ?1) "  # noqa: S608 - constant
        "AND (?2 IS NULL OR language = ?2) ORDER BY id DESC",
        (provider, language),
    )
    return [_version(row) for row in rows]


def active_version(
    connection: sqlite3.Connection, provider: str, language: Language = "python"
) -> Version | None:
    """The version that serves."""
    return next((one for one in versions(connection, provider, language) if one.active), None)


def write_active(connection: sqlite3.Connection, directory: Path) -> list[Path]:
    """Write the active versions below ``directory``; a file that has the text already is left alone."""
    written = []
    for one in versions(connection):
        path = directory / one.language / one.file
        if one.active and (not path.is_file() or path.read_text("utf-8") != one.text):
            write_bytes(path, one.text.encode())
            write_base(path.parent, one.language)
            written.append(path)
    return written


def _activate(
    connection: sqlite3.Connection, provider: str, language: Language, sha256: str, event: str
) -> None:
    connection.execute(
        "UPDATE sdk_versions SET active = 0 WHERE provider = ? AND language = ?", (provider, language)
    )
    connection.execute(
        "UPDATE sdk_versions SET active = 1, withdrawn = 0 "
        "WHERE provider = ? AND language = ? AND sha256 = ?",
        (provider, language, sha256),
    )
    write_event(connection, event, provider, {"language": language, "sha256": sha256})


def _version(row: sqlite3.Row) -> Version:
    values = dict(row)
    return Version(**(values | {"active": bool(values["active"]), "withdrawn": bool(values["withdrawn"])}))
