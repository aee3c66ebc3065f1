"""``modelscan backup`` and ``modelscan restore``: what a rebuild cannot bring back, in one file."""

from pathlib import Path

import click

from modelscan_catalog.cli.catalog import echo_json, json_option
from modelscan_catalog.settings import load_tolerant

_config_option = click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The service's YAML file, kept and restored too.",
)


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_config_option
@json_option
def backup(file: Path, config: Path | None, as_json: bool) -> None:
    """Write state, usage, the router's files and hand-kept data to FILE (a zip), and read it again.

    A service may run meanwhile. Secrets are not in it: configurations refer to them. The published registry
    is not in it either: git keeps it, and a build makes it anew.
    """
    from modelscan_catalog.service.backup import back_up

    entries = back_up(load_tolerant(config).settings, file, config)
    if as_json:
        echo_json([entry.__dict__ for entry in entries])
        return
    for entry in entries:
        version = "" if entry.version is None else f"  (schema {entry.version})"
        click.echo(f"{entry.bytes:>12,}  {entry.name}{version}")
    click.echo(f"{len(entries)} files, {file.stat().st_size:,} bytes in {file}, read back and verified")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--apply", is_flag=True, help="Do it; without it only what would change is listed.")
@_config_option
@json_option
def restore(file: Path, apply: bool, config: Path | None, as_json: bool) -> None:
    """Put what a backup holds back in its place, after a backup of what is there.

    A backup of an older version is migrated at the next start; one of a newer version is refused. Stop a
    running service first, or restart it afterwards (POST /admin/restart).
    """
    from modelscan_catalog.service.backup import restore as put_back

    settings = load_tolerant(config).settings
    done = put_back(settings, file, apply=apply, config_file=config)
    if as_json:
        files = [one.__dict__ | {"place": str(one.place)} for one in done.changes]
        echo_json({"applied": apply, "kept": done.kept and str(done.kept), "files": files})
        return
    for one in done.changes:
        click.echo(f"{one.what:<8} {one.name} -> {one.place}")
    if apply:
        click.echo(f"restored; what was there is in {done.kept}")
    else:
        click.echo("nothing was changed; --apply does it")
