"""The upgrades of this machine's router, where its files lie by the settings."""

import sqlite3
from pathlib import Path

from modelscan_catalog.notify import Notice, notify
from modelscan_catalog.router.splits import SPLITS_FILE
from modelscan_catalog.settings import Settings
from modelscan_catalog.state.values import value_of
from modelscan_catalog.upgrade.machine import Decision, Upgrade
from modelscan_catalog.upgrade.policy import read_policy
from modelscan_catalog.upgrade.router_figures import figures_of
from modelscan_catalog.upgrade.run import Upgrades

AUTOMATIC = "upgrade.automatic"
"""Name under which the state keeps whether open upgrades are evaluated on a schedule."""


def is_automatic(connection: sqlite3.Connection) -> bool:
    """Whether open upgrades are evaluated on a schedule; they are, until somebody stops it."""
    return bool(value_of(connection, AUTOMATIC, True))


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


def evaluate_and_tell(settings: Settings, found: Upgrades) -> list[tuple[Upgrade, Decision]]:
    """Decide about every open upgrade; what is taken back is told to people."""
    decided = found.evaluate_all()
    for upgrade, decision in decided:
        if decision.action == "roll_back":
            text = f"{upgrade.candidate} was taken back on {upgrade.route}: {'; '.join(decision.reasons)}"
            notify(settings, Notice("upgrade.rolled_back", upgrade.route, text))
    return decided
