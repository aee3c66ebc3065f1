"""What open models cost on rented cards beside their cheapest seller, with the speeds that are known here."""

import dataclasses
import json
from typing import Any

import dagster as dg

from assets.registry import published_registry
from assets.shared import OWNERS, Build, preview_table
from modelscan_catalog.deploy.benchmark_evidence import measured_here
from modelscan_catalog.registry.cost_table import cost_rows
from modelscan_catalog.store import write_bytes

_SHOWN = ("model", "gpu", "gpu_count", "own_usd_per_mtok", "seller", "seller_usd_per_mtok", "break_even_load")


@dg.asset(
    deps=[published_registry],
    group_name="deployments",
    owners=OWNERS,
    kinds={"json"},
    description="Cards' price over their speed against the cheapest seller; break-even in tokens a day.",
)
def cost_compare(build: Build) -> dg.MaterializeResult[Any]:
    """`cost_compare.jsonl` in the data directory; speeds measured here are no part of what is published."""
    with measured_here(build.settings.state_file):
        rows = [dataclasses.asdict(row) for row in cost_rows(build.settings.published_dir)]
    path = build.settings.data_dir / "cost_compare.jsonl"
    write_bytes(path, "".join(f"{json.dumps(row, sort_keys=True)}\n" for row in rows).encode())
    cheapest = sorted(rows, key=lambda row: row["break_even_load"])[:15]
    own = {row["model"] for row in rows if row["break_even_load"] < 1}
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(rows),
            "path": dg.MetadataValue.path(path),
            "models": len({row["model"] for row in rows}),
            "models that own cards can serve for less": len(own),
            "soonest": dg.MetadataValue.md(
                preview_table([{name: row[name] for name in _SHOWN} for row in cheapest])
            ),
        }
    )
