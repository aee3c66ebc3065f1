"""One evaluation of every open upgrade: gather evidence, decide, store, and let the routers know.

The state database is the truth, ``splits.json`` follows from it. A process that is killed between the two
leaves a file that the next evaluation, or the next start of the service, writes again. Splits of models that
were never upgraded are not touched.
"""

import logging
import sqlite3
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from modelscan_catalog.errors import SettingsError, StateConflictError, UnknownIdError
from modelscan_catalog.router.splits import Split, read_splits, set_splits, split_of
from modelscan_catalog.state.database import open_state, transaction
from modelscan_catalog.upgrade.evaluation_sets import Scored, evaluate, read_evaluation_set
from modelscan_catalog.upgrade.gates import NOTHING, Evidence, Figures
from modelscan_catalog.upgrade.machine import Decision, Upgrade, decide
from modelscan_catalog.upgrade.policy import ENDED, Phase, UpgradePolicy
from modelscan_catalog.upgrade.records import (
    baseline_of,
    begin_share_anew,
    create_upgrade,
    latest_scores,
    stop_upgrade,
    store_decision,
    store_score,
    upgrades,
)

LOGGER = logging.getLogger("modelscan.upgrade")

ReadFigures = Callable[[str, datetime, datetime], Mapping[str, Figures]]
"""(route, since, until) to the figures of the arms ``primary``, ``canary`` and ``shadow``."""


@dataclass(frozen=True, slots=True)
class Upgrades:
    """Where the upgrades of one router are kept and looked after."""

    state: Path
    splits_file: Path
    """``splits.json`` in the folder that the routers watch."""
    sets_dir: Path
    policy: UpgradePolicy
    figures: ReadFigures
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def start(self, route: str, primary: str, candidate: str) -> Upgrade:
        """Begin to try ``candidate`` on ``route``: its shadow at once; the same again changes nothing.

        Raises ``StateConflictError`` as ``check_start`` does.
        """
        self.check_start(route, primary, candidate)
        with open_state(self.state) as connection:
            upgrade = create_upgrade(connection, route, primary, candidate, self.clock())
            if upgrade.phase == "candidate":
                upgrade, _ = self._evaluate(connection, upgrade)
            write_splits(connection, self.splits_file)
        return upgrade

    def check_start(self, route: str, primary: str, candidate: str) -> None:
        """Raise ``StateConflictError`` when another candidate is being tried there or has taken over."""
        if primary == candidate:
            raise StateConflictError(f"{route}: {candidate} is what answers there already")
        with open_state(self.state) as connection:
            known = upgrades(connection)
        successor = {one.route: one.candidate for one in known if one.phase == "retired"}
        follower = candidate
        for _ in successor:
            follower = successor.get(follower, "")
            if follower == route:
                raise StateConflictError(
                    f"{route}: it has taken over from {candidate}; give {candidate} back first (stop)"
                )
        for earlier in known:
            if earlier.route == route and earlier.phase == "retired":
                raise StateConflictError(
                    f"{route}: {earlier.candidate} has taken over; start on {earlier.candidate}, then "
                    f"what asks for {route} takes part, or give {route} back first (stop)"
                )
            if earlier.route == route and earlier.phase not in ENDED and earlier.candidate != candidate:
                raise StateConflictError(
                    f"{route}: {earlier.candidate} is being tried already ({earlier.phase}); stop that first"
                )

    def stoppable(self, route: str) -> Upgrade:
        """What ``stop`` would end: what is tried or has taken over there; else raises ``UnknownIdError``."""
        with open_state(self.state) as connection:
            for upgrade in reversed(upgrades(connection, route=route)):
                if upgrade.phase not in ("rolled_back", "stopped"):
                    return upgrade
        raise UnknownIdError(f"{route[:100]}: nothing is being tried on that route")

    def stop(self, route: str, reason: str) -> Upgrade:
        """Give ``route`` back to its own model, from one that is tried there or has taken over.

        Raises ``UnknownIdError`` when there is none.
        """
        upgrade = self.stoppable(route)
        with open_state(self.state) as connection:
            stopped = stop_upgrade(connection, upgrade, reason, self.clock())
            write_splits(connection, self.splits_file)
        return stopped

    def evaluate_all(self) -> list[tuple[Upgrade, Decision]]:
        """Decide about every open upgrade by the evidence of this moment.

        One that another process has just decided about is left to that one.
        """
        decided = []
        with open_state(self.state) as connection:
            for upgrade in upgrades(connection, open_only=True):
                try:
                    decided.append(self._evaluate(connection, upgrade))
                except StateConflictError as error:
                    LOGGER.info("%s", error)
            write_splits(connection, self.splits_file)
        return decided

    def score(
        self, route: str, base_url: str, key: str | None = None, report: Callable[[str], None] | None = None
    ) -> dict[str, dict[str, Scored]]:
        """Ask the sets of the gates of both models of ``route``, through the router at ``base_url``.

        Returns model to set to score; ``report`` is told before each. Raises ``FetchError`` when a request
        fails; what was scored before is kept.
        """
        scores: dict[str, dict[str, Scored]] = {}
        with open_state(self.state) as connection:
            found = upgrades(connection, route=route, open_only=True)
            if not found:
                raise UnknownIdError(f"{route}: nothing is being tried on that route")
            for model in (found[0].candidate, found[0].primary):
                for name in self._set_names():
                    if report is not None:
                        report(f"{name} of {model}")
                    evaluation_set = read_evaluation_set(self.sets_dir, name)
                    scored = evaluate(evaluation_set, base_url, model, key=key)
                    store_score(connection, evaluation_set, model, scored, self.clock())
                    scores.setdefault(model, {})[name] = scored
        return scores

    def lacks_scores(self, connection: sqlite3.Connection, upgrade: Upgrade, within: timedelta) -> bool:
        """Whether a score that the gates ask for is missing, or will be too old ``within`` that time."""
        sets = self._sets()
        until, days = self.clock() + within, self.policy.evaluation_max_age_days
        models = (upgrade.candidate, upgrade.primary)
        return any(len(latest_scores(connection, model, sets, until, days)) < len(sets) for model in models)

    def _set_names(self) -> tuple[str, ...]:
        gates = self.policy.gates
        return tuple(dict.fromkeys((gates.quality.evaluation_set, gates.safety.evaluation_set)))

    def _sets(self) -> dict[str, str]:
        """Name of each set that the gates name, to the SHA-256 of its text."""
        return {name: read_evaluation_set(self.sets_dir, name).sha256 for name in self._set_names()}

    def _evaluate(self, connection: sqlite3.Connection, upgrade: Upgrade) -> tuple[Upgrade, Decision]:
        moment = self.clock()
        window = timedelta(minutes=self.policy.window_minutes)
        if upgrade.share_since > moment:  # else nothing would count until the clock has caught up
            upgrade = begin_share_anew(connection, upgrade, moment)
        whole = self._evidence(connection, upgrade, upgrade.share_since, moment)
        late = self._evidence(connection, upgrade, max(upgrade.share_since, moment - window), moment)
        decision = decide(upgrade, whole, late, self.policy, moment)
        seen = not whole.primary_is_remembered and whole.primary.requests > 0
        baseline = whole.primary if seen and upgrade.phase in ("shadow", "canary") else None
        return store_decision(connection, upgrade, decision, moment, baseline), decision

    def _evidence(
        self, connection: sqlite3.Connection, upgrade: Upgrade, since: datetime, until: datetime
    ) -> Evidence:
        arms = self.figures(upgrade.route, since, until)
        primary = arms.get("primary", NOTHING)
        remembered = baseline_of(connection, upgrade.id) if upgrade.phase == "full" else None
        sets = self._sets()
        days = self.policy.evaluation_max_age_days
        return Evidence(
            candidate=arms.get("shadow" if upgrade.phase == "shadow" else "canary", NOTHING),
            primary=remembered or primary,
            primary_is_remembered=remembered is not None,
            candidate_scores=latest_scores(connection, upgrade.candidate, sets, until, days),
            primary_scores=latest_scores(connection, upgrade.primary, sets, until, days),
        )


