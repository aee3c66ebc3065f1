"""Upgrades from start to end on a simulated clock, and after being killed between any two steps."""

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from modelscan_catalog.errors import StateError, UnknownIdError
from modelscan_catalog.notify import Notice
from modelscan_catalog.router.splits import Split, read_splits, set_splits, split_of
from modelscan_catalog.settings import Settings
from modelscan_catalog.state.database import open_state
from modelscan_catalog.state.history import events
from modelscan_catalog.upgrade import local, run
from modelscan_catalog.upgrade.evaluation_sets import Scored, read_evaluation_set
from modelscan_catalog.upgrade.gates import NOTHING, Figures
from modelscan_catalog.upgrade.machine import Upgrade
from modelscan_catalog.upgrade.policy import read_policy
from modelscan_catalog.upgrade.records import create_upgrade, decisions, store_score, upgrades
from modelscan_catalog.upgrade.run import Upgrades, current_splits, write_splits

KEPT = Path(__file__).parents[3] / "registry" / "upgrade"
START = datetime(2026, 1, 1, tzinfo=UTC)
GOOD = Figures(1000, 1000, 1.0, 1.0, 1000)
BAD = Figures(1000, 700, 1.0, 1.0, 1000)


class World:
    """A clock that is moved by hand and figures that are set by hand."""

    def __init__(self, folder: Path) -> None:
        self.moment = START
        self.arms: dict[str, Figures] = {}
        self.upgrades = Upgrades(
            folder / "state.db",
            folder / "router" / "splits.json",
            KEPT / "evaluation_sets",
            read_policy(KEPT / "policy.json"),
            self._figures,
            lambda: self.moment,
        )

    def _figures(self, route: str, since: datetime, until: datetime) -> Mapping[str, Figures]:
        return self.arms

    def run(self, hours: int) -> list[str]:
        """Evaluate every hour; the phases and shares that were passed through."""
        seen: list[str] = []
        for _ in range(hours):
            self.moment += timedelta(hours=1)
            for upgrade, _decision in self.upgrades.evaluate_all():
                step = f"{upgrade.phase} {upgrade.share:g}"
                seen += [step] if not seen or seen[-1] != step else []
        return seen

    def score(self, model: str, quality: float = 1.0) -> None:
        with open_state(self.upgrades.state) as connection:
            for name, value in (("tasks", quality), ("safety", 1.0)):
                kept = read_evaluation_set(KEPT / "evaluation_sets", name)
                failed = tuple(item.id for item in kept.items[round(value * len(kept.items)) :])
                store_score(connection, kept, model, Scored(value, len(kept.items), failed), self.moment)

    @property
    def splits(self) -> dict[str, Split]:
        return read_splits(self.upgrades.splits_file)

    def write_splits(self) -> dict[str, Split]:
        """As a process does that comes next."""
        with open_state(self.upgrades.state) as connection:
            return write_splits(connection, self.upgrades.splits_file)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_candidate_that_does_as_well_takes_over(world: World) -> None:
    world.upgrades.start("lab/a", "lab/a", "lab/b")
    world.score("lab/b")
    world.arms = {"primary": GOOD, "shadow": GOOD, "canary": GOOD}

    seen = world.run(24 + 72)
    world.score("lab/b")  # scores age: a new one is asked for after two weeks
    seen += world.run(72 + 24)

    assert list(dict.fromkeys(seen)) == ["shadow 0.02", "canary 0.1", "canary 0.2", "full 1", "retired 1"]
    assert world.splits["lab/a"].canary is not None
    assert (world.splits["lab/a"].canary.model, world.splits["lab/a"].canary.share) == ("lab/b", 1.0)


def test_one_that_regresses_is_taken_back_within_one_evaluation(world: World) -> None:
    world.upgrades.start("lab/a", "lab/a", "lab/b")
    world.score("lab/b")
    world.arms = {"primary": GOOD, "shadow": GOOD, "canary": GOOD}
    assert world.run(30)[-1] == "canary 0.1"

    world.arms = {"primary": GOOD, "canary": BAD}
    assert world.run(1) == ["rolled_back 0"]
    assert world.splits == {}
    with open_state(world.upgrades.state) as connection:
        [last, *_] = decisions(connection)
        assert events(connection, newest_first=True)[0].kind == "upgrade.rolled_back"
    assert last.reasons[0].startswith("success_rate: 0.7")
    assert last.gates[0]["value"] == pytest.approx(0.7)


def test_what_is_taken_back_is_told_and_what_stays_is_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Notice] = []
    monkeypatch.setattr(local, "notify", lambda _, notice: told.append(notice))
    world.upgrades.start("lab/a", "lab/a", "lab/b")
    local.evaluate_and_tell(Settings(), world.upgrades)
    assert told == []
    world.arms = {"primary": GOOD, "shadow": BAD}
    local.evaluate_and_tell(Settings(), world.upgrades)
    [notice] = told
    assert (notice.kind, notice.subject) == ("upgrade.rolled_back", "lab/a")
    assert "lab/b was taken back on lab/a: success_rate" in notice.text


