"""``modelscan quality``: how well crosswalk, fit, search and router do on data they were not made for."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.table import Table

from modelscan_catalog.cli.catalog import registry_option
from modelscan_catalog.cli.console import table_console


@click.group()
def quality() -> None:
    """Measured accuracy of crosswalk, fit, search and router."""


@quality.command()
@click.option(
    "--pairs",
    "pairs_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Score these pairs (modelscope_id, huggingface_id; TSV or JSON Lines) instead of the held-out half.",
)
@click.option("--json", "as_json", is_flag=True)
def crosswalk(pairs_file: Path | None, as_json: bool) -> None:
    """Precision and recall of the crosswalk's links.

    On pairs and ids that its rules were not taught.
    """
    from modelscan_catalog.merge.facts import repo_facts
    from modelscan_catalog.merge.labelled_pairs import read_pairs
    from modelscan_catalog.merge.quality import crosswalk_quality, offer_quality
    from modelscan_catalog.settings import load_settings
    from modelscan_catalog.sources.runner import run_source
    from modelscan_catalog.tables import SOURCES

    settings = load_settings()
    staged: dict[str, list[Any]] = {}
    for source in SOURCES:
        for table, rows in run_source(source, settings, offline=True).tables.items():
            staged[f"{source}_{table}"] = list(rows)
    hubs = crosswalk_quality(
        {row.id: repo_facts(row) for row in staged["huggingface_repos"]},
        {row.id: repo_facts(row) for row in staged["modelscope_repos"]},
        asked=read_pairs(pairs_file) if pairs_file else None,
    )
    offers = offer_quality(staged)
    if as_json:
        click.echo(json.dumps({"modelscope_to_huggingface": hubs, "offers_to_models": offers}))
        return
    title = "ModelScope repositories to their Hugging Face twins"
    table_console().print(_links(title, "kind of pair", hubs["by_kind"], hubs))
    without = hubs["without_twin"]
    click.echo(
        f"With the true twin taken away, {without['linked']} of {without['asked']} are linked to another."
    )
    for line in hubs["errors"]:
        click.echo(f"  {line}")
    title = "\nSellers' ids to models, where models.dev's own answer is hidden"
    table_console().print(_links(title, "rule", {}, offers))


def _links(title: str, first: str, parts: dict[str, Any], whole: dict[str, Any]) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for name in (first, "asked", "right", "wrong", "missed", "precision", "recall"):
        table.add_column(name, justify="left" if name == first else "right")
    for name, row in [*parts.items(), ("all", whole)]:
        table.add_row(
            name,
            *(str(row[count]) for count in ("pairs", "right", "wrong", "missed")),
            *(_share(row[share]) for share in ("precision", "recall")),
        )
    return table


@quality.command()
@registry_option
@click.option("--json", "as_json", is_flag=True)
def search(registry: Path, as_json: bool) -> None:
    """How often search answers a labelled query right."""
    from modelscan_catalog.registry.search_quality import search_quality, summary

    scores = search_quality(registry)
    parts = {
        "tuned on": summary([score for score in scores if score.tuned]),
        "not tuned on": summary([score for score in scores if not score.tuned]),
    }
    if as_json:
        click.echo(json.dumps(parts | {"scores": [dataclasses.asdict(score) for score in scores]}))
        return
    table = Table(title="Labelled queries", box=box.SIMPLE_HEAD, title_justify="left")
    for name in ("queries that were", "asked", "first is right", "mean reciprocal rank", "found in ten"):
        table.add_column(name, justify="left" if name.endswith("were") else "right")
    for name, part in parts.items():
        table.add_row(
            name,
            f"{part['queries']:.0f}",
            _share(part["first_is_right"]),
            f"{part['mean_reciprocal_rank']:.2f}",
            _share(part["found_in_ten"]),
        )
    table_console().print(table)
    for score in scores:
        if score.rank != 1:
            click.echo(
                f"  {score.query!r}: first is {score.first or 'nothing'}, right one at {score.rank or '-'}"
            )


@quality.command()
@click.option("--json", "as_json", is_flag=True)
def router(as_json: bool) -> None:
    """How often the router classes a labelled query right."""
    from modelscan_catalog.router.classify import classifier_quality

    found = classifier_quality()
    if as_json:
        click.echo(json.dumps(found))
        return
    click.echo(f"Rules {found['version']}, {found['queries']} labelled queries")
    for name, part in [*found["accuracy"].items(), *found["recall"].items()]:
        click.echo(f"  {name:<12} {part['right']:>3} of {part['of']:<3} {part['share']:.0%}")
    for wrong in found["wrong"]:
        click.echo(f"  {wrong['query']!r}: {wrong['class']}, answered {wrong['answer']}")


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
    title = "Predicted against logged, %: median / 90th percentile of the error"
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    table.add_column("class", no_wrap=True)
    for name in ("runs", *_ERRORS.values(), *_SHARES.values(), *_COUNTS.values()):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row["class"],
            str(row["runs"]),
            *(_pair(row[f"{key}_median_percent"], row[f"{key}_p90_percent"]) for key in _ERRORS),
            *("-" if row[key] is None else f"{row[key]:.0f}" for key in _SHARES),
            *(str(row[key]) for key in _COUNTS),
            end_section=row is rows[-2],
        )
    table_console().print(table)


_ERRORS = {"weights": "weights", "pool": "KV pool", "capacity": "capacity"}
# Share of runs whose capacity is within 0.3 % given the pool, and whose pool lies in its 90 % band.
_SHARES = {"capacity_given_pool_within_0.3_percent": "given", "pool_band_covers_percent": "band"}
_COUNTS = {"wrong_fits": "wrong", "wrong_refusals": "refused", "unknown": "unknown"}


def _pair(median: float | None, p90: float | None) -> str:
    return "-" if median is None or p90 is None else f"{_short(median)} / {_short(p90)}"


def _short(percent: float) -> str:
    return f"{percent:.0f}" if percent >= 100 else f"{percent:.1f}" if percent >= 10 else f"{percent:.2f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
