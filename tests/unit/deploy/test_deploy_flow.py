"""The steps of a deployment over a target in memory: waiting, faults, what is left in state and router."""

import dataclasses
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from deployment_plan_samples import MODEL, publish

from modelscan_catalog.deploy import flow
from modelscan_catalog.deploy.deployer import Cards, Health, Judgement, Sighting, Wanted
from modelscan_catalog.deploy.flow import Places
from modelscan_catalog.deploy.flow_wait import WaitLimits, told, wait
from modelscan_catalog.deploy.plan import DeploymentPlan, PlanRequest
from modelscan_catalog.deploy.plan_cards import choose_cards
from modelscan_catalog.deploy.planner import make_plan
from modelscan_catalog.deploy.server_cards import card_ids, detection_of
from modelscan_catalog.errors import DeployError, FitInputError, ServerUnreachableError
from modelscan_catalog.router.deployments import list_deployments
from modelscan_catalog.state import Deployment, deployment, deployments, open_state, put_deployment
from modelscan_catalog.state.deployments import Target

SERVER = "http://127.0.0.1:1"
QUICK = WaitLimits(start_s=100, poll_s=1, gone_s=10, stuck_s=20, settle_s=5, answer_s=0)
Look = Sighting | BaseException | None


class Memory:
    """A target whose looks are given: the last one repeats."""

    target: Target = "gpustack"
    server = SERVER
    key_reference: str | None = None

    def __init__(self, *looks: Look, judgement: Judgement | None = None) -> None:
        self.looks = list(looks)
        self.judgement = judgement or Judgement(True)
        self.ensured = 0
        self.ensure_fault: Exception | None = None
        self.answers = True

    def cards(self) -> tuple[Cards, ...]:
        return ()

    def version_for(self, engine: str, wanted: str) -> str | None:
        return wanted

    def body(self, wanted: Wanted) -> dict[str, Any]:
        return {"name": wanted.name}

    def evaluate(self, wanted: Wanted, body: Mapping[str, Any]) -> Judgement:
        return self.judgement

    def ensure(self, wanted: Wanted, body: Mapping[str, Any]) -> Sighting:
        self.ensured += 1
        if self.ensure_fault:
            raise self.ensure_fault
        return seen("creating", name=wanted.name)

    def look(self, name: str) -> Sighting | None:
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(look, BaseException):
            raise look
        return look

    def health(self, seen: Sighting) -> Health:
        return Health(self.answers, "answers" if self.answers else "404", 0.1)

    def scale(self, name: str, replicas: int) -> Sighting:
        return seen("running" if replicas else "stopped", name=name)

    def remove(self, name: str) -> bool:
        return self.looks[0] is not None

    def list(self) -> list[Sighting]:
        found = [self.look("m")]
        return [one for one in found if one is not None]


def seen(state: Any, **more: Any) -> Sighting:
    known = {"url": f"{SERVER}/v1", "served_model": "m", "replicas": 1, "remote_id": "7", "ours": True}
    return Sighting(**{"name": "m", "state": state, **known, **more})


