"""Long work with a name: created, run with a beat and progress, cancelled, and found again afterwards."""

import json
import sqlite3
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from modelscan_catalog.errors import JobCancelledError, StateConflictError, UnknownIdError
from modelscan_catalog.state.database import now, transaction

JobState = Literal["pending", "running", "succeeded", "failed", "cancelled"]
OPEN_STATES = ("pending", "running")
LOST_AFTER_S = 60.0
"""A running job without a beat for so long has lost its process."""


@dataclass(frozen=True, slots=True)
class Job:
    """One row; times are ISO 8601 UTC; ``done`` of ``total`` counts ``unit``."""

    id: str
    kind: str
    subject: str
    state: JobState
    step: str | None
    done: float | None
    total: float | None
    unit: str | None
    request: dict[str, Any]
    result: dict[str, Any] | None
    error: str | None
    cancel_requested: bool
    created_at: str
    started_at: str | None
    beat_at: str | None
    ended_at: str | None

    @property
    def open(self) -> bool:
        """Whether it still waits or runs."""
        return self.state in OPEN_STATES


def create_job(connection: sqlite3.Connection, kind: str, subject: str, request: Mapping[str, Any]) -> Job:
    """A new pending job, or the open one with the same kind, subject and request."""
    text = json.dumps(request, sort_keys=True)
    with transaction(connection):
        row = connection.execute(
            "SELECT * FROM jobs WHERE kind = ? AND subject = ? AND request = ? "
            "AND state IN ('pending', 'running')",
            (kind, subject, text),
        ).fetchone()
        if row is None:
            identifier = uuid.uuid4().hex
            connection.execute(
                "INSERT INTO jobs (id, kind, subject, state, request, created_at) "
                "VALUES (?, ?, ?, 'pending', ?, ?)",
                (identifier, kind, subject, text, now()),
            )
            return job(connection, identifier)
    return _job(row)


def start_job(connection: sqlite3.Connection, identifier: str) -> bool:
    """Claim a pending job, or one whose process was lost; false when another one has it or it has ended."""
    lost_before = (datetime.now(UTC) - timedelta(seconds=LOST_AFTER_S)).isoformat(timespec="microseconds")
    moment = now()
    changed = connection.execute(
        "UPDATE jobs SET state = 'running', started_at = coalesce(started_at, ?), beat_at = ?, error = NULL "
        "WHERE id = ? AND (state = 'pending' OR (state = 'running' AND beat_at < ?))",
        (moment, moment, identifier, lost_before),
    )
    return changed.rowcount == 1


def beat(
    connection: sqlite3.Connection,
    identifier: str,
    *,
    step: str | None = None,
    done: float | None = None,
    total: float | None = None,
    unit: str | None = None,
) -> None:
    """Say that the job lives and how far it is; what is None keeps its value.

    Raises ``JobCancelledError`` when somebody asked it to stop, or when it is no longer running.
    """
    connection.execute(
        "UPDATE jobs SET beat_at = ?, step = coalesce(?, step), done = coalesce(?, done), "
        "total = coalesce(?, total), unit = coalesce(?, unit) WHERE id = ? AND state = 'running'",
        (now(), step, done, total, unit, identifier),
    )
    current = job(connection, identifier)
    if current.cancel_requested or current.state != "running":
        raise JobCancelledError(f"job {identifier} ({current.kind} {current.subject}) was cancelled")


def end_job(
    connection: sqlite3.Connection,
    identifier: str,
    state: Literal["succeeded", "failed", "cancelled"],
    *,
    result: Mapping[str, Any] | None = None,
    error: str | None = None,
) -> bool:
    """Close a job once; false for one that has ended, which stays as it ended."""
    closed = connection.execute(
        "UPDATE jobs SET state = ?, result = ?, error = ?, ended_at = ? "
        "WHERE id = ? AND state IN ('pending', 'running')",
        (state, None if result is None else json.dumps(result, sort_keys=True), error, now(), identifier),
    )
    return closed.rowcount == 1


def cancel_job(connection: sqlite3.Connection, identifier: str) -> Job:
    """Ask an open job to stop; a pending one ends at once, a running one at its next beat.

    Raises ``UnknownIdError``, and ``StateConflictError`` when it has ended already.
    """
    with transaction(connection):
        current = job(connection, identifier)
        if not current.open:
            raise StateConflictError(f"job {identifier} has ended already ({current.state})")
        connection.execute("UPDATE jobs SET cancel_requested = 1 WHERE id = ?", (identifier,))
        if current.state == "pending":
            end_job(connection, identifier, "cancelled")
    return job(connection, identifier)


def job(connection: sqlite3.Connection, identifier: str) -> Job:
    """The job with that id; raises ``UnknownIdError``."""
    row = connection.execute("SELECT * FROM jobs WHERE id = ?", (identifier,)).fetchone()
    if row is None:
        raise UnknownIdError(f"no job has the id {identifier}")
    return _job(row)


def jobs(
    connection: sqlite3.Connection,
    *,
    kind: str | None = None,
    subject: str | None = None,
    state: JobState | None = None,
    limit: int = 100,
) -> list[Job]:
    """The newest jobs first, filtered by what is not None."""
    rows = connection.execute(
        "SELECT * FROM jobs WHERE (?1 IS NULL OR kind = ?1) AND (?2 IS NULL OR subject = ?2) "
        "AND (?3 IS NULL OR state = ?3) ORDER BY created_at DESC, id LIMIT ?4",
        (kind, subject, state, limit),
    )
    return [_job(row) for row in rows]


def _job(row: sqlite3.Row) -> Job:
    values: dict[str, Any] = dict(row)
    values["request"] = json.loads(values["request"])
    values["result"] = None if values["result"] is None else json.loads(values["result"])
    values["cancel_requested"] = bool(values["cancel_requested"])
    return Job(**values)
