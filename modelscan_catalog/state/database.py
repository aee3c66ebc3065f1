"""Opens the state file: WAL, foreign keys, and every migration that it has not seen, in order."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

from modelscan_catalog.errors import StateError

BUSY_TIMEOUT_S = 10.0
"""How long a writer waits for another process before it gives up."""
_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
_ADVICE = {
    sqlite3.SQLITE_BUSY: "another process holds it; try again",
    sqlite3.SQLITE_LOCKED: "another process holds it; try again",
    sqlite3.SQLITE_FULL: "make room on its disk",
    sqlite3.SQLITE_READONLY: "give this user the right to write it and its folder",
    sqlite3.SQLITE_CANTOPEN: "give this user the right to write it and its folder",
}
"""What to do by SQLite's primary code; anything else is damage."""


def now() -> str:
    """This moment in UTC, ISO 8601 with microseconds, so that text order is time order."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def migrations() -> list[tuple[int, str, str]]:
    """``(version, name, SQL)`` of every migration shipped with the library, in order, without gaps."""
    found = []
    for entry in resources.files(__package__).joinpath("migrations").iterdir():
        match = _NAME.match(entry.name)
        if match:
            found.append((int(match.group(1)), entry.name, entry.read_text("utf-8")))
    return sorted(found)


@contextmanager
def open_state(path: Path | None) -> Iterator[sqlite3.Connection]:
    """A connection to the state at ``path`` (in memory without one), migrated, closed afterwards.

    Statements commit one by one; ``transaction`` groups them. A connection belongs to one thread; open
    another for a second one. Raises ``StateError`` naming the file when it cannot be opened, is no SQLite
    file, or was written by a newer version, and when its disk, its rights or damage end a statement inside.
    """
    try:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path or ":memory:", isolation_level=None, timeout=BUSY_TIMEOUT_S)
    except (OSError, sqlite3.Error) as error:
        raise StateError(f"{path}: the state cannot be opened: {error}") from error
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        _migrate(connection, path)
        yield connection
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
        raise  # a fault of the caller, not of the file
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        advice = _ADVICE.get(code, "move the file aside, or restore a backup")
        raise StateError(f"{path}: the state cannot be used: {error}; {advice}") from error
    finally:
        connection.close()


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All statements inside take effect together, or none; takes the write lock at once."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with suppress(sqlite3.Error):  # the statement that failed may have ended it already
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def schema_version(connection: sqlite3.Connection) -> int:
    """Number of the last migration that the state has seen; 0 for an empty file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _migrate(connection: sqlite3.Connection, path: Path | None) -> None:
    known = migrations()
    newest = known[-1][0]
    seen = schema_version(connection)
    if seen == newest:
        return
    if seen > newest:
        raise StateError(
            f"{path}: written by a newer modelscan (schema {seen}, this one knows {newest}); update modelscan"
        )
    with transaction(connection):
        seen = schema_version(connection)  # another process may have come first
        for version, _name, sql in known:
            if version > seen:
                for statement in _statements(sql):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version={version:d}")


def _statements(sql: str) -> Iterator[str]:
    """The statements of a script, one by one: ``executescript`` would end the transaction."""
    pending = ""
    for line in sql.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
