"""``modelscan optimize``: the cheapest mix of sellers and own cards for a day's requests."""

import json
import math
from pathlib import Path
from typing import Any

import click

from modelscan_catalog.cli.catalog import echo_json, json_option, plain_table, registry_option
from modelscan_catalog.settings import load_settings


@click.command()
@click.argument("workload", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--usage",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Volumes and sellers' times from a router's usage.sqlite, where WORKLOAD leaves them out.",
)
@click.option("--days", type=click.FloatRange(0.1, 366), default=7.0, show_default=True, help="Of the usage.")
@click.option("--free", is_flag=True, help="Take sellers that ask nothing too: trials with limits, mostly.")
@click.option(
    "--chains",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the order of models a class, for `modelscan router --chains FILE`.",
)
@registry_option
@json_option
def optimize(
    workload: Path,
    usage: Path | None,
    days: float,
    free: bool,
    chains: Path | None,
    registry: Path,
    as_json: bool,
) -> None:
    """Which model, at which seller or on which own cards, serves each class of WORKLOAD at the least cost.

    WORKLOAD is YAML or JSON: for each class the tokens of a day, the models that will do, and limits; and the
    cards that there are. Exact over all mixes; what is unknown holds no limit. Own cards count with the slow
    end of their estimate, as if every request were as long as its class's context
    (8,192 tokens where none is stated).

    \b
    classes:
      simple:    {input_mtok_per_day: 400, output_mtok_per_day: 100, models: [qwen3-8b, qwen3-32b]}
      technical: {input_mtok_per_day: 60, output_mtok_per_day: 20, models: [qwen3-32b], context: 32000}
    cards: [{gpu: h100-80gb, count: 2, usd_per_hour: 2.5}]
    used_share: 0.5                    # of full speed, as a day's mean; the rest is for peaks

    \b
    Exit code  0  a mix was found
               1  no mix holds all limits; the reasons are shown
               2  the question cannot be answered as it was put
    """
    from modelscan_catalog.registry import get_registry
    from modelscan_catalog.registry.serving_options import optimized
    from modelscan_catalog.registry.workload import read_workload, seen_by_router
    from modelscan_catalog.router.overlays import read_overlaid
    from modelscan_catalog.store import write_json

    seen = None if usage is None else seen_by_router(usage, days)
    asked = read_workload(workload, seen)
    config = read_overlaid(registry / "router.json", load_settings().data_dir / "router")
    found = optimized(get_registry(registry), config, asked, seen, with_free=free)
    if seen is not None and seen.other_classes:
        click.echo(f"left out: requests that named their model ({', '.join(seen.other_classes)})", err=True)
    if chains is not None and found["chains"] is not None:
        write_json(chains, found["chains"])
    if as_json:
        echo_json(found)
    else:
        _print(found)
    click.get_current_context().exit(0 if found["mix"] else 1)


def _print(found: dict[str, Any]) -> None:
    from modelscan_catalog.cli.console import table_console

    console = table_console()
    mix = found["mix"]
    if mix is None:
        click.echo("No mix holds all limits.")
    else:
        right = ("USD/day alone", "first token")
        rows = [
            (name, row["model"], row["where"], f"{row['usd_per_day_alone']:,.2f}", _seconds(row))
            for name, row in mix["classes"].items()
        ]
        columns = ("class", "model", "where", *right)
        title = f"{mix['usd_per_day']:,.2f} USD a day, {30 * mix['usd_per_day']:,.0f} in 30 days"
        console.print(plain_table(title, columns, rows, console.width, right, "where"))
        for own in mix["deployments"]:
            console.print(
                f"{own['replicas']} x {own['model']} on {own['cards']} x {own['gpu']}: "
                f"{own['usd_per_day']:,.2f} USD a day, {own['busy_share']:.0%} of what is allowed is used",
                highlight=False,
            )
        sold = found["usd_per_day_at_sellers_alone"]
        said = f"{sold:,.2f} USD a day" if sold is not None else "not possible within the limits"
        console.print(f"At sellers alone: {said}.", highlight=False)
        for name, options in found["options"].items():
            own_cards = [row for row in options if row["replicas_busy"] is not None]
            if own_cards and mix["classes"][name]["replicas_busy"] is None:
                row = own_cards[0]
                replicas = max(1, math.ceil(row["replicas_busy"]))
                console.print(
                    f"On own cards {name} would cost {row['usd_per_day_alone']:,.2f} USD a day "
                    f"({row['model']}, {replicas} times on {row['where']}).",
                    highlight=False,
                )
        for own in mix["deployments"]:
            replicas = f" --replicas {own['replicas']}" if own["replicas"] > 1 else ""
            cards = f"--gpu {own['gpu']}:{own['cards']} --context {own['context']}"
            click.echo(f"  modelscan deploy {own['model']} {cards}{replicas}")
        click.echo(f"  modelscan router --chains FILE    # {json.dumps(found['chains']['chains'])}")
    for name, options in found["options"].items():
        refused = [row for row in found["refused"] if row["query_class"] == name]
        if not options:
            click.echo(f"{name}: nothing serves it")
        if options and mix is not None:
            continue
        for row in refused[:20]:
            click.echo(f"  {row['model']} at {row['where']}: {row['reason']}")


def _seconds(row: dict[str, Any]) -> str:
    return "" if row["first_token_s"] is None else f"{row['first_token_s']:.2g} s"
