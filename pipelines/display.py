"""The build as a person sees it: progress while it runs, a report at its end."""

from types import TracebackType
from typing import Self

from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from modelscan_catalog.progress import Step
from modelscan_catalog.publish.index import RegistryIndex
from modelscan_catalog.publish.registry import read_index, read_published
from modelscan_catalog.records import Change, SourceState
from modelscan_catalog.settings import Settings


class LiveProgress:
    """A line a stage and task; on anything but a terminal, one plain line when a task ends."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.fields[stage]:<9}", style="dim"),
            TextColumn("{task.description:<16}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", style="dim"),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[tuple[str, str], TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def show(self, step: Step) -> None:
        """Draw one report."""
        key = (step.stage, step.task)
        if key not in self._tasks:
            self._tasks[key] = self._bars.add_task(step.task, total=step.total, stage=step.stage, note="")
        self._bars.update(self._tasks[key], completed=step.done, total=step.total, note=step.note)
        if step.total is not None and step.done >= step.total and not self._console.is_terminal:
            self._console.print(f"{step.stage}: {step.task}: {step.note or 'done'}", highlight=False)


def print_report(console: Console, settings: Settings, *, published: bool) -> None:
    """Sources, catalogue, fit, changes, and where to look next."""
    index = read_index(settings.published_dir)
    if index is None:
        return
    if not published:
        console.print("[bold red]Not published.[/] What stands below is the registry as it was.")
    console.print(_sources(index.sources))
    console.print(_contents(index))
    if published:
        console.print(_changes(read_published(settings.published_dir, "changes")))
        console.print(
            f"Published to [bold]{settings.published_dir}[/]; start with index.json or `modelscan gpus`."
        )


def _sources(states: tuple[SourceState, ...]) -> Table:
    table = Table(title="Sources", box=box.SIMPLE_HEAD, title_justify="left")
    for name in ("source", "origin", "as of", "documents", "read", "kept", "rejected"):
        table.add_column(name, justify="left" if name in ("source", "origin", "as of") else "right")
    for state in states:
        table.add_row(
            state.source,
            state.origin if state.origin == "live" else f"[yellow]{state.origin}[/]",
            (state.fetched_at or "never")[:10],
            f"{state.documents:,}",
            f"{state.rows_read:,}",
            f"{state.rows_kept:,}",
            f"{state.rows_rejected:,}",
        )
    problems = [f"{state.source}: {problem}" for state in states for problem in state.problems]
    if problems:
        table.caption = "\n".join(problems)
        table.caption_justify = "left"
    return table


def _contents(index: RegistryIndex) -> Table:
    table = Table(title="Catalogue", box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("what")
    table.add_column("rows", justify="right")
    for name in ("models", "variants", "offers", "providers", "deployments"):
        table.add_row(name, f"{index.counts.get(name, 0):,}")
    table.add_section()
    for verdict, cells in index.verdicts.items():
        table.add_row(f"fit cells: {verdict}", f"{cells:,}")
    table.add_section()
    table.add_row("files", f"{len(index.files):,}")
    table.add_row("megabytes", f"{sum(entry.bytes for entry in index.files) / 1e6:,.1f}")
    return table


def _changes(changes: list[Change]) -> str:
    if not changes:
        return "Changed since the last publish: nothing."
    kinds: dict[str, int] = {}
    for change in changes:
        kind = f"{change.record.partition(':')[0]}s {change.change}"
        kinds[kind] = kinds.get(kind, 0) + 1
    counted = ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items()))
    return f"Changed since the last publish that changed anything: {counted} (changes.jsonl)."
