"""The state machine of one upgrade: candidate → shadow → canary → full → retired, or rolled back.

Pure: the same upgrade, evidence and moment give the same decision. Nothing moves on for want of evidence.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from modelscan_catalog.upgrade.gates import Evidence, GateResult, judge, regressions
from modelscan_catalog.upgrade.policy import LIVE_PHASES, Phase, UpgradePolicy

Action = Literal["stay", "advance", "roll_back"]
_NEXT: dict[Phase, Phase] = {"candidate": "shadow", "shadow": "canary", "canary": "full", "full": "retired"}


@dataclass(frozen=True, slots=True)
class Upgrade:
    """One try to replace ``primary`` by ``candidate`` on the route ``route``; times are UTC."""

    id: str
    route: str
    primary: str
    candidate: str
    phase: Phase
    share: float
    share_since: datetime


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens now, why, and the figures that led to it."""

    action: Action
    phase: Phase
    share: float
    reasons: tuple[str, ...]
    gates: tuple[GateResult, ...]


def decide(
    upgrade: Upgrade, whole: Evidence, window: Evidence, policy: UpgradePolicy, moment: datetime
) -> Decision:
    """The next step; ``whole`` is the evidence since the share was set, ``window`` that of late."""
    if upgrade.phase == "candidate":
        share = policy.shadow.shares[0]
        return Decision("advance", "shadow", share, ("the shadow sees requests and answers nobody",), ())
    if upgrade.phase not in LIVE_PHASES:
        return Decision("stay", upgrade.phase, upgrade.share, ("it has ended",), ())
    phase = policy.phase(upgrade.phase)
    gates = judge(whole, policy, phase.least_requests)
    failed = regressions(window, policy)
    if failed:
        reasons = tuple(f"{gate.gate}: {gate.reason}" for gate in failed)
        return Decision("roll_back", "rolled_back", 0.0, reasons, failed)
    waits = _waits(upgrade, phase.least_hours, phase.overdue_hours, gates, moment)
    if waits:
        return Decision("stay", upgrade.phase, upgrade.share, waits, gates)
    larger = [share for share in phase.shares if share > upgrade.share]
    if larger:
        reasons = (f"every gate passed at a share of {upgrade.share:g}",)
        return Decision("advance", upgrade.phase, larger[0], reasons, gates)
    following = _NEXT[upgrade.phase]
    share = 1.0 if following == "retired" else policy.phase(following).shares[0]
    return Decision("advance", following, share, (f"every gate passed in {upgrade.phase}",), gates)


def applied(upgrade: Upgrade, decision: Decision, moment: datetime) -> Upgrade:
    """``upgrade`` after ``decision``; the clock of a share starts anew only when phase or share change."""
    if (decision.phase, decision.share) == (upgrade.phase, upgrade.share):
        return upgrade
    return replace(upgrade, phase=decision.phase, share=decision.share, share_since=moment)


def _waits(
    upgrade: Upgrade,
    least_hours: float,
    overdue_hours: float,
    gates: tuple[GateResult, ...],
    moment: datetime,
) -> tuple[str, ...]:
    hours = (moment - upgrade.share_since).total_seconds() / 3600
    waits = [f"{gate.gate}: {gate.reason}" for gate in gates if gate.verdict != "passed"]
    if hours < least_hours:
        waits.insert(0, f"{hours:.1f} of {least_hours:g} hours at this share")
    elif waits and hours > overdue_hours:
        waits.insert(0, f"overdue: {hours:.0f} hours at this share, {overdue_hours:g} were planned")
    return tuple(waits)
