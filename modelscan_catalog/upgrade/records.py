"""Upgrades, their decisions and the evaluation scores in the state database."""

import json
import sqlite3
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from modelscan_catalog.errors import StateConflictError, UnknownIdError
from modelscan_catalog.state.database import transaction
from modelscan_catalog.state.history import write_event
from modelscan_catalog.upgrade.evaluation_sets import EvaluationSet, Scored
from modelscan_catalog.upgrade.gates import Figures, Score
from modelscan_catalog.upgrade.machine import Decision, Upgrade, applied
from modelscan_catalog.upgrade.policy import ENDED


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """One decision as it was taken; ``gates`` are the fields of ``GateResult``."""

    id: int
    upgrade: str
    at: str
    action: str
    phase_before: str
    phase: str
    share: float
    reasons: tuple[str, ...]
    gates: tuple[dict[str, Any], ...]


def create_upgrade(
    connection: sqlite3.Connection, route: str, primary: str, candidate: str, moment: datetime
) -> Upgrade:
    """A new upgrade in the phase ``candidate``, or the open one that already tries the same.

    Raises ``StateConflictError`` when another candidate is being tried on that route.
    """
    with transaction(connection):
        for upgrade in upgrades(connection, route=route):
            if upgrade.phase in ENDED:
                continue
            if (upgrade.primary, upgrade.candidate) == (primary, candidate):
                return upgrade
            raise StateConflictError(
                f"{route}: {upgrade.candidate} is being tried already ({upgrade.phase}); stop that first"
            )
        created = Upgrade(uuid.uuid4().hex, route, primary, candidate, "candidate", 0.0, moment)
        at = _text(moment)
        connection.execute(
            "INSERT INTO upgrades VALUES (?, ?, ?, ?, ?, ?, ?, NULL, ?, ?)",
            (created.id, route, primary, candidate, created.phase, created.share, at, at, at),
        )
        write_event(connection, "upgrade.candidate", route, {"candidate": candidate, "primary": primary})
    return created


def store_decision(
    connection: sqlite3.Connection,
    upgrade: Upgrade,
    decision: Decision,
    moment: datetime,
    baseline: Figures | None = None,
) -> Upgrade:
    """Write a decision and its effect together.

    Raises ``StateConflictError`` when another process came first.
    """
    after = applied(upgrade, decision, moment)
    with transaction(connection):
        if upgrade_of(connection, upgrade.id) != upgrade:
            raise StateConflictError(
                f"upgrade of {upgrade.route}: another process has moved it on; nothing is lost"
            )
        _insert_decision(connection, upgrade, decision, decision.action, moment)
        connection.execute(
            "UPDATE upgrades SET phase = ?, share = ?, share_since = ?, baseline = coalesce(?, baseline), "
            "updated_at = ? WHERE id = ?",
            (
                after.phase,
                after.share,
                _text(after.share_since),
                None if baseline is None else json.dumps(asdict(baseline)),
                _text(moment),
                upgrade.id,
            ),
        )
        if after != upgrade:
            detail = {
                "before": upgrade.phase,
                "candidate": upgrade.candidate,
                "share": after.share,
                "reasons": list(decision.reasons),
            }
            write_event(connection, f"upgrade.{after.phase}", upgrade.route, detail)
    return after


def begin_share_anew(connection: sqlite3.Connection, upgrade: Upgrade, moment: datetime) -> Upgrade:
    """Let the time of the current share begin at ``moment``, with an event; for a clock that was put back."""
    with transaction(connection):
        connection.execute(
            "UPDATE upgrades SET share_since = ?, updated_at = ? WHERE id = ?",
            (_text(moment), _text(moment), upgrade.id),
        )
        detail = {"reasons": [f"the clock was put back from {_text(upgrade.share_since)}"]}
        write_event(connection, "upgrade.clock_put_back", upgrade.route, detail)
    return upgrade_of(connection, upgrade.id)


def stop_upgrade(connection: sqlite3.Connection, upgrade: Upgrade, reason: str, moment: datetime) -> Upgrade:
    """End an upgrade by hand, one that has taken over too; the route's requests go to its primary again."""
    decision = Decision("stay", "stopped", 0.0, (reason,), ())
    with transaction(connection):
        current = upgrade_of(connection, upgrade.id)
        if current.phase in ("rolled_back", "stopped"):
            raise StateConflictError(f"the upgrade of {current.route} has ended already ({current.phase})")
        _insert_decision(connection, current, decision, "stop", moment)
        connection.execute(
            "UPDATE upgrades SET phase = 'stopped', share = 0, share_since = ?, updated_at = ? WHERE id = ?",
            (_text(moment), _text(moment), current.id),
        )
        write_event(connection, "upgrade.stopped", current.route, {"reasons": [reason]})
    return upgrade_of(connection, upgrade.id)


