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
    from modelscan_catalog.onboarding.published import Catalogue
    from modelscan_catalog.sdk.history import Version
    from modelscan_catalog.sdk.render import Language

LANGUAGES = ("python",)


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
    from modelscan_catalog.sdk.check import check_clients
    from modelscan_catalog.sdk.history import record_version, write_active
    from modelscan_catalog.state import open_state

    started = time.monotonic()
    settings = load_settings()
    catalogue = _catalogue(providers, language)
    checked = check_clients(catalogue.pairs) if check and language == "python" else []
    failed = {one.client.provider: one.findings for one in checked if not one.passed}
    kept = [client for client in catalogue.clients if client.provider not in failed]
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for client in kept:
            (out / client.file).write_text(client.text, "utf-8")
    if apply:
        with open_state(settings.state_file) as connection:
            for client in kept:
                record_version(connection, client)
            write_active(connection, settings.output_dir or settings.data_dir / "sdk")
    took = time.monotonic() - started
    if as_json:
        claims = sum(len(one.claims) for one in checked)
        click.echo(
            json.dumps(
                {**catalogue.summary(), "claims_held": claims, "failed": failed, "seconds": round(took, 2)}
            )
        )
    else:
        _tell(catalogue, len(kept), sum(len(one.claims) for one in checked), took)
        for provider, findings in failed.items():
            click.echo(f"failed    {provider}: {findings[0]}")
        if not apply:
            click.echo("nothing is kept: add --apply")
    if failed:
        raise CheckFailedError(f"{len(failed)} clients did not pass their checks")


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
@click.option("--apply", is_flag=True, help="Do it; without it this only says what would happen.")
def rollback(provider: str, to: str, apply: bool) -> None:
    """Make an older version the active one; the present one is not taken up by itself again."""
    from modelscan_catalog.sdk.history import find_older, roll_back, write_active
    from modelscan_catalog.state import open_state

    settings = load_settings()
    with open_state(settings.state_file) as connection:
        if not apply:
            older = find_older(connection, provider, to)
            click.echo(f"{provider}: would go back to {older.sha256[:12]}; nothing is changed: add --apply")
            return
        active = roll_back(connection, provider, to)
        write_active(connection, settings.output_dir or settings.data_dir / "sdk")
    click.echo(f"{provider}: {active.sha256[:12]} of {active.created_at[:19]} is active")


def _catalogue(providers: tuple[str, ...], language: "Language") -> "Catalogue":
    from modelscan_catalog.onboarding.published import catalogue_of, stored_interfaces

    found = stored_interfaces(load_settings())
    known = {interface.provider for interface in found}
    unknown = sorted(set(providers) - known)
    if unknown:
        from difflib import get_close_matches

        near = get_close_matches(unknown[0], sorted(known), n=5)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        raise UnknownIdError(f"{unknown[0]}: no provider of the catalogue{hint}", near)
    wanted = [one for one in found if not providers or one.provider in providers]
    return catalogue_of(wanted, language)


def _tell(catalogue: "Catalogue", kept: int, claims: int, seconds: float) -> None:
    kinds = Counter(one.api_type or "unknown" for one in catalogue.interfaces)
    table = Table(box=None, pad_edge=False)
    for column in ("format", "providers", "clients"):
        table.add_column(column, justify="left" if column == "format" else "right")
    by_id = {one.provider: one.api_type for one in catalogue.interfaces}
    made = Counter(by_id[client.provider] or "unknown" for client in catalogue.clients)
    for kind, count in kinds.most_common():
        table.add_row(kind, str(count), str(made[kind]))
    table_console().print(table)
    click.echo(f"{kept} of {len(catalogue.interfaces)} have a client; {claims} claims held; {seconds:.1f} s")
    for interface in catalogue.interfaces:
        if interface.missing:
            click.echo(f"needs more  {interface.provider}: {interface.missing[0]}")


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