class Clock:
    """Time passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> DeploymentPlan:
    published = publish(tmp_path_factory.mktemp("published"))
    return make_plan(published, PlanRequest(model=MODEL, gpu="h100:1"))


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Places]:
    with open_state(tmp_path / "state.db") as connection:
        yield Places(connection, tmp_path / "router", "test")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()

    def waited(deployer: Any, name: str, limits: WaitLimits, tell: Any) -> Sighting:
        return wait(deployer, name, limits, tell, clock=clock, sleep=clock.sleep)

    monkeypatch.setattr(flow, "wait", waited)
    return clock


def lines_of(*looks: Look) -> tuple[Sighting, list[str], float]:
    clock, lines = Clock(), []
    found = wait(
        Memory(*looks), "m", QUICK, lambda line, _: lines.append(line), clock=clock, sleep=clock.sleep
    )
    return found, lines, clock.now


def run(target: Memory, plan: DeploymentPlan, places: Places) -> flow.Outcome:
    return flow.deploy(target, Wanted("m", plan), places, lambda line, seen: None, QUICK)


def row(places: Places) -> Deployment | None:
    return deployment(places.connection, "gpustack", SERVER, "m")


def test_given_changes_when_waiting_then_each_is_told_once() -> None:
    found, lines, _ = lines_of(
        seen("creating", step="pending"),
        seen("creating", step="pending"),
        seen("downloading", step="downloading", progress=12.4),
        seen("downloading", step="downloading", progress=88.0),
        seen("starting", step="starting"),
        seen("running", step="running"),
    )
    assert found.state == "running"
    assert lines == ["pending", "downloading 12 %", "downloading 88 %", "starting", "running"]


def test_given_a_server_that_is_away_for_a_moment_when_waiting_then_it_goes_on() -> None:
    gone = ServerUnreachableError("no answer")
    found, lines, _ = lines_of(seen("starting"), gone, gone, seen("running"))
    assert found.state == "running"
    assert lines == ["starting", f"no answer from {SERVER}, asking again for 10 s", "running"]


def test_given_a_server_that_stays_away_when_waiting_then_it_ends_with_what_is_not_known() -> None:
    with pytest.raises(ServerUnreachableError, match=r"has not answered for 10 s .*not known"):
        lines_of(seen("starting"), ServerUnreachableError("no answer"))


def test_given_a_deployment_that_somebody_removes_when_waiting_then_it_says_so() -> None:
    with pytest.raises(DeployError, match="somebody removed it"):
        lines_of(seen("starting"), None)


def test_given_a_failure_that_its_server_mends_when_waiting_then_it_goes_on() -> None:
    found, _, _ = lines_of(seen("failed", message="exit 1"), seen("starting"), seen("running"))
    assert found.state == "running"


def test_given_a_failure_that_lasts_or_comes_back_when_waiting_then_it_ends() -> None:
    found, _, seconds = lines_of(seen("failed", message="exit 1"))
    assert (found.state, seconds) == ("failed", QUICK.settle_s)
    again = [one for _ in range(9) for one in (seen("failed"), seen("starting"))]
    found, _, seconds = lines_of(*again)
    assert found.state == "failed"
    assert seconds < QUICK.start_s


def test_given_a_complaint_that_lasts_when_waiting_then_it_ends_pending_with_it() -> None:
    complaint = seen("creating", step="pending", message="- no card\n- is free")
    found, lines, seconds = lines_of(complaint, seen("creating", step="analyzing"), complaint)
    assert (found.step, seconds) == ("pending", QUICK.stuck_s)
    assert lines[0] == "pending: no card; is free"


def test_given_no_end_when_waiting_then_it_ends_at_the_limit() -> None:
    found, _, seconds = lines_of(seen("starting"))
    assert (found.state, seconds) == ("starting", QUICK.start_s)


def test_given_several_replicas_then_the_line_counts_them() -> None:
    assert told(seen("running", replicas=2, ready_replicas=1)) == "running (1 of 2 replicas ready)"


def test_given_a_running_model_when_deployed_then_it_is_in_the_state_and_routed(
    plan: DeploymentPlan, places: Places
) -> None:
    outcome = run(Memory(seen("starting"), seen("running")), plan, places)
    assert (outcome.ended, outcome.routed) == ("running", True)
    known = row(places)
    assert known is not None
    assert (known.state, known.model, known.checkpoint) == ("running", MODEL, "Qwen/Qwen3-8B")
    assert DeploymentPlan.model_validate(known.plan) == plan
    (routed,) = list_deployments(places.router_dir)
    assert (routed.model, routed.base_url, routed.context) == (MODEL, f"{SERVER}/v1", plan.context)


def test_given_a_refusal_when_deployed_then_nothing_is_created_or_known(
    plan: DeploymentPlan, places: Places
) -> None:
    target = Memory(None, judgement=Judgement(False, ("no room",)))
    outcome = run(target, plan, places)
    assert (outcome.ended, outcome.message, target.ensured) == ("refused", "no room", 0)
    assert row(places) is None


def test_given_a_server_that_is_lost_while_creating_then_the_next_run_finds_out(
    plan: DeploymentPlan, places: Places
) -> None:
    target = Memory(seen("running"))
    target.ensure_fault = ServerUnreachableError("POST: timed out")
    with pytest.raises(ServerUnreachableError, match="whether it was created is not known"):
        run(target, plan, places)
    known = row(places)
    assert known is not None
    assert known.state == "unreachable"
    target.ensure_fault = None
    assert run(target, plan, places).ended == "running"


def test_given_a_server_that_refuses_to_create_then_no_row_is_left(
    plan: DeploymentPlan, places: Places
) -> None:
    target = Memory(None)
    target.ensure_fault = DeployError("422: wrong")
    with pytest.raises(DeployError, match="wrong"):
        run(target, plan, places)
    assert row(places) is None


def test_given_a_model_that_runs_and_does_not_answer_then_it_is_starting_and_not_routed(
    plan: DeploymentPlan, places: Places
) -> None:
    target = Memory(seen("running"))
    target.answers = False
    outcome = run(target, plan, places)
    assert outcome.ended == "waiting"
    known = row(places)
    assert known is not None
    assert (known.state, known.message) == ("starting", "it runs and does not answer: 404")
    assert list_deployments(places.router_dir) == ()


def test_given_an_interrupt_while_waiting_then_the_state_is_the_last_that_was_seen(
    plan: DeploymentPlan, places: Places
) -> None:
    target = Memory(seen("downloading", progress=3.0), KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        run(target, plan, places)
    known = row(places)
    assert known is not None
    assert (known.state, known.remote_id) == ("downloading", "7")
    assert run(Memory(seen("running")), plan, places).ended == "running"


def test_given_a_refresh_then_rows_follow_their_server_and_the_router_follows_them(
    plan: DeploymentPlan, places: Places
) -> None:
    run(Memory(seen("running")), plan, places)
    (stopped,) = flow.refresh(Memory(seen("stopped")), places)
    assert stopped.state == "stopped"
    assert list_deployments(places.router_dir) == ()
    (running,) = flow.refresh(Memory(seen("running")), places)
    assert running.state == "running"
    assert len(list_deployments(places.router_dir)) == 1
    (unknown,) = flow.refresh(Memory(ServerUnreachableError("away")), places)
    assert (unknown.state, unknown.message) == ("unreachable", "away")
    assert len(list_deployments(places.router_dir)) == 1
    assert flow.refresh(Memory(None), places) == []
    assert list_deployments(places.router_dir) == ()


def test_given_a_row_that_is_being_created_elsewhere_then_a_refresh_does_not_forget_it(
    places: Places,
) -> None:
    put_deployment(places.connection, "gpustack", SERVER, "m", "creating")
    assert len(flow.refresh(Memory(None), places)) == 1


def test_given_a_removal_that_the_server_refuses_then_the_row_stays_and_the_router_forgets_it(
    plan: DeploymentPlan, places: Places
) -> None:
    target = Memory(seen("running"))
    run(target, plan, places)

    def refuse(name: str) -> bool:
        raise DeployError("403")

    target.remove = refuse  # type: ignore[method-assign]
    with pytest.raises(DeployError, match="403"):
        flow.remove(target, "m", places)
    assert row(places) is not None
    assert list_deployments(places.router_dir) == ()


def test_given_an_ipv6_server_then_its_name_in_the_router_is_one_the_router_takes() -> None:
    assert flow.router_name("gpustack", "http://[::1]:80", "m") == "gpustack/-::1-:80/m"


def test_given_a_servers_cards_then_they_are_planned_as_the_catalogues_and_named_by_its_ids(
    plan: DeploymentPlan,
) -> None:
    cards = (Cards("NVIDIA H100 80GB HBM3", 2, "w", ("w:cuda:0", "w:cuda:1"), 80.0, "9.0"),)
    found = detection_of(cards, SERVER).gpus
    assert [(one.index, one.profile, one.uuid) for one in found] == [
        ("0", "h100-80gb", "w:cuda:0"),
        ("1", "h100-80gb", "w:cuda:1"),
    ]
    assert card_ids(plan.model_copy(update={"gpu_ids": ("1",)}), cards, SERVER) == ("w:cuda:1",)
    with pytest.raises(FitInputError, match="has no card 5; it has 0, w:cuda:0, 1, w:cuda:1"):
        card_ids(plan.model_copy(update={"gpu_ids": ("5",)}), cards, SERVER)


@pytest.mark.parametrize(
    ("count", "complaint"), [(2, f"{SERVER} has no card 7; it has 0, 1"), (0, f"{SERVER} has no GPU ")]
)
def test_given_cards_that_a_server_lacks_then_it_and_not_this_machine_is_named(
    count: int, complaint: str
) -> None:
    cards = (Cards("NVIDIA H100 80GB HBM3", count, "w", ("w:cuda:0", "w:cuda:1"), 80.0, "9.0"),)
    with pytest.raises(FitInputError, match=complaint):
        choose_cards(PlanRequest(model="m", gpu_ids=("7",)), lambda: detection_of(cards, SERVER))


def test_given_two_workers_with_the_same_indices_then_the_servers_ids_are_the_names() -> None:
    cards = tuple(Cards("NVIDIA L40S", 1, node, (f"{node}:cuda:0",), 45.0) for node in ("a", "b"))
    assert [one.index for one in detection_of(cards, SERVER).gpus] == ["a:cuda:0", "b:cuda:0"]


def test_given_scaling_then_the_state_and_the_router_follow(plan: DeploymentPlan, places: Places) -> None:
    target = Memory(seen("running"))
    run(target, plan, places)
    flow.scale(target, "m", 0, places)
    (known,) = deployments(places.connection)
    assert known.state == "stopped"
    assert list_deployments(places.router_dir) == ()
    assert flow.follow(target, "m", places, lambda line, seen: None, QUICK).routed


def test_given_the_state_is_closed_then_the_error_is_not_swallowed(
    plan: DeploymentPlan, places: Places
) -> None:
    broken = dataclasses.replace(places, connection=sqlite3.connect(":memory:"))
    with pytest.raises(sqlite3.OperationalError):
        run(Memory(seen("running")), plan, broken)
    broken.connection.close()
