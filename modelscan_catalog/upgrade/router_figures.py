"""The figures of the arms of a route from the usage that the routers stored."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from modelscan_catalog.router.arms import ArmFigures, arm_figures
from modelscan_catalog.upgrade.gates import Figures
from modelscan_catalog.upgrade.run import ReadFigures


def figures_of(usage_db: Path) -> ReadFigures:
    """A reader of ``usage_db``; it finds nothing while no router has written there."""

    def read(route: str, since: datetime, until: datetime) -> Mapping[str, Figures]:
        found = arm_figures(usage_db, route, since.timestamp(), until.timestamp())
        return {arm: _figures(figures) for arm, figures in found.items()}

    return read


def _figures(arm: ArmFigures) -> Figures:
    """What a client cancelled says nothing of the model and is not counted."""
    return Figures(
        requests=arm.requests - arm.cancelled,
        successes=arm.successes,
        p95_latency_s=None if arm.p95_ms is None else arm.p95_ms / 1000,
        cost_usd=arm.cost_usd,
        priced_requests=arm.requests - arm.requests_without_cost,
    )
