"""What the evidence says of a candidate: each gate passed, failed, or without evidence, with its figures."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from modelscan_catalog.upgrade.chance import chance_of_so_few, chance_of_so_lopsided
from modelscan_catalog.upgrade.policy import EvaluationGate, UpgradePolicy

Verdict = Literal["passed", "failed", "no_evidence"]


@dataclass(frozen=True, slots=True)
class Figures:
    """What one arm did over a time: counts, seconds, USD. Null where nothing was recorded."""

    requests: int
    successes: int
    p95_latency_s: float | None
    cost_usd: float | None
    """Of the ``priced_requests`` alone."""
    priced_requests: int


NOTHING = Figures(0, 0, None, None, 0)


@dataclass(frozen=True, slots=True)
class Score:
    """The share of one evaluation set that a model answered rightly; ``at`` in ISO 8601 UTC."""

    value: float
    items: int
    at: str
    failed: frozenset[str] = frozenset()
    """Ids of the items that were not."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known when a decision is taken."""

    candidate: Figures
    primary: Figures
    primary_is_remembered: bool
    """The primary's figures are those of an earlier phase, because it answers nothing any more."""
    candidate_scores: Mapping[str, Score]
    primary_scores: Mapping[str, Score]


@dataclass(frozen=True, slots=True)
class GateResult:
    """One gate: the figure, the limit it is held against, and where the figure comes from."""

    gate: str
    verdict: Verdict
    value: float | None
    limit: float | None
    samples: int
    source: str
    reason: str


def judge(evidence: Evidence, policy: UpgradePolicy, least_requests: int) -> tuple[GateResult, ...]:
    """Every gate of ``policy``, for going on: point estimates over at least ``least_requests``."""
    return (
        _success_rate(evidence, policy, least_requests, absolute=True),
        _latency(evidence, policy.gates.p95_latency.most_ratio, least_requests),
        _cost(evidence, policy.gates.cost.most_ratio, least_requests),
        _evaluation("quality", evidence, policy.gates.quality),
        _evaluation("safety", evidence, policy.gates.safety),
        _overall(evidence, policy, least_requests),
    )


def regressions(evidence: Evidence, policy: UpgradePolicy) -> tuple[GateResult, ...]:
    """The gates that call for taking the candidate back at once, from the figures of one window.

    A window is short, so a lost request or a slow one must not be enough: a success rate counts only when
    so few successes would be unlikely at the limit, latency and cost have a larger ratio of their own, and a
    score counts when its gate's ``rollback_confidence`` says that it is worse by more than chance. A
    candidate that loses everything is asked a dozen times an hour, as it rests; that is enough for the first.
    """
    least = policy.window_least_requests
    gates = policy.gates
    found = []
    rate = _success_rate(evidence, policy, gates.success_rate.rollback_least_requests, absolute=False)
    if rate.verdict == "failed" and rate.limit is not None:
        candidate = evidence.candidate
        chance = chance_of_so_few(candidate.successes, candidate.requests, rate.limit)
        if chance < 1 - policy.confidence:
            found.append(rate)
    others = (
        _latency(evidence, gates.p95_latency.rollback_ratio, least),
        _cost(evidence, gates.cost.rollback_ratio, least),
        _surely_worse("quality", evidence, gates.quality),
        _surely_worse("safety", evidence, gates.safety),
    )
    return (*found, *(gate for gate in others if gate.verdict == "failed"))


def _success_rate(
    evidence: Evidence, policy: UpgradePolicy, least_requests: int, *, absolute: bool
) -> GateResult:
    """Held against the primary; against the stated least too when ``absolute`` or without a primary.

    When the primary fails as well, for the same seller's fault say, the candidate is not to blame.
    """
    gate = policy.gates.success_rate
    candidate, primary = evidence.candidate, evidence.primary
    source = "router usage"
    if candidate.requests < least_requests:
        return _missing("success_rate", candidate.requests, least_requests, source, "of the candidate")
    limits = []
    if primary.requests >= least_requests:
        limits.append(primary.successes / primary.requests - gate.most_drop)
    if absolute or not limits:
        limits.append(gate.least)
    value = candidate.successes / candidate.requests
    return _held("success_rate", value, max(limits), candidate.requests, source, at_least=True)


def _latency(evidence: Evidence, most_ratio: float, least_requests: int) -> GateResult:
    candidate, primary = evidence.candidate, evidence.primary
    return _ratio(
        "p95_latency",
        (candidate.p95_latency_s, candidate.successes),
        (primary.p95_latency_s, primary.successes),
        most_ratio,
        least_requests,
    )


def _cost(evidence: Evidence, most_ratio: float, least_requests: int) -> GateResult:
    return _ratio(
        "cost",
        (_cost_per_request(evidence.candidate), evidence.candidate.priced_requests),
        (_cost_per_request(evidence.primary), evidence.primary.priced_requests),
        most_ratio,
        least_requests,
    )


