"""Staged tables of the four sources: what each said, typed, with its rejects and its origin."""

import dataclasses
import json
from typing import Any

import dagster as dg

from assets.shared import OWNERS, Build, check_outcome, table_metadata
from modelscan_catalog import progress
from modelscan_catalog.merge.documents import SourceDocument, source_documents
from modelscan_catalog.publish.checks import CheckResult, check_row_counts
from modelscan_catalog.records import Reject, SourceName, SourceState
from modelscan_catalog.sources.runner import run_source
from modelscan_catalog.store import write_json
from modelscan_catalog.tables import SOURCES, STAGED

_DESCRIPTIONS = {
    "models_dev": "Sellers' offers and lab models of models.dev.",
    "gpustack": "Model sets, launch recipes and draft models of both GPUStack catalogues.",
    "modelscope": "ModelScope repositories: revisions, files, configurations.",
    "huggingface": "Hub repositories that the other sources name, watched ones and the most downloaded.",
}

# A source that is down is retried by the HTTP layer; this covers a crash of the step itself.
_RETRY = dg.RetryPolicy(max_retries=2, delay=2, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)


def _source_asset(source: SourceName, deps: list[str]) -> dg.AssetsDefinition:
    @dg.asset(
        name=source,
        deps=deps,
        group_name="sources",
        owners=OWNERS,
        kinds={"http", "parquet"},
        description=_DESCRIPTIONS[source],
        retry_policy=_RETRY,
    )
    def stage(build: Build) -> dg.MaterializeResult[Any]:
        result = run_source(
            source,
            build.settings,
            build.mode(source),
            offline=build.offline,
            accept_shrink=build.accept_shrink,
            on_progress=lambda name, done, total, note: progress.report("sources", name, done, total, note),
        )
        metadata: dict[str, Any] = {}
        for table, rows in result.tables.items():
            name = f"{source}_{table}"
            build.data.write("staged", name, STAGED[name], rows)
            metadata[f"{table} rows"] = len(rows)
            metadata[f"{table} preview"] = table_metadata(STAGED[name], rows)["preview"]
        build.data.write("staged", f"{source}_rejects", Reject, result.rejects)
        write_json(
            build.data.staged / f"{source}_documents.json",
            [dataclasses.asdict(entry) for entry in result.documents],
        )
        write_json(build.data.staged / f"{source}_refused.json", list(result.refused))
        write_json(build.data.staged / f"{source}_state.json", result.state.model_dump(mode="json"))
        state = result.state
        progress.report("sources", source, 1, 1, f"{state.origin}, {state.rows_kept} rows")
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": state.rows_kept,
                "origin": state.origin,
                "fetched at": state.fetched_at or "never",
                "rows read": state.rows_read,
                "rows rejected": state.rows_rejected,
                "problems": dg.MetadataValue.md("\n".join(f"- {p}" for p in state.problems) or "none"),
                **metadata,
            }
        )

    return stage


def read_state(build: Build, source: str) -> SourceState:
    """The state in which the last materialization left ``source``."""
    return SourceState.model_validate_json((build.data.staged / f"{source}_state.json").read_bytes())


def read_documents(build: Build, source: SourceName) -> list[SourceDocument]:
    """The documents that ``source``'s rows were read from, for provenance."""
    entries = json.loads((build.data.staged / f"{source}_documents.json").read_bytes())
    return source_documents(source, entries)


def staged_rejects(build: Build) -> list[Reject]:
    """What the adapters could not use."""
    return [row for source in SOURCES for row in build.data.read("staged", f"{source}_rejects", Reject)]


def _checks(source: SourceName) -> list[dg.AssetChecksDefinition]:
    tables = [name for name in STAGED if name.startswith(source)]

    @dg.asset_check(asset=source, name="row_counts", blocking=True, description="No staged table is empty.")
    def row_counts(build: Build) -> dg.AssetCheckResult:
        counts = {name: len(build.data.read("staged", name, STAGED[name])) for name in tables}
        return check_outcome([check_row_counts(counts)])

    @dg.asset_check(
        asset=source,
        name="shrink",
        blocking=True,
        description="What came live did not lose most of its rows.",
    )
    def shrink(build: Build) -> dg.AssetCheckResult:
        refused = json.loads((build.data.staged / f"{source}_refused.json").read_bytes())
        fix = "run with --accept-shrink if that is right"
        return check_outcome([CheckResult("shrink", tuple(f"{source}: {line}; {fix}" for line in refused))])

    return [row_counts, shrink]


# Each source after those whose repositories it is asked for.
SOURCE_ASSETS = [
    _source_asset(source, list(SOURCES[:place]) if place > 1 else []) for place, source in enumerate(SOURCES)
]
SOURCE_CHECKS = [check for source in SOURCES for check in _checks(source)]
