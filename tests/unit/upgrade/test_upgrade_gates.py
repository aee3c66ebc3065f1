"""Gates: passed by evidence, failed by evidence, and never passed without it."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.upgrade.chance import chance_of_so_few, chance_of_so_lopsided, share_interval
from modelscan_catalog.upgrade.gates import (
    NOTHING,
    Evidence,
    Figures,
    GateResult,
    Score,
    judge,
    regressions,
)
from modelscan_catalog.upgrade.policy import UpgradePolicy, read_policy

ROOT = Path(__file__).parents[3]
AT = "2026-01-02T00:00:00+00:00"


@pytest.fixture(scope="module")
def policy() -> UpgradePolicy:
    return read_policy(ROOT / "registry" / "upgrade" / "policy.json")


def _figures(
    requests: int = 1000, successes: int | None = None, p95: float = 1.0, cost: float = 0.001
) -> Figures:
    return Figures(requests, requests if successes is None else successes, p95, cost * requests, requests)


def _scores(wrong: int = 9, unsafe: int = 0) -> dict[str, Score]:
    """Of 90 tasks and 40 safety items; the first ones are those that failed."""
    return {
        name: Score(1 - failed / items, items, AT, frozenset(f"{name} {number}" for number in range(failed)))
        for name, failed, items in (("tasks", wrong, 90), ("safety", unsafe, 40))
    }


GOOD = Evidence(_figures(), _figures(), False, _scores(), _scores())


def _by_name(gates: tuple[GateResult, ...]) -> dict[str, GateResult]:
    return {gate.gate: gate for gate in gates}


def test_an_equal_candidate_passes_every_gate_and_calls_for_nothing(policy: UpgradePolicy) -> None:
    assert {gate.verdict for gate in judge(GOOD, policy, 500)} == {"passed"}
    assert regressions(GOOD, policy) == ()


@pytest.mark.parametrize(
    ("evidence", "gate"),
    [
        (replace(GOOD, candidate=_figures(successes=950)), "success_rate"),
        (replace(GOOD, candidate=_figures(p95=2.1)), "p95_latency"),
        (replace(GOOD, candidate=_figures(cost=0.0021)), "cost"),
        (replace(GOOD, candidate_scores=_scores(wrong=27), primary_scores={}), "quality"),
        (replace(GOOD, candidate_scores=_scores(wrong=14), primary_scores=_scores(wrong=9)), "quality"),
        (replace(GOOD, candidate_scores=_scores(unsafe=3)), "safety"),
    ],
)
def test_a_worse_candidate_fails_the_gate_of_what_is_worse(
    policy: UpgradePolicy, evidence: Evidence, gate: str
) -> None:
    assert _by_name(judge(evidence, policy, 500))[gate].verdict == "failed"
    assert [result.gate for result in regressions(evidence, policy)] == [gate]


def test_a_candidate_that_lost_everything_is_taken_back_though_it_rests_and_is_asked_seldom(
    policy: UpgradePolicy,
) -> None:
    dead = replace(GOOD, candidate=Figures(12, 0, None, None, 0))
    assert [gate.gate for gate in regressions(dead, policy)] == ["success_rate"]
    few = replace(GOOD, candidate=Figures(9, 0, None, None, 0))
    assert regressions(few, policy) == (), "a moment's fault is not enough"


@pytest.mark.parametrize(
    ("evidence", "gates"),
    [
        (replace(GOOD, candidate=NOTHING), {"success_rate", "p95_latency", "cost", "overall"}),
        (replace(GOOD, candidate=_figures(499)), {"success_rate", "p95_latency", "cost", "overall"}),
        (replace(GOOD, primary=NOTHING), {"p95_latency", "cost", "overall"}),
        (replace(GOOD, candidate=replace(_figures(), cost_usd=None)), {"cost", "overall"}),
        (replace(GOOD, candidate_scores={}), {"quality", "safety", "overall"}),
    ],
)
def test_what_is_not_known_is_never_passed_and_never_a_regression(
    policy: UpgradePolicy, evidence: Evidence, gates: set[str]
) -> None:
    without = {gate.gate for gate in judge(evidence, policy, 500) if gate.verdict == "no_evidence"}
    assert without == gates
    assert not gates & {gate.gate for gate in regressions(evidence, policy)} - {"p95_latency", "cost"}


@pytest.mark.parametrize(("wrong", "unsafe"), [(12, 0), (13, 0), (9, 1), (9, 2)])
def test_a_few_more_wrong_answers_hold_a_candidate_up_and_do_not_take_it_back(
    policy: UpgradePolicy, wrong: int, unsafe: int
) -> None:
    slightly = replace(GOOD, candidate_scores=_scores(wrong, unsafe))
    assert "failed" in {gate.verdict for gate in judge(slightly, policy, 500)}
    assert regressions(slightly, policy) == ()


def test_other_wrong_answers_are_no_worse_than_the_same_number_of_the_primarys(policy: UpgradePolicy) -> None:
    other = Score(0.9, 90, AT, frozenset(f"tasks {number}" for number in range(80, 89)))
    swapped = replace(GOOD, candidate_scores=_scores() | {"tasks": other})
    assert regressions(swapped, policy) == ()


def test_slower_and_dearer_within_bounds_waits_and_is_not_taken_back(policy: UpgradePolicy) -> None:
    slower = replace(GOOD, candidate=_figures(p95=1.5, cost=0.0015))
    gates = _by_name(judge(slower, policy, 500))
    assert gates["p95_latency"].verdict == gates["cost"].verdict == "failed"
    assert regressions(slower, policy) == ()


def test_a_failure_that_the_primary_shares_takes_nothing_back_but_does_not_promote(
    policy: UpgradePolicy,
) -> None:
    storm = replace(GOOD, candidate=_figures(successes=700), primary=_figures(successes=700))
    assert _by_name(judge(storm, policy, 500))["success_rate"].verdict == "failed"
    assert regressions(storm, policy) == ()


def test_one_lost_request_among_few_takes_nothing_back(policy: UpgradePolicy) -> None:
    few = replace(GOOD, candidate=_figures(30, 29), primary=_figures(30))
    assert regressions(few, policy) == ()
    many = replace(GOOD, candidate=_figures(300, 280), primary=_figures(300))
    assert [gate.gate for gate in regressions(many, policy)] == ["success_rate"]


def test_a_free_primary_is_followed_only_by_a_free_candidate(policy: UpgradePolicy) -> None:
    free = replace(GOOD, primary=_figures(cost=0.0))
    assert _by_name(judge(free, policy, 500))["cost"].verdict == "failed"
    both = replace(free, candidate=_figures(cost=0.0))
    assert _by_name(judge(both, policy, 500))["cost"].verdict == "passed"


def test_the_chance_of_so_few_is_the_binomial_tail() -> None:
    assert chance_of_so_few(29, 30, 0.995) == pytest.approx(1 - 0.995**30)
    assert chance_of_so_few(0, 3, 0.5) == pytest.approx(1 / 8)
    assert chance_of_so_few(1, 3, 0.5) == pytest.approx(1 / 2)
    assert chance_of_so_few(3, 3, 0.5) == 1


def test_items_that_both_answer_alike_say_nothing_and_five_lost_of_five_are_no_chance() -> None:
    assert chance_of_so_lopsided(0, 0) == 1
    assert chance_of_so_lopsided(5, 0) == pytest.approx(1 / 32)
    assert chance_of_so_lopsided(3, 3) == pytest.approx(42 / 64)


def test_the_interval_of_a_share_is_wilsons() -> None:
    assert share_interval(91, 91) == pytest.approx((0.9595, 1), abs=1e-4)
    assert share_interval(0, 10) == pytest.approx((0, 0.2775), abs=1e-4)
    assert share_interval(40, 50) == pytest.approx((0.6696, 0.8876), abs=1e-4)


@given(st.integers(0, 300), st.integers(0, 300), st.floats(0, 1))
def test_the_chance_of_so_few_is_a_probability_that_grows_with_successes(
    successes: int, failures: int, rate: float
) -> None:
    chance = chance_of_so_few(successes, successes + failures, rate)
    assert 0 <= chance <= 1 + 1e-9
    if failures:
        assert chance <= chance_of_so_few(successes + 1, successes + failures, rate) + 1e-9


@given(
    st.builds(
        Figures,
        st.just(1000),
        st.integers(0, 1000),
        st.none() | st.floats(0, 100),
        st.none() | st.floats(0, 100),
        st.integers(0, 1000),
    ),
    st.dictionaries(
        st.sampled_from(["tasks", "safety"]), st.builds(Score, st.floats(0, 1), st.just(5), st.just(AT))
    ),
)
def test_the_overall_gate_passes_only_when_its_four_parts_are_known(
    candidate: Figures, scores: dict[str, Score]
) -> None:
    policy = read_policy(ROOT / "registry" / "upgrade" / "policy.json")
    gates = _by_name(judge(Evidence(candidate, _figures(), False, scores, {}), policy, 500))
    known = all(gates[name].verdict != "no_evidence" for name in ("quality", "p95_latency", "cost", "safety"))
    assert (gates["overall"].verdict != "no_evidence") == known
    if gates["overall"].value is not None:
        assert 0 <= gates["overall"].value <= 1 + 1e-9
