"""``modelscan discover``: what sellers, a local Ollama and the hub have that the catalogue does not hold."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from modelscan_catalog.cli.catalog import echo_json, json_option, limit_option, plain_table, registry_option
from modelscan_catalog.cli.console import table_console
from modelscan_catalog.registry import get_registry
from modelscan_catalog.settings import load_settings

if TYPE_CHECKING:
    from modelscan_catalog.discovery.records import Candidates


@click.command()
@click.option("--provider", "providers", multiple=True, help="Only this seller's list; may be repeated.")
@click.option("--ollama", metavar="URL", help="An Ollama server; without one the watched address is asked.")
@click.option("--hub/--no-hub", default=None, help="The hub's newest repositories (some hundred requests).")
@click.option("--show", is_flag=True, help="What was found last time; asks nobody.")
@limit_option
@registry_option
@json_option
def discover(
    providers: tuple[str, ...],
    ollama: str | None,
    hub: bool | None,
    show: bool,
    limit: int,
    registry: Path,
    as_json: bool,
) -> None:
    """Look for models that the catalogue does not hold; writes data/discovery/candidates.json.

    Sellers are asked whose key variable is set. Nothing found here enters the catalogue by itself: put a
    repository into registry/watchlist.json, or add a seller with `modelscan add`.
    """
    from modelscan_catalog.discovery.look import candidates_path, look_and_keep
    from modelscan_catalog.discovery.records import read_candidates

    settings = load_settings()
    if show:
        found = read_candidates(candidates_path(settings))
    else:
        hub = hub if hub is not None else not providers
        found = look_and_keep(settings, get_registry(registry), providers, ollama=ollama, hub=hub)
    if found is None:
        click.echo("Nobody has looked yet: run `modelscan discover`.")
    elif as_json:
        echo_json(found.model_dump(mode="json", exclude_none=True))
    else:
        _print(found, limit)


def _print(found: "Candidates", limit: int) -> None:
    console = table_console()
    asked = [one for one in found.looked if one.problem is None]
    silent = [one for one in found.looked if one.problem is not None]
    console.print(
        f"{len(asked)} lists read, {len(found.candidates)} candidates, "
        f"{len(found.withdrawn)} offers withdrawn"
    )
    without_key = [one for one in silent if one.problem and one.problem.endswith("is not set")]
    if without_key:
        console.print(f"{len(without_key)} sellers were not asked: their key variable is not set")
    for problem, count in Counter(one.problem for one in silent if one not in without_key).most_common(5):
        console.print(f"  {count} × {problem}")
    rows = [
        (one.source, one.id, one.model or "", ", ".join(one.missing), one.sight.first_seen[:10])
        for one in found.candidates[:limit]
    ]
    if rows:
        columns = ("source", "id", "model", "missing", "first seen")
        title = f"{len(rows)} of {len(found.candidates)} candidates"
        console.print(plain_table(title, columns, rows, console.width, shrink="id"))
