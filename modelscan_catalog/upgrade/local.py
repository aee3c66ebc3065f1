"""The upgrades of this machine's router, where its files lie by the settings."""

import sqlite3
from datetime import datetime
from pathlib import Path

from modelscan_catalog.notify import Notice, notify
from modelscan_catalog.router.splits import SPLITS_FILE
from modelscan_catalog.settings import Settings
from modelscan_catalog.state.database import open_state, transaction
from modelscan_catalog.state.values import put_value, value_of
from modelscan_catalog.upgrade.machine import Decision, Upgrade
from modelscan_catalog.upgrade.policy import read_policy
from modelscan_catalog.upgrade.records import upgrades
from modelscan_catalog.upgrade.router_figures import figures_of
from modelscan_catalog.upgrade.run import Upgrades

AUTOMATIC = "upgrade.automatic"
"""Name under which the state keeps whether open upgrades are evaluated on a schedule."""
EVALUATED = "upgrade.evaluated_at"
"""Name under which the state keeps when they last were."""


def is_automatic(connection: sqlite3.Connection) -> bool:
    """Whether open upgrades are evaluated on a schedule; they are, until somebody stops it."""
    return bool(value_of(connection, AUTOMATIC, True))


def evaluated_at(connection: sqlite3.Connection) -> datetime | None:
    """When open upgrades were last decided about, by whatever process."""
    found = value_of(connection, EVALUATED)
    return None if found is None else datetime.fromisoformat(found)


def claim_evaluation(connection: sqlite3.Connection, every_s: float, moment: datetime) -> bool:
    """Whether it is the caller's turn: of several processes on one state, one is told so each ``every_s``.

    Who is killed after it keeps the others waiting for one interval. A turn in the future, from a clock that
    was put back, holds nobody up.
    """
    with transaction(connection):
        last = evaluated_at(connection)
        if last is not None and 0 <= (moment - last).total_seconds() < every_s:
            return False
        put_value(connection, EVALUATED, moment.isoformat())
    return True


def local_upgrades(settings: Settings, policy: Path | None = None) -> Upgrades:
    """Upgrades over the router folder of ``settings``; ``policy`` is a file in place of the kept one."""
    hand_kept = settings.registry_dir / "upgrade"
    router_dir = settings.data_dir / "router"
    return Upgrades(
        state=settings.state_file,
        splits_file=router_dir / SPLITS_FILE,
        sets_dir=hand_kept / "evaluation_sets",
        policy=read_policy(policy or hand_kept / "policy.json"),
        figures=figures_of(router_dir / "usage.sqlite"),
    )


def evaluate_when_due(settings: Settings) -> list[tuple[Upgrade, Decision]] | None:
    """As ``evaluate_and_tell`` where something is tried, nobody stopped it and it is time; None otherwise.

    Raises ``SettingsError`` for a policy or an evaluation set that cannot be used.
    """
    with open_state(settings.state_file) as connection:
        if not is_automatic(connection) or not upgrades(connection, open_only=True):
            return None
        found = local_upgrades(settings)
        if not claim_evaluation(connection, settings.upgrade_interval_s, found.clock()):
            return None
    return evaluate_and_tell(settings, found)


def evaluate_and_tell(settings: Settings, found: Upgrades) -> list[tuple[Upgrade, Decision]]:
    """Decide about every open upgrade; what is taken back is told to people."""
    with open_state(found.state) as connection:
        put_value(connection, EVALUATED, found.clock().isoformat())
    decided = found.evaluate_all()
    for upgrade, decision in decided:
        if decision.action == "roll_back":
            text = f"{upgrade.candidate} was taken back on {upgrade.route}: {'; '.join(decision.reasons)}"
            notify(settings, Notice("upgrade.rolled_back", upgrade.route, text))
    return decided
