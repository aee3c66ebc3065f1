"""``modelscan keys``: which hosts a key may be sent to, and a person's word for one more."""

import os

import click

from modelscan_catalog.cli.catalog import echo_json, json_option, plain_table
from modelscan_catalog.cli.console import table_console
from modelscan_catalog.errors import UnknownIdError
from modelscan_catalog.settings import load_settings

_apply = click.option("--apply", is_flag=True, help="Do it; without it this only says what would happen.")


@click.group(invoke_without_command=True)
@click.pass_context
def keys(ctx: click.Context) -> None:
    """Hosts that keys may be sent to. Without a command: of the variables that are set here.

    A key is sent to no host but those in registry/onboarding/key_hosts.json and those allowed here,
    whatever a source of the catalogue says of a seller's address.
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_)


@keys.command("list")
@click.option("--all", "everything", is_flag=True, help="Variables that are not set here too.")
@json_option
def list_(everything: bool = False, as_json: bool = False) -> None:
    """Variables and files with the hosts they may be sent to."""
    from modelscan_catalog.key_hosts import key_hosts

    allowed = key_hosts(load_settings())
    rows = [
        {
            "reference": reference,
            "hosts": sorted(allowed.of(reference)),
            "allowed_here": sorted(allowed.own.get(reference, ())),
        }
        for reference in sorted({*allowed.reviewed, *allowed.own})
        if everything
        or reference in allowed.own
        or os.environ.get(reference.removeprefix("env:"), "").strip()
    ]
    if as_json:
        echo_json(rows)
    elif not rows:
        click.echo("No variable of the catalogue's sellers is set here; --all shows every one.")
    else:
        console = table_console()
        shown = [
            (
                str(row["reference"]).removeprefix("env:"),
                ", ".join(row["hosts"]),
                ", ".join(row["allowed_here"]),
            )
            for row in rows
        ]
        columns = ("key", "may be sent to", "allowed here")
        console.print(
            plain_table(
                f"{len(rows)} key{'s' * (len(rows) != 1)}",
                columns,
                shown,
                console.width,
                shrink="may be sent to",
            )
        )


@keys.command()
@click.argument("reference", metavar="NAME|file:PATH")
@click.argument("host")
@_apply
def allow(reference: str, host: str, apply: bool) -> None:
    """Confirm that a key belongs to a host: read the seller's own page first.

    Example: modelscan keys allow NEWCOMER_API_KEY api.newcomer.example --apply
    """
    from modelscan_catalog.key_hosts import as_host, as_reference, confirm, key_hosts
    from modelscan_catalog.state import open_state

    settings = load_settings()
    reference, host = as_reference(reference), as_host(host)
    others = sorted(key_hosts(settings).of(reference) - {host})
    also = f" (besides {', '.join(others)})" if others else ""
    if not apply:
        click.echo(f"{reference} could be sent to {host}{also}; nothing is changed: add --apply")
        return
    with open_state(settings.state_file) as connection:
        new = confirm(connection, reference, host)
    click.echo(f"{reference} may be sent to {host}{also}{'' if new else '; it was allowed already'}")


@keys.command()
@click.argument("reference", metavar="NAME|file:PATH")
@click.argument("host")
@_apply
def withdraw(reference: str, host: str, apply: bool) -> None:
    """Take back what was allowed here; the reviewed table stays as it is."""
    from modelscan_catalog.key_hosts import as_host, as_reference, key_hosts
    from modelscan_catalog.key_hosts import withdraw as take_back
    from modelscan_catalog.state import open_state

    settings = load_settings()
    reference, host = as_reference(reference), as_host(host)
    own = key_hosts(settings).own.get(reference, frozenset())
    if host not in own:
        known = ", ".join(sorted(own)) or "nothing"
        raise UnknownIdError(f"{reference}: {host} was not allowed here; allowed here: {known}", sorted(own))
    if not apply:
        click.echo(f"{reference} would not be sent to {host} any more; nothing is changed: add --apply")
        return
    with open_state(settings.state_file) as connection:
        take_back(connection, reference, host)
    click.echo(f"{reference} is not sent to {host} any more; targets that routers serve already keep it")