def write_splits(
    connection: sqlite3.Connection, splits_file: Path, forgotten: Collection[str] = ()
) -> dict[str, Split]:
    """Bring ``splits_file`` to what the state asks for.

    ``forgotten`` are routes that an earlier state had tried something on, which this one may not know. Reads
    and writes under one lock: of two processes, the later one writes what is newer.
    """
    with transaction(connection):
        known = upgrades(connection)
        splits = current_splits(known)
        routes = {*forgotten, *(upgrade.route for upgrade in known)}
        if not routes:
            return splits
        try:
            read_splits(splits_file)
        except SettingsError as error:
            aside = splits_file.with_name(f"{splits_file.name}.damaged")
            LOGGER.warning("%s; it is kept as %s and written anew", error, aside.name)
            with suppress(OSError):  # what cannot be moved cannot be written either, which is told below
                splits_file.replace(aside)
        set_splits(splits_file, {route: splits.get(route) for route in sorted(routes)})
    return splits


def current_splits(known: list[Upgrade]) -> dict[str, Split]:
    """The splits that follow from the upgrades; a route that was taken over twice leads to the last."""
    successor = {upgrade.route: upgrade.candidate for upgrade in known if upgrade.phase == "retired"}
    splits = {}
    for route in successor:
        last, seen = route, {route}
        while last in successor and successor[last] not in seen:
            last = successor[last]
            seen.add(last)
        splits[route] = split_of(canary=(last, 1.0))
    live: dict[Phase, str] = {"shadow": "shadow", "canary": "canary", "full": "canary"}
    for upgrade in known:
        if upgrade.phase in live:
            arm = (upgrade.candidate, upgrade.share)
            splits[upgrade.route] = split_of(
                canary=arm if live[upgrade.phase] == "canary" else None,
                shadow=arm if live[upgrade.phase] == "shadow" else None,
            )
    return splits
