"""``modelscan weights``: install, list, inspect, verify and delete weights on this machine's disk."""

from typing import TYPE_CHECKING, Any

import click

from modelscan_catalog.cli.catalog import echo_json, json_option, plain_table
from modelscan_catalog.cli.console import progress_bar
from modelscan_catalog.cli.weights_install import ACTOR, install
from modelscan_catalog.errors import CheckFailedError, WeightsError
from modelscan_catalog.settings import Settings, load_settings

if TYPE_CHECKING:
    from modelscan_catalog.deploy.weights import Install


@click.group()
def weights() -> None:
    """Install weights from a hub, and look after them.

    They lie below WEIGHTS_STORAGE_PATH as hub/owner/name/revision; what is there already, in this or another
    revision, is not fetched again.
    """


weights.add_command(install)


@weights.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """What is installed, and what interrupted installs keep."""
    from modelscan_catalog.deploy.weights import described, list_installs
    from modelscan_catalog.deploy.weights.library import partials
    from modelscan_catalog.deploy.weights.records import size_text

    settings = load_settings()
    installs, problems = list_installs(settings.weights_dir)
    left = partials(settings.weights_dir)
    if as_json:
        rows = [described(settings, found) for found in installs]
        interrupted = [{"name": name, "bytes": count} for name, count in left]
        echo_json({"weights": rows, "interrupted": interrupted, "problems": problems})
        return
    if installs:
        from modelscan_catalog.cli.console import table_console

        console = table_console()
        shown = [
            (f"{found.hub}/{found.repo}", found.revision[:12], ", ".join(found.asked), str(len(found.files)),
             size_text(found.bytes), found.installed_at[:10])
            for found in installs
        ]  # fmt: skip
        columns = ("weights", "revision", "branch", "files", "size", "installed")
        console.print(
            plain_table(
                f"{settings.weights_dir}", columns, shown, console.width, ("files", "size"), "weights"
            )
        )
    else:
        click.echo(f"{settings.weights_dir}: nothing is installed; `modelscan weights install owner/name`")
    for name, count in left:
        click.echo(
            f"interrupted: {name} keeps {size_text(count)}; install it again, or delete it with --interrupted"
        )
    for problem in problems:
        click.echo(f"problem: {problem}", err=True)


@weights.command()
@click.argument("name")
@json_option
def info(name: str, as_json: bool) -> None:
    """One install with its files.

    NAME is [hub/]owner/name[/revision]; a revision may be shortened, or be a branch.
    """
    from modelscan_catalog.deploy.weights import described, find_install
    from modelscan_catalog.deploy.weights.records import size_text

    settings = load_settings()
    found = find_install(settings.weights_dir, name)
    facts = described(settings, found)
    if as_json:
        echo_json(facts | {"files": [file.model_dump() for file in found.files]})
        return
    click.echo(found.name)
    for key in ("source", "asked", "installed_at", "storageUri", "inferenceModelPath"):
        value = facts[key]
        click.echo(f"  {key:<19} {', '.join(value) if isinstance(value, list) else value or '-'}")
    from modelscan_catalog.cli.console import table_console

    console = table_console()
    shown = [(file.path, size_text(file.bytes), file.sha256[:16], file.checked) for file in found.files]
    columns = ("file", "size", "sha256", "checked by")
    console.print(plain_table(f"{size_text(found.bytes)}", columns, shown, console.width, ("size",), "file"))


@weights.command()
@json_option
def usage(as_json: bool) -> None:
    """How much weights take, and how full their disk is.

    A notice is sent when it passes the threshold (PVC_ALERT_THRESHOLD), and when it is below again.
    """
    from dataclasses import asdict

    from modelscan_catalog.deploy.weights.operations import watch_usage
    from modelscan_catalog.deploy.weights.records import size_text

    found = watch_usage(load_settings())
    if as_json:
        echo_json(
            asdict(found) | {"path": str(found.path), "used_share": found.used_share, "alert": found.alert}
        )
        return
    click.echo(f"{found.path}: installs: {found.installs}, {size_text(found.installed_bytes)}")
    if found.partial_bytes:
        click.echo(f"  interrupted installs keep {size_text(found.partial_bytes)}")
    verdict = f"at or above the threshold of {found.threshold:.0%}" if found.alert else "enough room"
    free = f"{size_text(found.disk_free_bytes)} of {size_text(found.disk_bytes)} free"
    click.echo(f"  the disk is {found.used_share:.0%} full, {free}: {verdict}")


