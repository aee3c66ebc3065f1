"""What came of a split: requests, success, latency and cost of each arm over a span of time."""

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.router.usage import ARM_STEP_S, percentile_ms

CANCELLED = "cancelled"


@dataclass(frozen=True)
class ArmFigures:
    """The calls of one arm; latencies are of those that succeeded, to 9 percent; null where nothing tells.

    ``requests`` counts upstream calls to the arm's own model. ``cancelled`` of them were left by the client,
    which says nothing of the model. ``cost_usd`` sums those whose tokens and price are known.
    """

    arm: str
    models: tuple[str, ...] = ()
    requests: int = 0
    successes: int = 0
    cancelled: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    first_byte_p50_ms: float | None = None
    first_byte_p95_ms: float | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = None
    requests_without_cost: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)

    @property
    def success_rate(self) -> float | None:
        """Of the requests that nobody cancelled; null without any."""
        finished = self.requests - self.cancelled
        return self.successes / finished if finished else None

    @property
    def cost_per_request_usd(self) -> float | None:
        """Of the requests whose cost is known; null without any."""
        priced = self.requests - self.requests_without_cost
        return self.cost_usd / priced if self.cost_usd is not None and priced else None


def arm_figures(usage_db: Path, route: str, since: float, until: float) -> dict[str, ArmFigures]:
    """The figures of each arm of the split of ``route`` between two times, by arm.

    ``route`` is the id of the model that is split; arms are primary, canary, shadow, and rescue (what
    another target answered after its arm had failed). Times are seconds since 1970, rounded outwards to
    ten seconds. Only calls made while the split was in force count. Empty while there are none; what a
    router has not yet stored, half a second of calls, is missing. Raises ``SettingsError`` for a file that
    is no usage store.
    """
    if not usage_db.exists():
        return {}
    span = (route, since - ARM_STEP_S, until)
    try:
        store = sqlite3.connect(f"file:{usage_db}?mode=ro", uri=True, timeout=5.0)
        try:
            rows = store.execute(
                "SELECT arm, model, outcome, SUM(requests), SUM(prompt_tokens), SUM(completion_tokens),"
                " SUM(cost_usd), SUM(requests_without_cost) FROM arms"
                " WHERE route = ? AND step > ? AND step < ? GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
                span,
            ).fetchall()
            buckets = store.execute(
                "SELECT arm, kind, bucket, SUM(requests) FROM arm_latency"
                " WHERE route = ? AND step > ? AND step < ? GROUP BY 1, 2, 3",
                span,
            ).fetchall()
        finally:
            store.close()
    except sqlite3.Error as error:
        raise SettingsError(f"{usage_db}: not the usage of a router: {error}") from error
    histograms: dict[tuple[str, str], dict[int, int]] = {}
    for arm, kind, bucket, count in buckets:
        histograms.setdefault((arm, kind), {})[bucket] = count
    return {arm: _figures(arm, rows, histograms) for arm in sorted({row[0] for row in rows})}


def _figures(
    arm: str,
    rows: list[tuple[str, str, str, int, int, int, float, int]],
    histograms: dict[tuple[str, str], dict[int, int]],
) -> ArmFigures:
    own = [row for row in rows if row[0] == arm]
    outcomes: dict[str, int] = {}
    for row in own:
        outcomes[row[2]] = outcomes.get(row[2], 0) + row[3]
    requests = sum(outcomes.values())
    unpriced = sum(row[7] for row in own)
    total = histograms.get((arm, "total"), {})
    first_byte = histograms.get((arm, "first_byte"), {})
    return ArmFigures(
        arm=arm,
        models=tuple(sorted({row[1] for row in own})),
        requests=requests,
        successes=outcomes.get("ok", 0),
        cancelled=outcomes.get(CANCELLED, 0),
        p50_ms=percentile_ms(total, 50),
        p95_ms=percentile_ms(total, 95),
        first_byte_p50_ms=percentile_ms(first_byte, 50),
        first_byte_p95_ms=percentile_ms(first_byte, 95),
        prompt_tokens=sum(row[4] for row in own),
        completion_tokens=sum(row[5] for row in own),
        cost_usd=sum(row[6] for row in own) if unpriced < requests else None,
        requests_without_cost=unpriced,
        outcomes=outcomes,
    )
