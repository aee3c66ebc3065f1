"""The router as a running process, and what it was used for."""

import json
from typing import Any

import dagster as dg

from assets.registry import published_registry
from assets.shared import OWNERS, Build, check_outcome, column_schema, table_metadata
from modelscan_catalog.publish.checks import CheckResult
from modelscan_catalog.router.check import check_router
from modelscan_catalog.router.config import read_config
from modelscan_catalog.router.usage_table import RouterUsage, read_usage
from modelscan_catalog.store import write_json


@dg.asset(
    deps=[published_registry],
    group_name="router",
    owners=OWNERS,
    kinds={"aiohttp"},
    description="A router process serves the published configuration and local upstreams, then is stopped.",
)
def router_smoke_test(build: Build) -> dg.MaterializeResult[Any]:
    """Start, ask as an OpenAI client would, stop; only loopback is called."""
    report = check_router(read_config(build.settings.published_dir / "router.json"))
    failed = [f"{check.name}: {check.detail}" for check in report.checks if not check.passed]
    write_json(build.data.launch / "router_check.json", failed)
    lines = [f"- {'✓' if check.passed else '✗'} {check.name}: {check.detail}" for check in report.checks]
    return dg.MaterializeResult(
        metadata={
            "models listed": report.models_listed,
            "seconds to start": round(report.start_s, 3),
            "claims": dg.MetadataValue.md("\n".join(lines)),
        }
    )


@dg.asset_check(asset=router_smoke_test, name="answers", blocking=True, description="Every claim held.")
def router_answers(build: Build) -> dg.AssetCheckResult:
    """The claims that did not hold."""
    failed = json.loads((build.data.launch / "router_check.json").read_bytes())
    return check_outcome([CheckResult("answers", tuple(failed))])


@dg.asset(
    group_name="router",
    owners=OWNERS,
    kinds={"sqlite", "parquet"},
    description="Tokens, costs and outcomes of upstream calls by hour and arm; no prompts, no clients.",
    metadata={"dagster/column_schema": column_schema(RouterUsage)},
)
def router_usage(build: Build) -> dg.MaterializeResult[Any]:
    """The usage store of the router on this machine as a table; empty where none has run."""
    rows = read_usage(build.settings.data_dir / "router" / "usage.sqlite")
    build.data.write("router", "usage", RouterUsage, rows)
    return dg.MaterializeResult(
        metadata={
            **table_metadata(RouterUsage, rows),
            "calls": sum(row.calls for row in rows),
            "calls by arm": {
                arm: sum(row.calls for row in rows if row.arm == arm)
                for arm in sorted({row.arm for row in rows})
            },
            "cost in USD": round(sum(row.cost_usd for row in rows), 6),
        }
    )
