"""The fit matrix: every variant on every GPU profile, a partition a profile."""

import io
from base64 import b64encode
from collections import Counter
from typing import Any

import dagster as dg
from dagster import BackfillPolicy
from matplotlib.figure import Figure

from assets.catalogue import read_table
from assets.shared import OWNERS, Build, preview_table
from modelscan_catalog import progress
from modelscan_catalog.fit.catalogue import fit_variants, stored_configs
from modelscan_catalog.fit.checkpoints import StoredConfig
from modelscan_catalog.fit.executors import matrix_executor
from modelscan_catalog.fit.matrix import MATRIX_SCHEMA, write_matrix
from modelscan_catalog.fit.profiles import load_profiles
from modelscan_catalog.publish.fit_files import declared_verdicts
from modelscan_catalog.records import Variant
from modelscan_catalog.tables import STAGED

GPU_PARTITIONS = dg.StaticPartitionsDefinition(list(load_profiles()))


# Cards that people ask for first, small to large.
_PLOTTED = ("rtx-3060-12gb", "rtx-4090", "rtx-5090", "l40s", "a100-80gb", "h100-80gb", "h200-141gb", "mi300x")
_COLOURS = {"fits": "#2a9d64", "tight": "#e9c04a", "does_not_fit": "#d9604f", "unsupported": "#8d99a6"}


def _verdict_plot(build: Build, gpus: list[str]) -> dg.MetadataValue[Any]:
    """Bars of the declared-context verdicts on one and on eight of each card, as an inline picture."""
    bars = [(gpu, count) for gpu in gpus for count in (1, 8)]
    figure = Figure(figsize=(8, 0.34 * len(bars) + 1.2))
    axes = figure.subplots()
    for row, (gpu, count) in enumerate(reversed(bars)):
        shares = declared_verdicts(build.data.fit / f"{gpu}.parquet", count)
        left = 0
        for verdict, colour in _COLOURS.items():
            width = shares.get(verdict, 0)
            axes.barh(row, width, left=left, color=colour, label=verdict if row == 0 else None)
            left += width
    axes.set_yticks(range(len(bars)), [f"{count} x {gpu}" for gpu, count in reversed(bars)])
    axes.set_xlabel("variants at their declared context")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.12), ncols=4, frameon=False)
    figure.tight_layout()
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=90)
    return dg.MetadataValue.md(f"![verdicts](data:image/png;base64,{b64encode(picture.getvalue()).decode()})")


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
    plotted = [gpu for gpu in _PLOTTED if gpu in context.partition_keys]
    progress.report("fit", "matrix", 0, len(profiles))
    with matrix_executor(build.dask, build.processes) as executor:
        counts = write_matrix(
            variants,
            profiles,
            build.data.fit,
            executor,
            on_written=lambda done: progress.report("fit", "matrix", done, len(profiles) + 1),
        )
    verdicts: Counter[str] = Counter()
    for gpu, by_verdict in counts.items():
        verdicts.update(by_verdict)
        context.add_asset_metadata(
            {"dagster/partition_row_count": sum(by_verdict.values()), **by_verdict}, partition_key=gpu
        )
    cells = f"{verdicts.total():,} cells"
    progress.report("fit", "matrix", len(profiles) + 1, len(profiles) + 1, cells)
    return dg.MaterializeResult(
        metadata={
            "cells": verdicts.total(),
            "dagster/column_schema": dg.TableSchema(
                columns=[dg.TableColumn(field.name, str(field.type)) for field in MATRIX_SCHEMA]
            ),
            "cells by verdict": dict(verdicts),
            "verdicts": _verdict_plot(build, plotted or [profiles[0].id]),
            "without an architecture": len(unread),
            "why": dg.MetadataValue.md(
                preview_table([{"variant": u.variant, "reason": u.reason} for u in unread[:15]])
            ),
        }
    )
