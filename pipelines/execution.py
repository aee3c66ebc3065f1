"""Run the refresh job in this process and say in plain words what failed."""

import os
from pathlib import Path
from typing import Any

import dagster as dg

from pipelines.definitions import build_definitions
from pipelines.jobs import ALL_GPUS

# The CLI draws its own progress; Dagster's event log goes to its instance, not to the terminal.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def run_refresh(build_config: dict[str, Any]) -> dg.ExecuteInProcessResult:
    """Materialize every asset; runs are recorded in ``DAGSTER_HOME`` when that is set."""
    job = build_definitions().resolve_job_def("refresh")
    home = os.environ.get("DAGSTER_HOME")
    recorded = home is not None and (Path(home) / "dagster.yaml").is_file()
    instance = dg.DagsterInstance.get() if recorded else dg.DagsterInstance.ephemeral()
    with instance:
        return job.execute_in_process(
            instance=instance,
            run_config={"resources": {"build": {"config": build_config}}, **_QUIET},
            tags=ALL_GPUS,
            raise_on_error=False,
        )


def failures(result: dg.ExecuteInProcessResult) -> tuple[list[str], list[str]]:
    """Failed blocking checks and failed steps, a line each: name, record and fix."""
    checks = [
        f"{check.asset_key.to_user_string()}.{check.check_name}: {check.description or 'see its metadata'}"
        for check in result.get_asset_check_evaluations()
        if not check.passed and check.severity is dg.AssetCheckSeverity.ERROR
    ]
    steps = []
    for event in result.all_events:
        if event.is_step_failure and event.step_failure_data.error is not None:
            error = event.step_failure_data.error
            cause = error.cause or error
            if cause.cls_name != "DagsterAssetCheckFailedError":
                steps.append(
                    f"{event.step_key}: {cause.message.strip().removeprefix('modelscan_catalog.errors.')}"
                )
    return checks, steps