def test_one_without_evidence_stays_where_it_is(world: World) -> None:
    world.upgrades.start("lab/a", "lab/a", "lab/b")
    assert world.run(60) == ["shadow 0.02"]


def test_one_with_good_traffic_and_no_evaluation_stays_in_shadow(world: World) -> None:
    world.upgrades.start("lab/a", "lab/a", "lab/b")
    world.arms = {"primary": GOOD, "shadow": GOOD}
    assert world.run(60) == ["shadow 0.02"]


def test_a_score_that_is_too_old_no_longer_counts(world: World) -> None:
    world.score("lab/b")
    world.moment += timedelta(days=15)
    world.upgrades.start("lab/a", "lab/a", "lab/b")
    world.arms = {"primary": GOOD, "shadow": GOOD}
    assert world.run(48) == ["shadow 0.02"]


def test_in_full_it_is_held_against_what_the_primary_did_before(world: World) -> None:
    world.upgrades.start("lab/a", "lab/a", "lab/b")
    world.score("lab/b")
    world.arms = {"primary": GOOD, "shadow": GOOD, "canary": GOOD}
    while world.run(1)[-1] != "full 1":
        world.score("lab/b")
    world.arms = {"primary": NOTHING, "canary": BAD}
    assert world.run(1) == ["rolled_back 0"]


def test_starting_again_changes_nothing_and_another_candidate_must_wait(world: World) -> None:
    first = world.upgrades.start("lab/a", "lab/a", "lab/b")
    assert world.upgrades.start("lab/a", "lab/a", "lab/b").id == first.id
    with pytest.raises(StateError, match="lab/b is being tried already"):
        world.upgrades.start("lab/a", "lab/a", "lab/c")
    with pytest.raises(StateError, match="answers there already"):
        world.upgrades.start("lab/x", "lab/x", "lab/x")


def test_stopping_gives_the_route_back(world: World) -> None:
    world.upgrades.start("lab/a", "lab/a", "lab/b")
    assert world.upgrades.stop("lab/a", "enough").phase == "stopped"
    assert world.splits == {}
    with pytest.raises(UnknownIdError):
        world.upgrades.stop("lab/a", "enough")
    assert world.upgrades.start("lab/a", "lab/a", "lab/c").phase == "shadow"


def test_a_route_that_was_taken_over_can_be_given_back(world: World) -> None:
    taken_over(world, "lab/a", "lab/b")
    with pytest.raises(StateError, match="start on lab/b"):
        world.upgrades.start("lab/a", "lab/a", "lab/c")
    assert world.upgrades.stop("lab/a", "regretted").phase == "stopped"
    assert world.splits == {}
    assert world.upgrades.start("lab/a", "lab/a", "lab/c").phase == "shadow"


def test_a_model_cannot_follow_the_one_that_took_over_from_it(world: World) -> None:
    taken_over(world, "lab/a", "lab/b")
    taken_over(world, "lab/b", "lab/c")
    with pytest.raises(StateError, match="give lab/a back first"):
        world.upgrades.start("lab/c", "lab/c", "lab/a")


def test_splits_of_models_that_were_never_upgraded_stay(world: World) -> None:
    own = split_of(canary=("lab/y", 0.3))
    world.upgrades.splits_file.parent.mkdir(parents=True)
    set_splits(world.upgrades.splits_file, {"lab/x": own})
    world.upgrades.start("lab/a", "lab/a", "lab/b")
    assert set(world.splits) == {"lab/a", "lab/x"}
    world.upgrades.stop("lab/a", "enough")
    assert world.splits == {"lab/x": own}


def test_a_damaged_splits_file_is_put_aside_and_written_again(world: World) -> None:
    world.upgrades.start("lab/a", "lab/a", "lab/b")
    world.upgrades.splits_file.write_text('{"splits": {"lab/x": ')
    world.write_splits()
    assert set(world.splits) == {"lab/a"}
    kept = world.upgrades.splits_file.with_name("splits.json.damaged")
    assert kept.read_text() == '{"splits": {"lab/x": '


