"""``modelscan catalog``: look things up in the published catalogue."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelscan_catalog.cli.completion import complete_gpu, complete_model
from modelscan_catalog.errors import CheckFailedError, OverrideError, UnknownIdError
from modelscan_catalog.registry import Registry, get_registry, published_dir

if TYPE_CHECKING:
    from rich.table import Table

    from modelscan_catalog.registry.search import Hit

WIDE = 100
"""Columns from which tables show more."""

registry_option = click.option(
    "--registry",
    type=click.Path(file_okay=False, path_type=Path),
    default=published_dir,
    show_default="registry/published",
    help="The published registry to read.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="JSON for scripts.")
limit_option = click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)


def echo_json(value: Any) -> None:
    """``value`` as one line of JSON on standard output."""
    click.echo(json.dumps(value))


def tokens(count: int | None) -> str:
    """A token count as people say it: ``128k``, ``1M``."""
    if count is None:
        return "-"
    if count >= 1_000_000:
        return f"{count / 1e6:.3g}M"
    return f"{count // 1024}k" if count % 1024 == 0 and count % 1000 else f"{count / 1000:.0f}k"


def figure(value: float | None) -> str:
    """A number with as many places as it needs; ``-`` for an unknown one."""
    return "-" if value is None else f"{value:,.4g}"


def size(count: int | None) -> str:
    """A parameter count: ``8.2B``."""
    if count is None:
        return "-"
    return f"{count / 1e12:.3g}T" if count >= 10**12 else (
        f"{count / 1e9:.3g}B" if count >= 10**9 else f"{count / 1e6:.3g}M"
    )  # fmt: skip


def plain_table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int,
    right: Sequence[str] = (),
    shrink: str | None = None,
) -> "Table":
    """A table at most ``width`` wide; ``right`` columns end flush, ``shrink`` loses text when needed."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", padding=(0, 1, 0, 0))
    widest = {name: max([len(name), *(len(row[at]) for row in rows)]) for at, name in enumerate(columns)}
    taken = sum(wide + 2 for name, wide in widest.items() if name != shrink)
    for name in columns:
        table.add_column(
            name,
            justify="right" if name in right else "left",
            no_wrap=True,
            overflow="ellipsis",
            max_width=max(8, width - taken - 4) if name == shrink else None,
        )
    for row in rows:
        table.add_row(*row)
    return table


@click.group()
def catalog() -> None:
    """Look things up in the published catalogue."""


@catalog.command("list")
@click.option(
    "--category", help="llm, vlm, embedding, reranker, image, video, speech_to_text, text_to_speech."
)
@click.option("--tag", help="Such as reasoning, tools, vision, long-context, open-weights.")
@click.option("--lab", help="Only models of this lab.")
@click.option("--deprecated", is_flag=True, help="Also models that are deprecated.")
@limit_option
@registry_option
@json_option
def list_command(
    category: str | None,
    tag: str | None,
    lab: str | None,
    deprecated: bool,
    limit: int,
    registry: Path,
    as_json: bool,
) -> None:
    """The catalogue's models, the most used and newest first."""
    everything = get_registry(registry).search_index().everything()
    _known("category", category, {hit.category for hit in everything if hit.category})
    _known("tag", tag, {name for hit in everything for name in hit.tags})
    _known("lab", lab, {hit.model.partition("/")[0] for hit in everything})
    found = [
        hit
        for hit in everything
        if (category is None or hit.category == category)
        and (tag is None or tag in hit.tags)
        and (lab is None or hit.model.startswith(f"{lab}/"))
        and (deprecated or hit.status != "deprecated")
    ]
    _show(found[:limit], f"{min(limit, len(found))} of {len(found)} models", as_json)


def _known(name: str, value: str | None, known: set[str]) -> None:
    if value is None or value in known:
        return
    from difflib import get_close_matches

    near = get_close_matches(value, sorted(known), n=3, cutoff=0.5)
    there = f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(sorted(known)[:20])}"
    raise UnknownIdError(f"{name}: {value[:60]!r} is unknown; {there}", near)


@catalog.command()
@click.argument("query", nargs=-1, required=True)
@limit_option
@registry_option
@json_option
def search(query: tuple[str, ...], limit: int, registry: Path, as_json: bool) -> None:
    """Find models by name, maker, capability, task or bound.

    \b
    modelscan catalog search code generation
    modelscan catalog search "vision under 24 GB"
    modelscan catalog search reasoning cheap

    Exit code 3 when nothing is found.
    """
    text = " ".join(query)
    hits = get_registry(registry).search(text, limit)
    if not hits and not as_json:
        click.echo(f"Nothing in the catalogue resembles {text[:80]!r}.", err=True)
    else:
        _show(hits, f"{len(hits)} models for {text[:60]!r}", as_json)
    if not hits:
        click.get_current_context().exit(3)


