"""When an upgrade goes on and when it is taken back: ``registry/upgrade/policy.json``, or a file like it."""

import json
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from modelscan_catalog.errors import SettingsError

Phase = Literal["candidate", "shadow", "canary", "full", "retired", "rolled_back", "stopped"]
LIVE_PHASES: tuple[Phase, ...] = ("shadow", "canary", "full")
ENDED: tuple[Phase, ...] = ("retired", "rolled_back", "stopped")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class PhasePolicy(_Part):
    """One phase: its shares in order, and what must have been seen at each before the next.

    A phase that is ``overdue`` says so; time alone never moves it.
    """

    shares: tuple[float, ...] = Field(min_length=1)
    least_hours: float = Field(ge=0, description="at each share")
    overdue_hours: float = Field(gt=0)
    least_requests: int = Field(ge=1, description="of the candidate, and of the primary where they compare")

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if list(self.shares) != sorted(set(self.shares)):
            raise ValueError("shares must grow")
        if self.overdue_hours < self.least_hours:
            raise ValueError("overdue_hours is below least_hours")
        return self


class SuccessGate(_Part):
    """Share of requests answered."""

    least: float = Field(ge=0, le=1)
    most_drop: float = Field(ge=0, le=1, description="below the primary's share")
    rollback_least_requests: int = Field(
        ge=1, description="in a window; a router rests a target that fails, and asks it seldom then"
    )


class RatioGate(_Part):
    """A figure of the candidate over the same of the primary.

    ``most_ratio`` is asked for going on; above ``rollback_ratio`` within a window it is taken back.
    """

    most_ratio: float = Field(gt=0)
    rollback_ratio: float = Field(gt=0)

    @model_validator(mode="after")
    def _leaves_room(self) -> Self:
        if self.rollback_ratio < self.most_ratio:
            raise ValueError("rollback_ratio is below most_ratio")
        return self


class EvaluationGate(_Part):
    """Score of a named evaluation set."""

    evaluation_set: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    least: float = Field(ge=0, le=1)
    most_drop: float = Field(ge=0, le=1, description="below the primary's score")
    rollback_confidence: float = Field(
        default=0.95, ge=0, lt=1, description="that a score is too low, before it takes a candidate back"
    )


class OverallWeights(_Part):
    """Shares of the overall score; they add up to 1."""

    quality: float = Field(ge=0)
    latency: float = Field(ge=0)
    cost: float = Field(ge=0)
    safety: float = Field(ge=0)

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if abs(self.quality + self.latency + self.cost + self.safety - 1) > 1e-9:
            raise ValueError("the weights must add up to 1")
        return self


class OverallGate(_Part):
    """Weighted mean of the four scores, each between 0 and 1."""

    least: float = Field(ge=0, le=1)
    weights: OverallWeights


class Gates(_Part):
    """All must pass; one without evidence does not."""

    success_rate: SuccessGate
    p95_latency: RatioGate
    cost: RatioGate
    quality: EvaluationGate
    safety: EvaluationGate
    overall: OverallGate


class UpgradePolicy(_Part):
    """The whole settings file."""

    schema_version: str = Field(default="1.0.0", pattern=r"^1\.\d+\.\d+$")
    source: str | None = None
    shadow: PhasePolicy
    canary: PhasePolicy
    full: PhasePolicy
    window_minutes: float = Field(gt=0, description="what is looked at for taking an upgrade back")
    window_least_requests: int = Field(ge=1, description="fewer say nothing of latency and cost")
    confidence: float = Field(ge=0.9, lt=1, description="that a success rate is below its limit")
    gates: Gates
    evaluation_max_age_days: float = Field(gt=0)

    @model_validator(mode="after")
    def _shares_in_bounds(self) -> Self:
        for name, low, high in (("shadow", 0.01, 0.05), ("canary", 0.1, 0.2), ("full", 1.0, 1.0)):
            phase: PhasePolicy = getattr(self, name)
            if not all(low <= share <= high for share in phase.shares):
                raise ValueError(f"{name}.shares: each must lie between {low:g} and {high:g}")
        return self

    def phase(self, phase: Phase) -> PhasePolicy:
        """The policy of a live phase."""
        found: PhasePolicy = getattr(self, phase)
        return found


def read_policy(path: Path) -> UpgradePolicy:
    """The policy in the file at ``path``; raises ``SettingsError`` with the field to mend."""
    try:
        return UpgradePolicy.model_validate(json.loads(path.read_bytes()))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise SettingsError(f"{path}: {where}: {first['msg']}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: cannot be read as JSON: {error}") from error
