"""What looks at running things outside the pipeline, and tells it."""

import dagster as dg

from assets.deployments import observations
from modelscan_catalog.deploy.targets import refresh_all
from modelscan_catalog.deploy.weights.operations import watch_usage
from modelscan_catalog.settings import load_settings


@dg.sensor(
    minimum_interval_seconds=60,
    description="Looks at every known deployment on its server; its changes, and what happened to weights "
    "and jobs, become observations.",
)
def deployment_status(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """The cursor is the id of the last event that was observed."""
    settings = load_settings()
    if not settings.state_file.exists():
        return dg.SkipReason("nothing has been deployed from here")
    refresh_all(settings, "sensor:deployment_status")
    seen, last = observations(settings, int(context.cursor or 0))
    if not seen:
        context.update_cursor(str(last))
        return dg.SkipReason("no deployment, install or job changed")
    return dg.SensorResult(asset_events=seen, cursor=str(last))


@dg.sensor(
    minimum_interval_seconds=600,
    description="A notice when the disk of the weights passes its threshold, and when it is below again.",
)
def weights_usage(_context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Nothing is run; what was told last is in the state."""
    settings = load_settings()
    if not settings.weights_dir.is_dir():
        return dg.SkipReason("no weights were installed from here")
    found = watch_usage(settings)
    return dg.SkipReason(f"the disk is {found.used_share:.0%} full, the threshold is {found.threshold:.0%}")
