"""The state machine: evidence moves it, time alone never does, and a regression takes it back at once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.upgrade.gates import NOTHING, Evidence, Figures, Score
from modelscan_catalog.upgrade.machine import Upgrade, applied, decide
from modelscan_catalog.upgrade.policy import ENDED, Phase, read_policy

POLICY = read_policy(Path(__file__).parents[3] / "registry" / "upgrade" / "policy.json")
START = datetime(2026, 1, 1, tzinfo=UTC)
AT = START.isoformat()
FIGURES = Figures(1000, 1000, 1.0, 1.0, 1000)
SCORES = {"tasks": Score(0.95, 24, AT), "safety": Score(1.0, 12, AT)}
GOOD = Evidence(FIGURES, FIGURES, False, SCORES, SCORES)
NONE = Evidence(NOTHING, NOTHING, False, {}, {})
BAD = replace(GOOD, candidate=replace(FIGURES, successes=500))


def _upgrade(phase: Phase = "candidate", share: float = 0.0) -> Upgrade:
    return Upgrade("u", "lab/a", "lab/a", "lab/b", phase, share, START)


def _walk(evidence: Evidence, days: float) -> list[tuple[Phase, float]]:
    upgrade, seen = _upgrade(), []
    for hour in range(int(days * 24)):
        moment = START + timedelta(hours=hour)
        upgrade = applied(upgrade, decide(upgrade, evidence, evidence, POLICY, moment), moment)
        if not seen or seen[-1] != (upgrade.phase, upgrade.share):
            seen.append((upgrade.phase, upgrade.share))
    return seen


def test_a_better_candidate_goes_through_every_phase_and_share_to_the_end() -> None:
    assert _walk(GOOD, 30) == [
        ("shadow", 0.02),
        ("canary", 0.1),
        ("canary", 0.2),
        ("full", 1.0),
        ("retired", 1.0),
    ]


def test_each_phase_lasts_at_least_as_long_as_planned() -> None:
    upgrade, moments = _upgrade(), {}
    for hour in range(30 * 24):
        moment = START + timedelta(hours=hour)
        upgrade = applied(upgrade, decide(upgrade, GOOD, GOOD, POLICY, moment), moment)
        moments.setdefault((upgrade.phase, upgrade.share), hour)
    assert moments == {
        ("shadow", 0.02): 0,
        ("canary", 0.1): 24,
        ("canary", 0.2): 24 + 72,
        ("full", 1.0): 24 + 2 * 72,
        ("retired", 1.0): 2 * 24 + 2 * 72,
    }


def test_without_evidence_it_stays_where_it_is_and_says_when_it_is_overdue() -> None:
    assert _walk(NONE, 400) == [("shadow", 0.02)]
    shadow = _upgrade("shadow", 0.02)
    late = decide(shadow, NONE, NONE, POLICY, START + timedelta(hours=49))
    assert late.reasons[0] == "overdue: 49 hours at this share, 48 were planned"


def test_a_regression_takes_it_back_at_once_from_every_live_phase() -> None:
    for phase, share in (("shadow", 0.02), ("canary", 0.1), ("canary", 0.2), ("full", 1.0)):
        decision = decide(_upgrade(phase, share), GOOD, BAD, POLICY, START)  # type: ignore[arg-type]
        assert (decision.action, decision.phase, decision.share) == ("roll_back", "rolled_back", 0.0)
        assert decision.reasons[0].startswith("success_rate: 0.5, at least")


EVIDENCE = st.sampled_from([GOOD, NONE, BAD])


@given(st.lists(st.tuples(EVIDENCE, EVIDENCE, st.integers(1, 200)), max_size=30))
def test_shares_only_grow_until_it_ends_and_an_end_is_final(
    steps: list[tuple[Evidence, Evidence, int]],
) -> None:
    upgrade, moment, ended = _upgrade(), START, None
    for whole, window, hours in steps:
        moment += timedelta(hours=hours)
        after = applied(upgrade, decide(upgrade, whole, window, POLICY, moment), moment)
        if ended is not None:
            assert after == ended
        elif after.phase == "rolled_back":
            assert window is BAD
            assert after.share == 0
        else:
            assert after.share >= upgrade.share
            if after.phase != upgrade.phase and upgrade.phase != "candidate":
                assert whole is GOOD
        ended = after if after.phase in ENDED else None
        upgrade = after


@given(EVIDENCE, EVIDENCE, st.integers(0, 1000))
def test_the_same_evidence_at_the_same_moment_gives_the_same_decision(
    whole: Evidence, window: Evidence, hours: int
) -> None:
    moment = START + timedelta(hours=hours)
    shadow = _upgrade("shadow", 0.02)
    assert decide(shadow, whole, window, POLICY, moment) == decide(shadow, whole, window, POLICY, moment)
