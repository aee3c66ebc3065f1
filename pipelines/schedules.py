"""When the catalogue is refreshed, and what else starts a rebuild."""

import hashlib
import json

import dagster as dg

from modelscan_catalog.settings import load_settings
from modelscan_catalog.state import open_state
from modelscan_catalog.upgrade.local import is_automatic
from modelscan_catalog.upgrade.records import upgrades
from pipelines.jobs import discover_models, evaluate_upgrades, rebuild_offline, refresh

_STORED_HUBS = {"huggingface": "cached", "modelscope": "cached"}

daily = dg.ScheduleDefinition(
    name="daily_refresh",
    job=refresh,
    cron_schedule="30 4 * * 2-7",
    execution_timezone="UTC",
    run_config={"resources": {"build": {"config": {"source_modes": _STORED_HUBS}}}},
    description="Prices and recipes, Tuesday to Sunday: models.dev and GPUStack live, the hubs as stored.",
)

weekly = dg.ScheduleDefinition(
    name="weekly_refresh",
    job=refresh,
    cron_schedule="0 3 * * 1",
    execution_timezone="UTC",
    description="Everything live, Mondays: new repositories and revisions on the hubs too.",
)

daily_discovery = dg.ScheduleDefinition(
    name="daily_discovery",
    job=discover_models,
    cron_schedule="0 5 * * 2-7",
    execution_timezone="UTC",
    run_config={"ops": {"model_candidates": {"config": {"hub": False}}}},
    description="Sellers' lists and the local Ollama, Tuesday to Sunday.",
)

weekly_discovery = dg.ScheduleDefinition(
    name="weekly_discovery",
    job=discover_models,
    cron_schedule="0 5 * * 1",
    execution_timezone="UTC",
    description="The hub's newest repositories by watched authors and architectures too, Mondays.",
)


@dg.schedule(
    job=evaluate_upgrades,
    cron_schedule="*/15 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Decide about open upgrades every quarter of an hour, unless that was stopped.",
)
def quarter_hourly_upgrades(_context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Nothing runs while nothing is tried."""
    with open_state(load_settings().state_file) as connection:
        if not is_automatic(connection):
            return dg.SkipReason("automatic evaluation was stopped")
        if not upgrades(connection, open_only=True):
            return dg.SkipReason("nothing is being tried")
    return dg.RunRequest()


@dg.sensor(
    job=rebuild_offline,
    minimum_interval_seconds=60,
    description="Rebuild from stored documents when a hand-kept override or the watchlist changes.",
)
def changed_overrides(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Compare the hashes of the hand-kept files with those of the last run."""
    registry = load_settings().registry_dir
    paths = sorted([*(registry / "overrides").glob("*.json"), registry / "watchlist.json"])
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths if path.exists()}
    cursor = json.dumps(hashes, sort_keys=True)
    if context.cursor is None:
        context.update_cursor(cursor)
        return dg.SkipReason("first look: the hand-kept files are taken as built")
    if context.cursor == cursor:
        return dg.SkipReason("no hand-kept file changed")
    context.update_cursor(cursor)
    return dg.RunRequest(run_key=hashlib.sha256(cursor.encode()).hexdigest())
