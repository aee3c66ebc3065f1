"""The fit matrix: every variant on every GPU profile, a partition a profile."""

from typing import Any

import dagster as dg
from dagster import BackfillPolicy

from assets.catalogue import read_table
from assets.shared import OWNERS, Build, preview_table
from modelscan_catalog import progress
from modelscan_catalog.fit.catalogue import StoredConfig, fit_variants, stored_configs
from modelscan_catalog.fit.matrix import MATRIX_SCHEMA, write_matrix
from modelscan_catalog.fit.profiles import load_profiles
from modelscan_catalog.records import Variant
from modelscan_catalog.tables import STAGED

GPU_PARTITIONS = dg.StaticPartitionsDefinition(list(load_profiles()))


def read_configs(build: Build, variants: list[Variant]) -> dict[str, StoredConfig]:
    """Configurations of ``variants`` from the staged hubs."""
    return stored_configs(
        variants,
        build.data.read("staged", "huggingface_repos", STAGED["huggingface_repos"]),
        build.data.read("staged", "modelscope_repos", STAGED["modelscope_repos"]),
    )


@dg.asset(
    deps=["variants", "huggingface", "modelscope"],
    partitions_def=GPU_PARTITIONS,
    backfill_policy=BackfillPolicy.single_run(),
    group_name="fit",
    owners=OWNERS,
    kinds={"numpy", "parquet"},
    description="Does each variant start on 1, 2, 4 and 8 of these cards, at which context, and how fast.",
)
def fit_matrix(context: dg.AssetExecutionContext, build: Build) -> dg.MaterializeResult[Any]:
    """Terms of all variants once, then one file a profile."""
    rows = read_table(build, "variants")
    configs = read_configs(build, rows)
    variants, unread = fit_variants(rows, configs)
    profiles = [load_profiles()[key] for key in context.partition_keys]
    progress.report("fit", "matrix", 0, len(profiles))
    counts = write_matrix(variants, profiles, build.data.fit)
    verdicts: dict[str, int] = {}
    for by_verdict in counts.values():
        for verdict, cells in by_verdict.items():
            verdicts[verdict] = verdicts.get(verdict, 0) + cells
    progress.report("fit", "matrix", len(profiles), len(profiles), f"{sum(verdicts.values()):,} cells")
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(verdicts.values()),
            "dagster/column_schema": dg.TableSchema(
                columns=[dg.TableColumn(field.name, str(field.type)) for field in MATRIX_SCHEMA]
            ),
            "cells by verdict": verdicts,
            "without an architecture": len(unread),
            "why": dg.MetadataValue.md(
                preview_table([{"variant": u.variant, "reason": u.reason} for u in unread[:15]])
            ),
        }
    )