def test_of_two_processes_that_decide_at_once_one_decides_and_neither_fails(tmp_path: Path) -> None:
    one, other = World(tmp_path), World(tmp_path)
    for route in ("lab/a", "lab/p"):
        one.upgrades.start(route, route, f"{route}-next")
        one.score(f"{route}-next")
    for world in (one, other):
        world.arms = {"primary": GOOD, "shadow": GOOD, "canary": GOOD}
        world.moment = START + timedelta(hours=25)
    late = other.upgrades.figures
    overtaken: list[Upgrade] = []

    def figures(route: str, since: datetime, until: datetime) -> Mapping[str, Figures]:
        if not overtaken:
            overtaken.extend(upgrade for upgrade, _ in one.upgrades.evaluate_all())
        return late(route, since, until)

    other.upgrades = dataclasses.replace(other.upgrades, figures=figures)
    assert other.upgrades.evaluate_all() == []
    assert {upgrade.route for upgrade in overtaken} == {"lab/a", "lab/p"}
    with open_state(one.upgrades.state) as connection:
        assert {upgrade.phase for upgrade in upgrades(connection)} == {"canary"}
        taken = [row.action for row in decisions(connection)]
    assert taken.count("advance") == 4, "two into shadow, two into canary, none twice"


def taken_over(world: World, route: str, candidate: str) -> None:
    """Let ``candidate`` take ``route`` over."""
    world.upgrades.start(route, route, candidate)
    world.arms = {"primary": GOOD, "shadow": GOOD, "canary": GOOD}
    for _ in range(300):
        world.score(candidate)
        if "retired 1" in world.run(1):
            return
    raise AssertionError(f"{candidate} did not take over")


def test_a_route_that_was_taken_over_twice_leads_to_the_last() -> None:
    def done(route: str, candidate: str) -> Upgrade:
        return Upgrade(route, route, route, candidate, "retired", 1.0, START)

    splits = current_splits([done("a", "b"), done("b", "c"), done("c", "a")])
    assert [split.canary and split.canary.model for split in splits.values()] == ["c", "a", "b"]


_KILLED = """
import os, signal, sys
from datetime import datetime, timedelta
from pathlib import Path
from modelscan_catalog.upgrade import run
from modelscan_catalog.upgrade.gates import Figures
from modelscan_catalog.upgrade.policy import read_policy

folder, kept, point, hours = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], float(sys.argv[4])
good = Figures(1000, 1000, 1.0, 1.0, 1000)
moment = datetime.fromisoformat("2026-01-01T00:00:00+00:00") + timedelta(hours=hours)

def die(*_args, **_kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

if point == "before_decision":
    run.decide = die
elif point == "before_store":
    run.store_decision = die
elif point == "before_splits":
    run.set_splits = die
upgrades = run.Upgrades(
    folder / "state.db", folder / "router" / "splits.json", kept / "evaluation_sets",
    read_policy(kept / "policy.json"), lambda *_: {"primary": good, "shadow": good, "canary": good},
    lambda: moment,
)
upgrades.evaluate_all()
"""


@pytest.mark.parametrize("point", ["before_decision", "before_store", "before_splits"])
def test_a_process_killed_at_any_step_resumes_in_the_same_state(tmp_path: Path, point: str) -> None:
    killed, calm = World(tmp_path / "killed"), World(tmp_path / "calm")
    for world in (killed, calm):
        world.upgrades.start("lab/a", "lab/a", "lab/b")
        world.score("lab/b")
        world.arms = {"primary": GOOD, "shadow": GOOD, "canary": GOOD}
    process = subprocess.run(
        [sys.executable, "-c", _KILLED, str(tmp_path / "killed"), str(KEPT), point, "25"],
        env=os.environ | {"PYTHONWARNINGS": "error"},
        capture_output=True,
        check=False,
    )
    assert process.returncode == -signal.SIGKILL, process.stderr.decode()

    for world in (killed, calm):
        world.moment = START + timedelta(hours=25)
        world.upgrades.evaluate_all()
        world.write_splits()

    assert killed.splits == calm.splits
    assert killed.splits["lab/a"].canary is not None
    with (
        open_state(killed.upgrades.state) as one,
        open_state(calm.upgrades.state) as other,
    ):
        assert [(u.phase, u.share) for u in upgrades(one)] == [(u.phase, u.share) for u in upgrades(other)]


def test_a_start_that_was_killed_goes_on_at_the_next_evaluation(world: World) -> None:
    with open_state(world.upgrades.state) as connection:
        create_upgrade(connection, "lab/a", "lab/a", "lab/b", START)
    assert world.write_splits() == {}, "nothing is mirrored that was not decided"
    assert world.run(1) == ["shadow 0.02"]
    assert world.splits["lab/a"].shadow is not None


def test_a_rollback_that_was_killed_before_it_reached_the_routers_reaches_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.upgrades.start("lab/a", "lab/a", "lab/b")
    world.score("lab/b")
    world.arms = {"primary": GOOD, "shadow": GOOD, "canary": GOOD}
    while world.run(1)[-1] != "canary 0.1":
        pass
    world.arms = {"primary": GOOD, "canary": BAD}

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(run, "set_splits", killed)
        world.run(1)
    assert world.splits["lab/a"].canary is not None, "the file is still the old one"
    world.write_splits()
    assert world.splits == {}
