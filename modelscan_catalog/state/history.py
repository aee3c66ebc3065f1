"""What happened, in order: installs, deployments, upgrades; the pipeline turns events into observations."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelscan_catalog.state.database import now


@dataclass(frozen=True, slots=True)
class Event:
    """One event; ``kind`` is ``thing.what``, ``subject`` what it happened to."""

    id: int
    at: str
    kind: str
    subject: str
    job: str | None
    detail: dict[str, Any]


def write_event(
    connection: sqlite3.Connection,
    kind: str,
    subject: str,
    detail: Mapping[str, Any] | None = None,
    job: str | None = None,
) -> None:
    """Append one event; part of the caller's transaction when there is one."""
    connection.execute(
        "INSERT INTO history (at, kind, subject, job, detail) VALUES (?, ?, ?, ?, ?)",
        (now(), kind, subject, job, json.dumps(detail or {}, sort_keys=True)),
    )


def events(
    connection: sqlite3.Connection,
    *,
    after: int = 0,
    kind: str | None = None,
    subject: str | None = None,
    limit: int = 100,
    newest_first: bool = False,
) -> list[Event]:
    """Events with an id above ``after``, oldest first unless asked otherwise.

    ``kind`` may be a whole kind or the part before the dot.
    """
    rows = connection.execute(
        "SELECT * FROM history WHERE id > ?1 AND (?2 IS NULL OR kind = ?2 OR kind LIKE ?2 || '.%') "
        "AND (?3 IS NULL OR subject = ?3) ORDER BY id * ?4 LIMIT ?5",
        (after, kind, subject, -1 if newest_first else 1, limit),
    )
    return [
        Event(row["id"], row["at"], row["kind"], row["subject"], row["job"], json.loads(row["detail"]))
        for row in rows
    ]