def _show(hits: "Sequence[Hit]", title: str, as_json: bool) -> None:
    if as_json:
        echo_json([dataclasses.asdict(hit) for hit in hits])
        return
    from modelscan_catalog.cli.console import table_console

    console = table_console()
    wide = console.width >= WIDE
    right = ("params", "context", "from GiB", "$/Mtok")
    rows = [
        (
            hit.model,
            hit.category or "-",
            size(hit.parameters),
            tokens(hit.context),
            figure(hit.min_vram_gib),
            "free" if hit.usd_per_mtok == 0 else figure(hit.usd_per_mtok),
            *((", ".join(hit.tags),) if wide else ()),
        )
        for hit in hits
    ]
    columns = ("model", "kind", *right, *(("capabilities",) if wide else ()))
    table = plain_table(title, columns, rows, console.width, right, "capabilities" if wide else "model")
    table.caption = "from GiB: to start its smallest checkpoint; $/Mtok: cheapest, 3 parts in, 1 out"
    table.caption_justify = "left"
    console.print(table)


@catalog.command()
@click.argument("identifier", shell_complete=complete_model)
@registry_option
@json_option
def info(identifier: str, registry: Path, as_json: bool) -> None:
    """A model's facts, checkpoints, sellers and conflicts."""
    from modelscan_catalog.cli.catalog_info import print_details
    from modelscan_catalog.registry.details import model_details

    found = model_details(get_registry(registry), identifier)
    if as_json:
        echo_json(found)
    else:
        print_details(found)


@catalog.command("resolve")
@click.argument("identifier", shell_complete=complete_model)
@registry_option
@json_option
def resolve_command(identifier: str, registry: Path, as_json: bool) -> None:
    """Which model does IDENTIFIER mean, and by which rule?

    IDENTIFIER is a model id, a repository on either hub, a seller's id or a GPUStack set name. An unknown or
    ambiguous one is an error that lists candidates.
    """
    from modelscan_catalog.merge.resolve import read_index, resolve

    found = resolve(read_index(registry), identifier)
    if as_json:
        echo_json(dataclasses.asdict(found) | {"explanation": found.explanation})
    else:
        click.echo(f"{found.model}\n{found.explanation} (confidence {found.confidence:g})")


@catalog.command()
@click.argument("identifier", shell_complete=complete_model)
@click.option(
    "--gpu", metavar="NAME[:COUNT]", shell_complete=complete_gpu, help="Plan the settings for these cards."
)
@registry_option
def generate(identifier: str, gpu: str | None, registry: Path) -> None:
    """Print an overlay with a model's entry, to edit and to keep.

    MODELSCAN_OVERLAYS names the file or directory in which the registry looks for overlays.
    """
    from modelscan_catalog.registry.entries import generate_entry, overlay_of

    click.echo(json.dumps(overlay_of(generate_entry(get_registry(registry), identifier, gpu)), indent=1))


@catalog.command()
@click.argument("overlay", required=False, type=click.Path(path_type=Path))
@click.option(
    "--gpu",
    metavar="NAME[:COUNT]",
    shell_complete=complete_gpu,
    help="Check that the checkpoints start on these cards.",
)
@registry_option
@json_option
def validate(overlay: Path | None, gpu: str | None, registry: Path, as_json: bool) -> None:
    """Check an overlay file, or that the registry is whole.

    Without a file the published registry is checked against its index.

    Exit code 1 when something is wrong.
    """
    if overlay is None:
        _validate_registry(registry, as_json)
        return
    from modelscan_catalog.registry.entries import check_entry, checked
    from modelscan_catalog.registry.overrides import deep_merge, read_overlays

    known = Registry(registry)
    answers = {}
    for model, (values, _) in read_overlays(overlay).items():
        base = known.row(model) if known.has(model) else {"id": model}
        answers[model] = checked(check_entry(known, deep_merge(base, values), gpu))
    if not answers:
        raise OverrideError(f"{overlay}: names no model")
    if as_json:
        echo_json(answers)
    else:
        for model, answer in answers.items():
            for check in answer["checks"]:
                click.echo(f"{check['status']:<5} {model}: {check['name']}: {check['message']}")
    if not all(answer["valid"] for answer in answers.values()):
        raise CheckFailedError(
            f"{overlay}: {sum(not a['valid'] for a in answers.values())} entries are wrong"
        )


def _validate_registry(registry: Path, as_json: bool) -> None:
    from modelscan_catalog.publish.registry import verify_published

    faults = verify_published(registry)
    entries = get_registry(registry).get_all_models()
    if as_json:
        echo_json({"valid": not faults, "errors": faults, "entries": len(entries)})
    if faults:
        raise CheckFailedError(f"{registry}: {len(faults)} files are wrong: {'; '.join(faults[:5])}")
    if not as_json:
        click.echo(f"{registry}: whole; every file is as its index says, {len(entries)} entries are readable")
