"""``modelscan weights install``: what would be fetched, and the fetching with a bar."""

from typing import TYPE_CHECKING

import click

from modelscan_catalog.cli.catalog import echo_json, json_option, plain_table
from modelscan_catalog.cli.console import progress_bar
from modelscan_catalog.errors import CheckFailedError, StateError
from modelscan_catalog.settings import Settings, load_settings

if TYPE_CHECKING:
    from modelscan_catalog.deploy.weights import InstallRequest
    from modelscan_catalog.state.jobs import Job

ACTOR = "cli"


@click.command()
@click.argument("repo")
@click.option(
    "--hub", type=click.Choice(["huggingface", "modelscope"]), default="huggingface", show_default=True
)
@click.option("--revision", metavar="NAME", help="Branch, tag or commit.  [default: the hub's branch]")
@click.option(
    "--file", "files", multiple=True, metavar="PATTERN", help="Only these weights, such as '*Q4_K_M*'."
)
@click.option("--dry-run", is_flag=True, help="Say what would be fetched.")
@json_option
def install(
    repo: str, hub: str, revision: str | None, files: tuple[str, ...], dry_run: bool, as_json: bool
) -> None:
    """Install the weights of REPO (owner/name).

    What an engine needs, at one commit, checked. Stopped at any time, the same command goes on where it was.
    Exit code 1 when it failed.
    """
    from modelscan_catalog.deploy.weights import InstallRequest

    settings = load_settings()
    request = InstallRequest.model_validate({"hub": hub, "repo": repo, "revision": revision, "files": files})
    if dry_run:
        _plan(settings, request, as_json)
        return
    job = _installed(settings, request, quiet=as_json)
    if job.state != "succeeded":
        raise CheckFailedError(job.error or f"the install ended as {job.state}")
    assert job.result is not None
    if as_json:
        echo_json(job.result)
        return
    from modelscan_catalog.deploy.weights.records import size_text

    click.echo(f"{job.result['name']}: {job.result['files']} files, {size_text(job.result['bytes'])}")
    for title, key in (("storageUri", "storageUri"), ("model path", "inferenceModelPath")):
        if job.result[key]:
            click.echo(f"  {title:<11} {job.result[key]}")


def _plan(settings: Settings, request: "InstallRequest", as_json: bool) -> None:
    from modelscan_catalog.deploy.weights import plan_install, remote_repo
    from modelscan_catalog.deploy.weights.install import patience
    from modelscan_catalog.deploy.weights.listing import ASK_TIMEOUT_S
    from modelscan_catalog.deploy.weights.records import size_text

    repo = remote_repo(settings, request, patience(request, ASK_TIMEOUT_S))
    plan = plan_install(settings, request, repo)
    missing = {file.path for file in plan.missing}
    reused = {file.path for file, _ in plan.reusable}
    rows = [
        (
            file.path,
            file.bytes,
            "fetch" if file.path in missing else "link" if file.path in reused else "here",
        )
        for file in plan.selection.files
    ]
    if as_json:
        keys = ("path", "bytes", "what")
        echo_json(
            {
                "repo": repo.repo,
                "revision": repo.revision,
                "missing_bytes": plan.missing_bytes - plan.staged_bytes,
                "free_bytes": plan.free_bytes,
                "files": [dict(zip(keys, row, strict=True)) for row in rows],
                "notes": list(plan.selection.notes),
            }
        )
        return
    from modelscan_catalog.cli.console import table_console

    console = table_console()
    shown = [(path, "?" if size is None else size_text(size), what) for path, size, what in rows]
    console.print(
        plain_table(f"{repo.repo} at {repo.revision[:12]}", ("file", "size", "would"), shown, console.width,
                    ("size",), "file")
    )  # fmt: skip
    for note in plan.selection.notes:
        click.echo(f"note: {note}")
    click.echo(
        f"to fetch: {size_text(plan.missing_bytes - plan.staged_bytes)}; free: {size_text(plan.free_bytes)}"
    )
    plan.refuse_without_space(settings.weights_dir)


def _installed(settings: Settings, request: "InstallRequest", *, quiet: bool) -> "Job":
    """The ended job; an interrupt cancels it."""
    import threading

    from modelscan_catalog.deploy.weights.operations import new_install_job, run_install_job
    from modelscan_catalog.state import job as read_job
    from modelscan_catalog.state import open_state
    from modelscan_catalog.state.jobs import LOST_AFTER_S, cancel_job, end_job

    job = new_install_job(settings, request)
    failed: list[BaseException] = []

    def run() -> None:
        try:
            run_install_job(settings, job, ACTOR)
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    step = None
    with open_state(settings.state_file) as connection, progress_bar(quiet) as bar:
        task = bar.add_task(request.repo, total=None)
        try:
            while thread.is_alive():
                thread.join(0.2)
                now = read_job(connection, job.id)
                if bar.disable and not quiet and now.step != step:
                    step = now.step
                    click.echo(f"{request.repo}: {step}", err=True)
                bar.update(task, description=f"{request.repo}: {now.step or 'starting'}", total=now.total,
                           completed=now.done or 0)  # fmt: skip
        except KeyboardInterrupt:
            click.echo(f"{request.repo}: what came is kept; the same command goes on from there", err=True)
            try:
                if read_job(connection, job.id).open:
                    cancel_job(connection, job.id)
                thread.join(10)
            finally:  # also when the next interrupt is too impatient for that
                end_job(connection, job.id, "cancelled", error="interrupted")
            raise
        if failed and isinstance(failed[0], StateError) and read_job(connection, job.id).open:
            raise StateError(
                f"{request.repo}: another process installs it (`modelscan jobs show {job.id[:8]}`); "
                f"when that one is gone, run this again {LOST_AFTER_S:.0f} s after its end"
            )
        if failed:
            raise failed[0]
        return read_job(connection, job.id)
