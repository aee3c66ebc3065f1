"""What ModelScan deployed where, and the state in which it was last seen."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from modelscan_catalog.state.database import now, transaction
from modelscan_catalog.state.history import write_event

Target = Literal["gpustack", "kserve", "local"]
DeploymentState = Literal[
    "planned", "creating", "downloading", "starting", "running", "stopped", "failed", "unreachable", "removed"
]


@dataclass(frozen=True, slots=True)
class Deployment:
    """One row; ``server`` is the base URL or cluster, ``url`` where clients call it once it runs."""

    target: Target
    server: str
    name: str
    model: str | None
    checkpoint: str | None
    state: DeploymentState
    message: str | None
    remote_id: str | None
    url: str | None
    plan: dict[str, Any] | None
    body_sha256: str | None
    created_at: str
    updated_at: str


def put_deployment(
    connection: sqlite3.Connection,
    target: Target,
    server: str,
    name: str,
    state: DeploymentState,
    *,
    message: str | None = None,
    model: str | None = None,
    checkpoint: str | None = None,
    remote_id: str | None = None,
    url: str | None = None,
    plan: Mapping[str, Any] | None = None,
    body_sha256: str | None = None,
) -> Deployment:
    """Store the state in which a deployment was seen; a change of state or message is an event.

    What is None keeps its value, except ``message``, which belongs to the state. The event is
    ``deployment.<state>`` with subject ``target:name``.
    """
    plan_text = None if plan is None else json.dumps(plan, sort_keys=True)
    with transaction(connection):
        before = deployment(connection, target, server, name)
        moment = now()
        connection.execute(
            "INSERT INTO deployments VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?) "
            "ON CONFLICT (target, server, name) DO UPDATE SET "
            "model = coalesce(excluded.model, model), "
            "checkpoint = coalesce(excluded.checkpoint, checkpoint), "
            "state = excluded.state, message = excluded.message, "
            "remote_id = coalesce(excluded.remote_id, remote_id), url = coalesce(excluded.url, url), "
            "plan = coalesce(excluded.plan, plan), "
            "body_sha256 = coalesce(excluded.body_sha256, body_sha256), updated_at = excluded.updated_at",
            (
                target,
                server,
                name,
                model,
                checkpoint,
                state,
                message,
                remote_id,
                url,
                plan_text,
                body_sha256,
                moment,
                moment,
            ),
        )
        if before is None or (before.state, before.message) != (state, message):
            detail = {"server": server, "before": before and before.state, "message": message}
            write_event(connection, f"deployment.{state}", f"{target}:{name}", detail)
    stored = deployment(connection, target, server, name)
    assert stored is not None
    return stored


def deployment(connection: sqlite3.Connection, target: Target, server: str, name: str) -> Deployment | None:
    """The deployment of that name on that server, or None."""
    row = connection.execute(
        "SELECT * FROM deployments WHERE target = ? AND server = ? AND name = ?", (target, server, name)
    ).fetchone()
    return None if row is None else _deployment(row)


def deployments(
    connection: sqlite3.Connection, *, target: Target | None = None, server: str | None = None
) -> list[Deployment]:
    """All that are known, by target, server and name."""
    rows = connection.execute(
        "SELECT * FROM deployments WHERE (?1 IS NULL OR target = ?1) AND (?2 IS NULL OR server = ?2) "
        "ORDER BY target, server, name",
        (target, server),
    )
    return [_deployment(row) for row in rows]


def forget_deployment(connection: sqlite3.Connection, target: Target, server: str, name: str) -> bool:
    """Drop a deployment that is gone from its server, with an event; false when it was not known."""
    with transaction(connection):
        gone = connection.execute(
            "DELETE FROM deployments WHERE target = ? AND server = ? AND name = ?", (target, server, name)
        )
        if gone.rowcount:
            write_event(connection, "deployment.removed", f"{target}:{name}", {"server": server})
    return bool(gone.rowcount)


def _deployment(row: sqlite3.Row) -> Deployment:
    values: dict[str, Any] = dict(row)
    values["plan"] = None if values["plan"] is None else json.loads(values["plan"])
    return Deployment(**values)
