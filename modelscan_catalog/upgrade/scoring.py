"""Scores that the gates ask for and nobody has measured: asked through the running router, as jobs."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from modelscan_catalog.settings import Settings
from modelscan_catalog.state.database import open_state
from modelscan_catalog.state.jobs import Job, jobs
from modelscan_catalog.state.runner import Report, begin_job
from modelscan_catalog.upgrade.local import local_upgrades
from modelscan_catalog.upgrade.policy import LIVE_PHASES
from modelscan_catalog.upgrade.records import upgrades
from modelscan_catalog.upgrade.run import Upgrades

KIND = "upgrade.score"
TIMEOUT_S = 3600.0
REST_AFTER_FAILURE = timedelta(hours=1)
"""A model that cannot be asked is not asked some hundred questions at every evaluation."""


def score_what_is_missing(settings: Settings, base_url: str, key: str | None) -> list[Job]:
    """Begin a job for each open upgrade whose scores are missing or will be too old at the next evaluation.

    ``base_url`` is the router's, with its ``/v1``. Raises ``SettingsError`` for a policy or a set that cannot
    be used; what goes wrong later is in the job.
    """
    found = local_upgrades(settings)
    within = timedelta(seconds=settings.upgrade_interval_s)
    begun = []
    with open_state(settings.state_file) as connection:
        for upgrade in upgrades(connection, open_only=True):
            if upgrade.phase not in LIVE_PHASES or not found.lacks_scores(connection, upgrade, within):
                continue
            if _rests(jobs(connection, kind=KIND, subject=upgrade.route, limit=1)):
                continue
            asked = {"candidate": upgrade.candidate, "primary": upgrade.primary}
            work = _work(found, upgrade.route, base_url, key)
            begun.append(
                begin_job(settings.state_file, KIND, upgrade.route, asked, work, timeout_s=TIMEOUT_S)
            )
    return begun


def _work(found: Upgrades, route: str, base_url: str, key: str | None) -> Any:
    def work(report: Report) -> Mapping[str, Any]:
        scores = found.score(route, base_url, key, lambda step: report(step=step))
        return {model: {name: one.score for name, one in row.items()} for model, row in scores.items()}

    return work


def _rests(newest: list[Job]) -> bool:
    """Whether the last try failed a short while ago."""
    if not newest or newest[0].state != "failed" or newest[0].ended_at is None:
        return False
    since = datetime.now(UTC) - datetime.fromisoformat(newest[0].ended_at)
    return timedelta(0) <= since < REST_AFTER_FAILURE
