"""``modelscan sdk``: generated clients, their versions, and the way back to an older one."""

import json
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table

from modelscan_catalog.cli.console import table_console
from modelscan_catalog.errors import CheckFailedError, UnknownIdError
from modelscan_catalog.settings import load_settings

if TYPE_CHECKING:
    from modelscan_catalog.onboarding.generation import Generation
    from modelscan_catalog.sdk.history import Version
    from modelscan_catalog.sdk.render import Language

LANGUAGES = ("python", "typescript")


@click.group()
def sdk() -> None:
    """Clients that are generated from what is known of a provider's interface."""


@sdk.command("list")
@click.option("--json", "as_json", is_flag=True)
def list_clients(as_json: bool) -> None:
    """The active client of every provider."""
    from modelscan_catalog.sdk.history import versions
    from modelscan_catalog.state import open_state

    with open_state(load_settings().state_file) as connection:
        found = [one for one in versions(connection) if one.active]
    found.sort(key=lambda one: (one.provider, one.language))
    if as_json:
        click.echo(json.dumps([_row(one) for one in found]))
    elif not found:
        click.echo("No client has been generated here yet: modelscan sdk generate --all --apply")
    else:
        _print_versions(found)


@sdk.command()
@click.argument("providers", nargs=-1)
@click.option("--all", "everyone", is_flag=True, help="Every provider of the catalogue.")
@click.option("--language", type=click.Choice(LANGUAGES), default="python", show_default=True)
@click.option("--check/--no-check", default=True, show_default=True, help="Import, type and contract checks.")
@click.option("--apply", is_flag=True, help="Keep the clients; without it they are only made and checked.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Write the files here as well.")
@click.option("--json", "as_json", is_flag=True)
def generate(
    providers: tuple[str, ...],
    everyone: bool,
    language: "Language",
    check: bool,
    apply: bool,
    out: Path | None,
    as_json: bool,
) -> None:
    """Generate clients from what the last build knows; rules only, no network."""
    if not providers and not everyone:
        raise click.UsageError("name PROVIDERS, or give --all")
    from modelscan_catalog.onboarding.generation import generate_clients

    started = time.monotonic()
    made = generate_clients(load_settings(), providers, language, check=check, apply=apply, out=out)
    took = time.monotonic() - started
    if as_json:
        click.echo(json.dumps({**made.document(), "seconds": round(took, 2)}))
    else:
        _tell(made, took)
        if not apply:
            click.echo("nothing is kept: add --apply")
    if made.failed:
        raise CheckFailedError(f"{len(made.failed)} clients did not pass their checks")


@sdk.command()
@click.argument("provider")
@click.option("--json", "as_json", is_flag=True)
def history(provider: str, as_json: bool) -> None:
    """Every version of one provider's client, newest first."""
    from modelscan_catalog.sdk.history import versions
    from modelscan_catalog.state import open_state

    with open_state(load_settings().state_file) as connection:
        found = versions(connection, provider)
    if not found:
        raise UnknownIdError(f"{provider}: no client has been generated here")
    if as_json:
        click.echo(json.dumps([_row(one) for one in found]))
    else:
        _print_versions(found)


@sdk.command()
@click.argument("provider")
@click.option(
    "--to", default="", metavar="HASH", help="Beginning of a version's hash; the one before without it."
)
@click.option("--language", type=click.Choice(LANGUAGES), default="python", show_default=True)
@click.option("--apply", is_flag=True, help="Do it; without it this only says what would happen.")
def rollback(provider: str, to: str, language: "Language", apply: bool) -> None:
    """Make an older version the active one; the present one is not taken up by itself again."""
    from modelscan_catalog.sdk.history import clients_dir, find_older, roll_back, write_active
    from modelscan_catalog.state import open_state

    settings = load_settings()
    with open_state(settings.state_file) as connection:
        if not apply:
            older = find_older(connection, provider, to, language)
            click.echo(f"{provider}: would go back to {older.sha256[:12]}; nothing is changed: add --apply")
            return
        active = roll_back(connection, provider, to, language)
        write_active(connection, clients_dir(settings))
    click.echo(f"{provider}: {active.sha256[:12]} of {active.created_at[:19]} is active")


def _tell(made: "Generation", seconds: float) -> None:
    catalogue = made.catalogue
    formats = {one.provider: one.api_type or "unknown" for one in catalogue.interfaces}
    clients = Counter(formats[client.provider] for client in catalogue.clients)
    table = Table(box=None, pad_edge=False)
    for column in ("format", "providers", "clients"):
        table.add_column(column, justify="left" if column == "format" else "right")
    for kind, count in Counter(formats.values()).most_common():
        table.add_row(kind, str(count), str(clients[kind]))
    table_console().print(table)
    click.echo(
        f"{made.kept} of {len(formats)} have a client; {made.claims_held} claims held; {seconds:.1f} s"
    )
    for interface in catalogue.interfaces:
        if interface.missing:
            click.echo(f"needs more  {interface.provider}: {interface.missing[0]}")
    for provider, findings in made.failed.items():
        click.echo(f"failed      {provider}: {findings[0]}")


def _row(one: "Version") -> dict[str, object]:
    return {
        "provider": one.provider,
        "language": one.language,
        "sha256": one.sha256,
        "interface_sha256": one.interface_sha256,
        "file": one.file,
        "created_at": one.created_at,
        "active": one.active,
        "withdrawn": one.withdrawn,
    }


def _print_versions(found: "list[Version]") -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("provider", "language", "version", "file", "made", ""):
        table.add_column(column, no_wrap=column in ("version", "made"))
    for one in found:
        state = "active" if one.active else "withdrawn" if one.withdrawn else ""
        table.add_row(one.provider, one.language, one.sha256[:12], one.file, one.created_at[:19], state)
    table_console().print(table)
