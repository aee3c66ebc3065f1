"""Every try of every step, and the results that hold for seven days; both in the state file."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from modelscan_catalog.state.database import now, transaction

_KEPT_AFTER_EXPIRY_DAYS = 30
"""A step reads what the one before it left, however old; only then it is of no use to anybody."""

Outcome = Literal["done", "cached", "refused", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class LoggedTry:
    """One try; ``actor`` is ``rules`` or names of language models, ``detail`` holds no text and no key."""

    id: int
    at: str
    identifier: str
    step: str
    attempt: int
    outcome: Outcome
    actor: str
    seconds: float | None
    tokens: int | None
    detail: dict[str, Any]


def log_try(
    connection: sqlite3.Connection,
    identifier: str,
    step: str,
    outcome: Outcome,
    *,
    attempt: int = 1,
    actor: str = "rules",
    seconds: float | None = None,
    tokens: int | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Append one row."""
    connection.execute(
        "INSERT INTO discovery_logs (at, identifier, step, attempt, outcome, actor, seconds, tokens, detail) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            now(),
            identifier,
            step,
            attempt,
            outcome,
            actor,
            seconds,
            tokens,
            json.dumps(detail or {}, sort_keys=True),
        ),
    )


def logged_tries(
    connection: sqlite3.Connection, *, identifier: str | None = None, limit: int = 200
) -> list[LoggedTry]:
    """The newest first."""
    rows = connection.execute(
        "SELECT * FROM discovery_logs WHERE (?1 IS NULL OR identifier = ?1) ORDER BY id DESC LIMIT ?2",
        (identifier, limit),
    )
    return [LoggedTry(**(dict(row) | {"detail": json.loads(row["detail"])})) for row in rows]


def cached_payload(
    connection: sqlite3.Connection, identifier: str, step: str, input_sha256: str
) -> str | None:
    """The result of a step for just this input, while it holds; JSON."""
    row = connection.execute(
        "SELECT payload FROM discovery_cache "
        "WHERE identifier = ? AND step = ? AND input_sha256 = ? AND expires_at > ?",
        (identifier, step, input_sha256, now()),
    ).fetchone()
    return None if row is None else str(row["payload"])


def latest_payload(connection: sqlite3.Connection, identifier: str, step: str) -> str | None:
    """The last result of a step, whatever its input was and however old it is."""
    row = connection.execute(
        "SELECT payload FROM discovery_cache WHERE identifier = ? AND step = ?", (identifier, step)
    ).fetchone()
    return None if row is None else str(row["payload"])


def keep_payload(
    connection: sqlite3.Connection, identifier: str, step: str, input_sha256: str, payload: str, days: int
) -> None:
    """Keep a result that holds for ``days`` days; replaces the one before, clears away what is long past."""
    moment = datetime.now(UTC)
    forgotten = (moment - timedelta(days=_KEPT_AFTER_EXPIRY_DAYS)).isoformat(timespec="microseconds")
    expires = (moment + timedelta(days=days)).isoformat(timespec="microseconds")
    with transaction(connection):
        connection.execute("DELETE FROM discovery_cache WHERE expires_at <= ?", (forgotten,))
        connection.execute(
            "INSERT INTO discovery_cache VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (identifier, step) DO UPDATE SET "
            "input_sha256 = excluded.input_sha256, payload = excluded.payload, "
            "fetched_at = excluded.fetched_at, expires_at = excluded.expires_at",
            (identifier, step, input_sha256, payload, now(), expires),
        )
