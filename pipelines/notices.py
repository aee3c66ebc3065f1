"""What people hear of the pipeline: runs that failed, and what a new publish dropped or made dearer."""

import dagster as dg

from modelscan_catalog.errors import PublishError
from modelscan_catalog.notify import Notice, notify
from modelscan_catalog.publish.news import news
from modelscan_catalog.publish.registry import read_index
from modelscan_catalog.settings import Settings, load_settings
from modelscan_catalog.state import open_state
from modelscan_catalog.state.values import put_value, value_of

_LONGEST_REASON = 500
_TOLD = "news_told"
"""Name of the publish that was told last, in the state: a build and the sensor tell it once."""


@dg.run_failure_sensor(
    name="failed_runs", description="A notice for every run that failed, with its first reason."
)
def failed_runs(context: dg.RunFailureSensorContext) -> None:
    """The job's name, the run and the message of its failure; no data of it."""
    reason = (context.failure_event.message or "no reason was given")[:_LONGEST_REASON]
    run = context.dagster_run
    text = f"run {run.run_id[:8]} of {run.job_name} failed: {reason}"
    notify(load_settings(), Notice("pipeline.failed", run.job_name, text, {"run": run.run_id}))


@dg.sensor(
    minimum_interval_seconds=60,
    description="Notices of what the last publish dropped, deprecated or made dearer.",
)
def published_news(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """The cursor is the publish that was seen last; the first one seen is not news."""
    settings = load_settings()
    try:
        stamp = _stamp(settings)
    except PublishError as error:
        return dg.SkipReason(str(error))
    if stamp == context.cursor:
        return dg.SkipReason("nothing new is published")
    if context.cursor:
        tell_news(settings)
    return dg.SensorResult(cursor=stamp)


def tell_news(settings: Settings) -> int:
    """Send the notices of the last publish, unless that was done; how many were sent.

    Raises ``PublishError`` when the registry is damaged, ``StateError`` when the state is.
    """
    stamp = _stamp(settings)
    with open_state(settings.state_file) as state:
        if value_of(state, _TOLD) == stamp:
            return 0
        put_value(state, _TOLD, stamp)
    notices = news(settings.published_dir)
    for notice in notices:
        notify(settings, notice)
    return len(notices)


def _stamp(settings: Settings) -> str:
    """Which publish it is: its date and its changes."""
    index = read_index(settings.published_dir)
    if index is None:
        raise PublishError(f"{settings.published_dir}: nothing is published there")
    changes = next((file.sha256 for file in index.files if file.path == "changes.jsonl"), "")
    return f"{index.data_as_of} {changes}"