def _ratio(
    name: str,
    candidate: tuple[float | None, int],
    primary: tuple[float | None, int],
    most_ratio: float,
    least_requests: int,
) -> GateResult:
    source = "router usage, candidate over primary"
    for (value, samples), whose in ((candidate, "of the candidate"), (primary, "of the primary")):
        if value is None or samples < least_requests:
            return _missing(name, samples, least_requests, source, whose)
    assert candidate[0] is not None
    assert primary[0] is not None
    samples = min(candidate[1], primary[1])
    if primary[0] == 0:
        verdict: Verdict = "passed" if candidate[0] == 0 else "failed"
        reason = "the primary costs nothing" if verdict == "failed" else "both are 0"
        return GateResult(name, verdict, None, most_ratio, samples, source, reason)
    return _held(name, candidate[0] / primary[0], most_ratio, samples, source, at_least=False)


def _evaluation(name: str, evidence: Evidence, gate: EvaluationGate) -> GateResult:
    source = f"evaluation set {gate.evaluation_set}"
    score = evidence.candidate_scores.get(gate.evaluation_set)
    if score is None:
        reason = "the candidate has no recent score"
        return GateResult(name, "no_evidence", None, gate.least, 0, source, reason)
    limit = gate.least
    other = evidence.primary_scores.get(gate.evaluation_set)
    if other is not None:
        limit = max(limit, other.value - gate.most_drop)
    return _held(name, score.value, limit, score.items, f"{source}, {score.at}", at_least=True)


def _surely_worse(name: str, evidence: Evidence, gate: EvaluationGate) -> GateResult:
    """As ``_evaluation``, and failed only when chance alone would seldom give so low a score.

    Against the least by the share of right answers; against the primary by the items on which they differ.
    """
    found = _evaluation(name, evidence, gate)
    if found.verdict != "failed":
        return found
    score = evidence.candidate_scores[gate.evaluation_set]
    other = evidence.primary_scores.get(gate.evaluation_set)
    chances = []
    if score.value < gate.least:
        right = score.items - round(score.items * (1 - score.value))
        chances.append(chance_of_so_few(right, score.items, gate.least))
    if other is not None and score.value < other.value - gate.most_drop:
        worse, better = len(score.failed - other.failed), len(other.failed - score.failed)
        chances.append(chance_of_so_lopsided(worse, better))
    sure = min(chances) <= 1 - gate.rollback_confidence
    return found if sure else replace(found, verdict="passed")


def _overall(evidence: Evidence, policy: UpgradePolicy, least_requests: int) -> GateResult:
    gates = policy.gates
    source = "quality, latency, cost and safety together"
    parts = {
        "quality": _evaluation("quality", evidence, gates.quality),
        "latency": _latency(evidence, policy.gates.p95_latency.most_ratio, least_requests),
        "cost": _cost(evidence, policy.gates.cost.most_ratio, least_requests),
        "safety": _evaluation("safety", evidence, gates.safety),
    }
    unknown = [name for name, part in parts.items() if part.verdict == "no_evidence"]
    if unknown:
        reason = f"nothing is known of {', '.join(unknown)}"
        return GateResult("overall", "no_evidence", None, gates.overall.least, 0, source, reason)
    scores = {name: _part_score(part) for name, part in parts.items()}
    value = sum(getattr(gates.overall.weights, name) * score for name, score in scores.items())
    samples = min(part.samples for part in parts.values())
    return _held("overall", value, gates.overall.least, samples, source, at_least=True)


def _part_score(part: GateResult) -> float:
    """Between 0 and 1; a ratio of 1 or less is a full score, twice the time or cost half of one."""
    if part.gate in ("quality", "safety"):
        return part.value or 0.0
    if part.value is None:
        return 1.0 if part.verdict == "passed" else 0.0
    return min(1.0, 1 / part.value) if part.value else 1.0


def _cost_per_request(figures: Figures) -> float | None:
    if figures.cost_usd is None or figures.priced_requests == 0:
        return None
    return figures.cost_usd / figures.priced_requests


def _held(name: str, value: float, limit: float, samples: int, source: str, *, at_least: bool) -> GateResult:
    passed = value >= limit if at_least else value <= limit
    word = "at least" if at_least else "at most"
    reason = f"{value:.4g}, {word} {limit:.4g} is asked"
    return GateResult(name, "passed" if passed else "failed", value, limit, samples, source, reason)


def _missing(name: str, samples: int, least: int, source: str, whose: str) -> GateResult:
    reason = f"{samples} requests {whose}, {least} are asked"
    return GateResult(name, "no_evidence", None, None, samples, source, reason)
