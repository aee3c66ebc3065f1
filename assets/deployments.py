"""What runs where, as events of the state file show it, and the speeds that were measured of it."""

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


def observations(settings: Settings, after: int) -> tuple[list[dg.AssetObservation], int]:
    """Events of deployments with an id above ``after`` as observations, and the last id seen."""
    with open_state(settings.state_file) as connection:
        found = events(connection, after=after, kind="deployment", limit=MOST_EVENTS)
    return [_observation(event) for event in found], max([after, *(event.id for event in found)])


def _observation(event: Event) -> dg.AssetObservation:
    return dg.AssetObservation(
        live_deployments.key,
        description=f"{event.subject}: {event.kind.partition('.')[2]}",
        metadata={
            "deployment": event.subject,
            "state": event.kind.partition(".")[2],
            "server": str(event.detail.get("server")),
            "message": str(event.detail.get("message") or ""),
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
