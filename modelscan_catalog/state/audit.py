"""Who changed what: rows that are appended and never changed, the database itself refuses it."""

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from modelscan_catalog.state.database import now

Outcome = Literal["done", "refused", "failed", "dry_run"]


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One action; the hashes are of the canonical JSON of the thing before and after."""

    id: int
    at: str
    actor: str
    action: str
    subject: str
    outcome: Outcome
    before_sha256: str | None
    after_sha256: str | None
    detail: dict[str, Any]


def write_audit(
    connection: sqlite3.Connection,
    actor: str,
    action: str,
    subject: str,
    outcome: Outcome,
    *,
    before: object = None,
    after: object = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Append one row. ``before`` and ``after`` are hashed, not kept; never pass a secret in ``detail``."""
    connection.execute(
        "INSERT INTO audit (at, actor, action, subject, outcome, before_sha256, after_sha256, detail) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            now(),
            actor,
            action,
            subject,
            outcome,
            content_sha256(before),
            content_sha256(after),
            json.dumps(detail or {}, sort_keys=True),
        ),
    )


def content_sha256(thing: object) -> str | None:
    """SHA-256 of the canonical JSON of ``thing``; None for None."""
    if thing is None:
        return None
    text = json.dumps(thing, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def audit_rows(
    connection: sqlite3.Connection, *, subject: str | None = None, limit: int = 100
) -> list[AuditRow]:
    """The newest first."""
    rows = connection.execute(
        "SELECT * FROM audit WHERE (?1 IS NULL OR subject = ?1) ORDER BY id DESC LIMIT ?2", (subject, limit)
    )
    return [AuditRow(**(dict(row) | {"detail": json.loads(row["detail"])})) for row in rows]
