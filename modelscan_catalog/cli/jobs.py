"""``modelscan jobs``: long work that runs or ran on this machine's state."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, get_args

import click

from modelscan_catalog.cli.catalog import WIDE, echo_json, json_option, limit_option, plain_table
from modelscan_catalog.errors import UnknownIdError
from modelscan_catalog.settings import load_settings
from modelscan_catalog.state import JobState

if TYPE_CHECKING:
    from modelscan_catalog.state.jobs import Job


@click.group(invoke_without_command=True)
@click.pass_context
def jobs(context: click.Context) -> None:
    """Installs and other long work: what runs, how it ended, and how to stop it."""
    if context.invoked_subcommand is None:
        context.invoke(list_command)


@contextmanager
def _state() -> Iterator[sqlite3.Connection]:
    from modelscan_catalog.state import open_state

    with open_state(load_settings().state_file) as connection:
        yield connection


@jobs.command("list")
@click.option("--kind", metavar="KIND", help="Such as weights.install.")
@click.option("--state", type=click.Choice(get_args(JobState)))
@limit_option
@json_option
def list_command(
    kind: str | None = None, state: JobState | None = None, limit: int = 20, as_json: bool = False
) -> None:
    """The newest jobs first."""
    from modelscan_catalog.state.jobs import jobs as read_jobs

    with _state() as connection:
        found = read_jobs(connection, kind=kind, state=state, limit=limit)
    if as_json:
        echo_json([asdict(one) for one in found])
        return
    if not found:
        click.echo("no jobs")
        return
    from modelscan_catalog.cli.console import table_console

    console = table_console()
    columns = ["job", "kind", "subject", "state", "progress", "asked (UTC)"]
    rows = [
        [one.id[:8], one.kind, one.subject, _how(one), _progress(one), one.created_at[:16].replace("T", " ")]
        for one in found
    ]
    if console.width < WIDE:  # what it is about matters more than when
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    console.print(plain_table("jobs", columns, rows, console.width, ("progress",), "subject"))


def _how(one: "Job") -> str:
    return "stopping" if one.open and one.cancel_requested else one.state


def _progress(one: "Job") -> str:
    if one.done is None:
        return "-"
    if one.unit == "bytes":
        from modelscan_catalog.deploy.weights.records import size_text

        return size_text(int(one.done)) + (f" of {size_text(int(one.total))}" if one.total else "")
    return (
        f"{one.done:g}" + (f" of {one.total:g}" if one.total else "") + (f" {one.unit}" if one.unit else "")
    )


def _found(connection: sqlite3.Connection, identifier: str) -> "Job":
    """The job whose id begins so; raises ``UnknownIdError`` with candidates."""
    from modelscan_catalog.state.jobs import jobs as read_jobs

    known = read_jobs(connection, limit=1000)
    matching = [one for one in known if one.id.startswith(identifier)] if identifier else []
    if len(matching) != 1:
        why = "several jobs begin so" if matching else "no job has that id"
        near = [one.id[:8] for one in (matching or known)[:5]]
        raise UnknownIdError(f"job {identifier[:40]!r}: {why}; `modelscan jobs` lists them", near)
    return matching[0]


@jobs.command()
@click.argument("job")
@json_option
def show(job: str, as_json: bool) -> None:
    """One job; JOB is its id or how that begins."""
    with _state() as connection:
        found = _found(connection, job)
    if as_json:
        echo_json(asdict(found))
        return
    click.echo(f"{found.id}  {found.kind}  {found.subject}")
    lines = {
        "state": _how(found),
        "step": found.step,
        "progress": _progress(found),
        "asked": found.created_at,
        "started": found.started_at,
        "ended": found.ended_at,
        "error": found.error,
    }
    shown = {**lines, **{f"result {key}": value for key, value in (found.result or {}).items()}}
    width = max(map(len, shown))
    for name, value in shown.items():
        if value not in (None, "-"):
            click.echo(f"  {name:<{width}}  {value}")


@jobs.command()
@click.argument("job")
def cancel(job: str) -> None:
    """Ask a job to stop; what it fetched is kept for the next run."""
    from modelscan_catalog.state.jobs import cancel_job

    with _state() as connection:
        ended = cancel_job(connection, _found(connection, job).id)
    click.echo(f"{ended.id[:8]}: {'stops at its next step' if ended.open else ended.state}")
