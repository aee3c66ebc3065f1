"""``modelscan quality``: how well the crosswalk and the fit do on data they were not fitted to."""

import json

import click
from rich import box
from rich.table import Table

from modelscan_catalog.cli.console import table_console


@click.group()
def quality() -> None:
    """Measured accuracy of crosswalk and fit."""


@quality.command()
@click.option("--json", "as_json", is_flag=True)
def crosswalk(as_json: bool) -> None:
    """Precision and recall of the ModelScope links on the held-out half of the labelled pairs."""
    from modelscan_catalog.merge.facts import repo_facts
    from modelscan_catalog.merge.quality import crosswalk_quality
    from modelscan_catalog.settings import load_settings
    from modelscan_catalog.sources.runner import run_source
    from modelscan_catalog.sources.staged import HuggingFaceRepo, ModelScopeRepo

    settings = load_settings()
    hubs = {
        source: run_source(source, settings, offline=True).tables["repos"]
        for source in ("huggingface", "modelscope")
    }
    found = crosswalk_quality(
        {row.id: repo_facts(row) for row in hubs["huggingface"] if isinstance(row, HuggingFaceRepo)},
        {row.id: repo_facts(row) for row in hubs["modelscope"] if isinstance(row, ModelScopeRepo)},
    )
    if as_json:
        click.echo(json.dumps(found))
        return
    table = Table(
        title="ModelScope to Hugging Face, held-out pairs", box=box.SIMPLE_HEAD, title_justify="left"
    )
    for name in ("kind of pair", "pairs", "right", "wrong", "missed", "precision", "recall"):
        table.add_column(name, justify="left" if name == "kind of pair" else "right")
    for kind, row in [*found["by_kind"].items(), ("all", found)]:
        table.add_row(kind, *(str(row[name]) for name in ("pairs", "right", "wrong", "missed")),
                      *(_share(row[name]) for name in ("precision", "recall")))  # fmt: skip
    table_console().print(table)
    for line in found["errors"]:
        click.echo(f"  {line}")


@quality.command()
@click.option("--leave-one-out", is_flag=True, help="Fit the constants anew without the run that is scored.")
@click.option("--json", "as_json", is_flag=True)
def fit(leave_one_out: bool, as_json: bool) -> None:
    """Errors of the fit on logged runs, by architecture class."""
    from modelscan_catalog.fit.quality import score

    rows = score(leave_one_out=leave_one_out)
    if as_json:
        click.echo(json.dumps(rows))
        return
    title = "Predicted against logged: median / 90th percentile of the error, %"
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("class", no_wrap=True)
    for name in ("runs", *_ERRORS.values(), *_SHARES.values(), *_COUNTS.values()):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row["class"],
            str(row["runs"]),
            *(_pair(row[f"{key}_median_percent"], row[f"{key}_p90_percent"]) for key in _ERRORS),
            *("-" if row[key] is None else f"{row[key]:.0f} %" for key in _SHARES),
            *(str(row[key]) for key in _COUNTS),
            end_section=row is rows[-2],
        )
    table_console().print(table)


_ERRORS = {"weights": "weights", "pool": "KV pool", "capacity": "capacity"}
_SHARES = {"capacity_given_pool_within_0.3_percent": "given", "pool_band_covers_percent": "band"}
_COUNTS = {"wrong_fits": "wrong", "wrong_refusals": "refused", "unknown": "unknown"}


def _pair(median: float | None, p90: float | None) -> str:
    return "-" if median is None or p90 is None else f"{median:.2f} / {p90:.2f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
