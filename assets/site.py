"""The explorer: pages and types written into the registry's candidate, for its index to vouch for."""

from typing import Any

import dagster as dg

from assets.shared import OWNERS, Build, check_outcome
from assets.sources import read_state
from modelscan_catalog import progress
from modelscan_catalog.publish.checks import check_sizes
from modelscan_catalog.publish.schemas import PUBLISHED, SCHEMA_VERSION, record_schema
from modelscan_catalog.site.explorer import write_explorer
from modelscan_catalog.site.typescript import typescript
from modelscan_catalog.store import write_bytes
from modelscan_catalog.tables import SOURCES

MOST_SITE_FILE_BYTES = 500_000
MOST_SITE_BYTES = 6_000_000


@dg.asset(
    deps=["registry_candidate"],
    group_name="registry",
    owners=OWNERS,
    kinds={"html", "typescript"},
    description="The static explorer (site/) and TypeScript types of every record (types.d.ts).",
    # Of the assets that wait for the candidate, the swap must come after this one.
    op_tags={"dagster/priority": "1"},
)
def explorer(build: Build) -> dg.MaterializeResult[Any]:
    """Written from the candidate's own files, so that it can say nothing else than they do."""
    root = build.data.next_registry
    states = [read_state(build, source) for source in SOURCES]
    written = write_explorer(
        root, max((state.fetched_at for state in states if state.fetched_at), default=None)
    )
    types = typescript({name: record_schema(name) for name in PUBLISHED}, SCHEMA_VERSION)
    write_bytes(root / "types.d.ts", types.encode())
    progress.report("registry", "explorer", 1, 1, f"{len(written):,} files")
    return dg.MaterializeResult(metadata={"files": len(written), "bytes": sum(written.values())})


@dg.asset_check(asset=explorer, blocking=True, description="A page and its data load in a moment.")
def explorer_sizes(build: Build) -> dg.AssetCheckResult:
    """Bytes of each file of the explorer and of all."""
    root = build.data.next_registry / "site"
    found = {
        f"site/{path.relative_to(root).as_posix()}": path.stat().st_size
        for path in root.rglob("*")
        if path.is_file()
    }
    result = check_sizes(found, most_bytes=MOST_SITE_FILE_BYTES, most_total_bytes=MOST_SITE_BYTES)
    return check_outcome([result])
