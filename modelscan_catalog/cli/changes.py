"""``modelscan changes`` and ``modelscan deprecations``: what is new, what differs, what goes away."""

from pathlib import Path
from typing import Any

import click

from modelscan_catalog.cli.catalog import echo_json, json_option, limit_option, plain_table, registry_option
from modelscan_catalog.errors import UnknownIdError
from modelscan_catalog.registry import get_registry
from modelscan_catalog.registry.deprecations import deprecated_models

_KINDS = ("model", "variant", "offer", "provider", "deployment")


@click.command()
@click.option("--kind", help=f"Only records of a kind: {', '.join(_KINDS)}.")
@click.option("--field", help="Only changes of a field, such as price or status.")
@limit_option
@registry_option
@json_option
def changes(kind: str | None, field: str | None, limit: int, registry: Path, as_json: bool) -> None:
    """What the last publish that changed anything added, removed or changed."""
    if kind is not None and kind not in _KINDS:
        raise UnknownIdError(f"kind: {kind[:40]!r} is unknown; use one of {', '.join(_KINDS)}", _KINDS)
    found = [
        row
        for row in get_registry(registry).files.rows("changes.jsonl")
        if (kind is None or row["record"].startswith(f"{kind}:"))
        and (field is None or (row.get("field") or "").split(".")[0] == field.split(".")[0])
    ]
    if as_json:
        echo_json(found[:limit])
        return
    if not found:
        click.echo("Nothing of that changed.")
        return
    rows = [
        (
            row["change"],
            row["record"],
            row.get("field") or "",
            _short(row.get("before")),
            _short(row.get("after")),
        )
        for row in found[:limit]
    ]
    _print(
        f"{len(rows)} of {len(found)} changes", ("what", "record", "field", "before", "now"), rows, "record"
    )


@click.command()
@limit_option
@registry_option
@json_option
def deprecations(limit: int, registry: Path, as_json: bool) -> None:
    """Models that are deprecated or gone, and where they are still sold."""
    found = deprecated_models(get_registry(registry).files)
    if as_json:
        echo_json(found[:limit])
        return
    rows = [
        (row["model"], row["state"], row["reason"] or "-", str(row["still_sold"])) for row in found[:limit]
    ]
    title = f"{len(rows)} of {len(found)} models"
    _print(title, ("model", "state", "because", "sellers left"), rows, "because", ("sellers left",))


def _short(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= 24 else f"{text[:23]}…"


def _print(title: str, columns: tuple[str, ...], rows: Any, shrink: str, right: tuple[str, ...] = ()) -> None:
    from modelscan_catalog.cli.console import table_console

    console = table_console()
    console.print(plain_table(title, columns, rows, console.width, right, shrink))