def upgrade_of(connection: sqlite3.Connection, identifier: str) -> Upgrade:
    """The upgrade with that id; raises ``UnknownIdError``."""
    row = connection.execute("SELECT * FROM upgrades WHERE id = ?", (identifier,)).fetchone()
    if row is None:
        raise UnknownIdError(f"no upgrade has the id {identifier}")
    return _upgrade(row)


def upgrades(
    connection: sqlite3.Connection, *, route: str | None = None, open_only: bool = False
) -> list[Upgrade]:
    """All upgrades, the oldest first."""
    rows = connection.execute(
        "SELECT * FROM upgrades WHERE (?1 IS NULL OR route = ?1) ORDER BY created_at, id", (route,)
    )
    found = [_upgrade(row) for row in rows]
    return [upgrade for upgrade in found if not open_only or upgrade.phase not in ENDED]


def baseline_of(connection: sqlite3.Connection, identifier: str) -> Figures | None:
    """What the primary did when it still answered; null when that was never seen."""
    row = connection.execute("SELECT baseline FROM upgrades WHERE id = ?", (identifier,)).fetchone()
    return None if row is None or row[0] is None else Figures(**json.loads(row[0]))


def decisions(
    connection: sqlite3.Connection, *, upgrade: str | None = None, limit: int = 100
) -> list[StoredDecision]:
    """The newest first."""
    rows = connection.execute(
        "SELECT * FROM upgrade_decisions WHERE (?1 IS NULL OR upgrade = ?1) ORDER BY id DESC LIMIT ?2",
        (upgrade, limit),
    )
    return [
        StoredDecision(
            **(
                dict(row)
                | {"reasons": tuple(json.loads(row["reasons"])), "gates": tuple(json.loads(row["gates"]))}
            )
        )
        for row in rows
    ]


def store_score(
    connection: sqlite3.Connection,
    evaluation_set: EvaluationSet,
    model: str,
    scored: Scored,
    moment: datetime,
) -> None:
    """Keep the score of one model in one set."""
    connection.execute(
        "INSERT INTO evaluation_scores (at, evaluation_set, set_sha256, model, score, items, failed_items) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            _text(moment),
            evaluation_set.name,
            evaluation_set.sha256,
            model,
            scored.score,
            scored.items,
            json.dumps(scored.failed),
        ),
    )


def latest_scores(
    connection: sqlite3.Connection,
    model: str,
    sets: Mapping[str, str],
    moment: datetime,
    max_age_days: float,
) -> dict[str, Score]:
    """The newest score of ``model`` in each set, if young enough; ``sets``: name to SHA-256 of its text."""
    oldest = _text(moment - timedelta(days=max_age_days))
    found = {}
    for name, sha256 in sets.items():
        row = connection.execute(
            "SELECT score, items, at, failed_items FROM evaluation_scores "
            "WHERE model = ? AND evaluation_set = ? AND set_sha256 = ? AND at >= ? ORDER BY id DESC LIMIT 1",
            (model, name, sha256, oldest),
        ).fetchone()
        if row is not None:
            found[name] = Score(
                row["score"], row["items"], row["at"], frozenset(json.loads(row["failed_items"]))
            )
    return found


def _insert_decision(
    connection: sqlite3.Connection, upgrade: Upgrade, decision: Decision, action: str, moment: datetime
) -> None:
    connection.execute(
        "INSERT INTO upgrade_decisions (upgrade, at, action, phase_before, phase, share, reasons, gates) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            upgrade.id,
            _text(moment),
            action,
            upgrade.phase,
            decision.phase,
            decision.share,
            json.dumps(decision.reasons),
            json.dumps([asdict(gate) for gate in decision.gates]),
        ),
    )


def _upgrade(row: sqlite3.Row) -> Upgrade:
    return Upgrade(
        row["id"],
        row["route"],
        row["primary_model"],
        row["candidate"],
        row["phase"],
        row["share"],
        datetime.fromisoformat(row["share_since"]),
    )


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
