"""Deployments, weights and jobs, as events of the state file show them, and the speeds that were measured."""

from typing import Any

import dagster as dg

from assets.shared import OWNERS, Build
from modelscan_catalog.deploy.benchmark_evidence import evidence_lines
from modelscan_catalog.settings import Settings
from modelscan_catalog.state import Event, events, open_state
from modelscan_catalog.state.benchmarks import benchmarks
from modelscan_catalog.store import write_bytes

GROUP = "deployments"
MOST_EVENTS = 200
"""Of one tick; the rest follows with the next."""

live_deployments = dg.AssetSpec(
    "live_deployments",
    group_name=GROUP,
    owners=OWNERS,
    kinds={"sqlite"},
    description="Models on GPUStack and KServe servers; every change of state is an observation.",
)

local_weights = dg.AssetSpec(
    "local_weights",
    group_name=GROUP,
    owners=OWNERS,
    kinds={"file"},
    description="Weights on this machine's disk; installs, deletions and a full disk are observations.",
)
background_jobs = dg.AssetSpec(
    "background_jobs",
    group_name=GROUP,
    owners=OWNERS,
    kinds={"sqlite"},
    description="Long work such as installs; how each job ended is an observation.",
)
OBSERVED = {
    "deployment": live_deployments,
    "kserve": live_deployments,
    "weights": local_weights,
    "job": background_jobs,
}
"""The asset that tells of events, by the first part of their kind; other kinds have assets of their own."""


def observations(settings: Settings, after: int) -> tuple[list[dg.AssetObservation], int]:
    """Events with an id above ``after`` as observations, and the last id seen."""
    with open_state(settings.state_file) as connection:
        found = events(connection, after=after, limit=MOST_EVENTS)
    told = [_observation(event) for event in found if event.kind.partition(".")[0] in OBSERVED]
    return told, max([after, *(event.id for event in found)])


def _observation(event: Event) -> dg.AssetObservation:
    thing, _, what = event.kind.partition(".")
    return dg.AssetObservation(
        OBSERVED[thing].key,
        description=f"{event.subject}: {what}",
        metadata={
            **{name: str(value) for name, value in event.detail.items() if value is not None},
            **({"job": event.job} if event.job else {}),
            "subject": event.subject,
            "state": what,
            "at": event.at,
        },
    )


@dg.asset(
    deps=[live_deployments],
    group_name=GROUP,
    owners=OWNERS,
    kinds={"json"},
    description="Measured speeds by checkpoint, cards, engine and load; no addresses of servers.",
)
def benchmark_evidence(build: Build) -> dg.MaterializeResult[Any]:
    """`benchmarks.jsonl` in the data directory, in the shape of registry/fit/measured_speeds.jsonl."""
    with open_state(build.settings.state_file) as connection:
        lines = list(evidence_lines(benchmarks(connection)))
    path = build.settings.data_dir / "benchmarks.jsonl"
    write_bytes(path, "".join(f"{line}\n" for line in lines).encode())
    return dg.MaterializeResult(
        metadata={"dagster/row_count": len(lines), "path": dg.MetadataValue.path(path)}
    )
