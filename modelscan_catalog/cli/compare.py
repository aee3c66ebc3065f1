"""``modelscan compare``: models side by side, on named cards too."""

from pathlib import Path
from typing import Any

import click

from modelscan_catalog.cli.catalog import (
    echo_json,
    figure,
    json_option,
    plain_table,
    registry_option,
    size,
    tokens,
)
from modelscan_catalog.cli.completion import complete_gpu, complete_model
from modelscan_catalog.registry import get_registry
from modelscan_catalog.registry.comparison import compare_models

_MOST = 4


@click.command()
@click.argument("models", nargs=-1, required=True, shell_complete=complete_model)
@click.option(
    "--gpu",
    metavar="NAME[:COUNT]",
    shell_complete=complete_gpu,
    help="Compare how they run on these cards too.",
)
@registry_option
@json_option
def compare(models: tuple[str, ...], gpu: str | None, registry: Path, as_json: bool) -> None:
    """Two to four models side by side: facts, prices, and how they run on named cards.

    modelscan compare qwen3-8b llama-3.1-8b-instruct --gpu rtx-4090
    """
    if not 2 <= len(models) <= _MOST:
        raise click.UsageError(f"name two to {_MOST} models, {len(models)} were given")
    found = compare_models(get_registry(registry), models, gpu)
    if as_json:
        echo_json(found)
        return
    from modelscan_catalog.cli.console import table_console

    console = table_console()
    rows = [
        (label, *(show(one) for one in found))
        for label, show in _ROWS.items()
        if any(show(one) != "-" for one in found)
    ]
    if gpu is not None:
        rows += [(label, *(show(one["on_gpu"]) for one in found)) for label, show in _ON_GPU.items()]
    room = (console.width - max(len(row[0]) for row in rows) - 6) // len(found) - 2
    short = [(row[0], *(_cut(cell, room) for cell in row[1:])) for row in rows]
    columns = ("", *(_cut(one["model"], room) for one in found))
    title = "Side by side" + (f", on {gpu}" if gpu else "")
    console.print(plain_table(title, columns, short, console.width))
    for one in found:
        if gpu is not None and one["on_gpu"]["reason"]:
            console.print(f"{one['model']}: {one['on_gpu']['reason']}", highlight=False)


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: max(room - 1, 1)]}…"


def _price(side: str) -> Any:
    return lambda one: figure((one["cheapest_offer"] or {}).get("price", {}).get(side))


def _places(value: float | None, places: int) -> str:
    return "-" if value is None else f"{value:,.{places}f}"


_WORDS = {True: "yes", False: "no", None: "-"}
_ROWS: dict[str, Any] = {
    "lab": lambda one: one["lab"],
    "kind": lambda one: one["category"] or "-",
    "parameters": lambda one: size(one["parameters"]),
    "context": lambda one: tokens(one["context"]),
    "released": lambda one: one["release_date"] or "-",
    "open weights": lambda one: _WORDS[one["open_weights"]],
    "licences": lambda one: ", ".join(one["licenses"]) or "-",
    "reasoning": lambda one: _WORDS[one["capabilities"].get("reasoning")],
    "tools": lambda one: _WORDS[one["capabilities"].get("tool_call")],
    "structured output": lambda one: _WORDS[one["capabilities"].get("structured_output")],
    "takes": lambda one: ", ".join(one["input"]) or "-",
    "status": lambda one: one["status"] or "-",
    "checkpoints": lambda one: str(one["checkpoints"]),
    "from GiB": lambda one: figure(one["min_vram_gib"]),
    "sellers": lambda one: str(one["offers"]),
    "cheapest seller": lambda one: (one["cheapest_offer"] or {}).get("provider", "-"),
    "$/Mtok in": _price("input"),
    "$/Mtok out": _price("output"),
}
_ON_GPU: dict[str, Any] = {
    "verdict": lambda on: on["verdict"].replace("_", " "),
    "checkpoint": lambda on: on["checkpoint"] or "-",
    "engine": lambda on: on["engine"] or "-",
    "planned context": lambda on: tokens(on["context"]),
    "requests at once": lambda on: _places(on["max_concurrency"], 1),
    "tok/s a request": lambda on: (
        "-" if on["decode_tok_s"] is None else "{:.0f}-{:.0f}".format(*on["decode_tok_s"])
    ),
    "free GiB a card": lambda on: _places(on["headroom_gib"], 2),
}