@weights.command()
@click.argument("name", required=False)
@click.option("--apply", is_flag=True, help="Drop damaged files, so that the next install fetches them.")
@json_option
def verify(name: str | None, apply: bool, as_json: bool) -> None:
    """Read every byte of NAME's files (or of all) again.

    Exit code 1 when something is not as it was installed.
    """
    from dataclasses import asdict
    from functools import partial

    from modelscan_catalog.deploy.weights import find_install, list_installs
    from modelscan_catalog.deploy.weights.library import drop_damaged, verify_install
    from modelscan_catalog.deploy.weights.records import size_text

    root = load_settings().weights_dir
    installs, problems = ([find_install(root, name)], []) if name else list_installs(root)
    answers: dict[str, Any] = {}
    with progress_bar(as_json) as bar:
        for found in installs:
            task = bar.add_task(f"reading {found.repo}", total=found.bytes)
            damages = verify_install(root, found, partial(bar.advance, task))
            answers[found.name] = {"bytes": found.bytes, "damages": [asdict(damage) for damage in damages]}
            if damages and apply:
                drop_damaged(root, found, damages)
    wrong = [name for name, answer in answers.items() if answer["damages"]]
    if as_json:
        echo_json({"weights": answers, "problems": problems, "applied": apply and bool(wrong)})
    elif not installs:
        click.echo(f"{root}: nothing is installed, so nothing was read")
    else:
        for found_name, answer in answers.items():
            count = len(answer["damages"])
            what = f"{count} file{'s' * (count > 1)} damaged" if count else "as installed"
            click.echo(f"{found_name}: {size_text(answer['bytes'])} read, {what}")
            for damage in answer["damages"]:
                click.echo(f"  {damage['path']}: {damage['what']}")
    if wrong:
        hint = "install them again" if apply else "--apply drops the damaged files"
        raise CheckFailedError(f"{', '.join(wrong)}: damaged; {hint}")
    if problems:
        raise CheckFailedError("; ".join(problems))


@weights.command()
@click.argument("name")
@click.option("--interrupted", is_flag=True, help="NAME is an interrupted install.")
@click.option("--apply", is_flag=True, help="Delete it; without this only what would go is said.")
@json_option
def delete(name: str, interrupted: bool, apply: bool, as_json: bool) -> None:
    """Delete an install; dry unless told otherwise.

    Refused while a deployment's plan names it.
    """
    from modelscan_catalog.deploy.weights import find_install
    from modelscan_catalog.deploy.weights.operations import remove_install
    from modelscan_catalog.deploy.weights.records import size_text

    settings = load_settings()
    if interrupted:
        _delete_interrupted(settings, name, apply=apply, as_json=as_json)
        return
    removal = remove_install(settings, find_install(settings.weights_dir, name), ACTOR, apply=apply)
    found: Install = removal.install
    if as_json:
        answer = {"name": found.name, "bytes": found.bytes, "applied": removal.applied}
        echo_json(answer | {"used_by": list(removal.used_by)})
        return
    click.echo(
        f"{found.name}: {size_text(found.bytes)} {'deleted' if removal.applied else 'would be deleted'}"
    )
    for user in removal.used_by:
        click.echo(f"  {user} serves from it: stop that first")
    if not removal.applied:
        click.echo("dry run: nothing was changed; add --apply to delete it")


def _delete_interrupted(settings: Settings, name: str, *, apply: bool, as_json: bool) -> None:
    from modelscan_catalog.deploy.weights.library import delete_partial, partials
    from modelscan_catalog.deploy.weights.records import size_text

    kept = dict(partials(settings.weights_dir))
    if name not in kept:
        raise WeightsError(
            f"{name[:200]}: no interrupted install has that name; there is {', '.join(kept) or 'none'}"
        )
    if apply:
        delete_partial(settings.weights_dir, name)
    if as_json:
        echo_json({"name": name, "bytes": kept[name], "applied": apply, "used_by": []})
        return
    click.echo(f"{name}: {size_text(kept[name])} {'deleted' if apply else 'would be deleted; add --apply'}")
