"""Health of targets: after failures in a row a target rests, longer each time, and then is tried again."""

from collections.abc import Callable
from dataclasses import dataclass

from modelscan_catalog.router.config import Policy

_LATENCY_SHARE = 0.1
"""Weight of the newest answer in a target's smoothed latency."""


@dataclass
class TargetHealth:
    """What was seen of one target; times are monotonic seconds, null means never seen."""

    failures_in_row: int = 0
    rests: int = 0
    resting_until: float = 0.0
    first_byte_s: float | None = None
    probed: bool | None = None
    tells_usage: bool = True
    """Whether it may be asked for the usage of a stream; false once it refused the field."""

    changed: bool = False
    """Since it was last stored."""

    def answered(self, first_byte_s: float) -> None:
        """An answer began after ``first_byte_s``."""
        self.failures_in_row = self.rests = 0
        self.resting_until = 0.0
        self.changed = True
        smoothed = self.first_byte_s
        if smoothed is None:
            self.first_byte_s = first_byte_s
        else:
            self.first_byte_s = smoothed + _LATENCY_SHARE * (first_byte_s - smoothed)


class Health:
    """The health of every target, by ``provider/model``; outlives configurations."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._targets: dict[str, TargetHealth] = {}
        self.last_rest_ends = 0.0
        """No target rests after this time."""

    def of(self, name: str) -> TargetHealth:
        """The health of the target ``name``."""
        return self._targets.setdefault(name, TargetHealth())

    def failed(self, target: TargetHealth, policy: Policy) -> None:
        """Count a failure; enough of them in a row start a rest that doubles up to a bound."""
        target.failures_in_row += 1
        target.changed = True
        if target.failures_in_row >= policy.failures_before_cooldown:
            rest_s = min(policy.cooldown_s * 2 ** min(target.rests, 30), policy.max_cooldown_s)
            self.rest(target, rest_s)
            target.rests += 1

    def rest(self, target: TargetHealth, seconds: float) -> None:
        """Pass ``target`` over for ``seconds``."""
        target.resting_until = self._clock() + seconds
        self.last_rest_ends = max(self.last_rest_ends, target.resting_until)

    def take_changed(self) -> list[tuple[str, TargetHealth]]:
        """Targets that have changed since this was last asked; cheap, as it is asked all the time."""
        changed = [(name, target) for name, target in list(self._targets.items()) if target.changed]
        for _, target in changed:
            target.changed = False
        return changed

    def targets(self) -> dict[str, TargetHealth]:
        """Every target that anything is known of, by name."""
        return {
            name: target
            for name, target in sorted(self._targets.items())
            if target.first_byte_s is not None or target.failures_in_row or target.probed is not None
        }

    def resting(self) -> dict[str, float]:
        """Targets that rest, each with the seconds left."""
        now = self._clock()
        return {
            name: round(target.resting_until - now, 1)
            for name, target in sorted(self._targets.items())
            if target.resting_until > now
        }
