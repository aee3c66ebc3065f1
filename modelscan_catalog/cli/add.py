"""``modelscan add``: a provider from its name to a checked client that routers serve."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from modelscan_catalog.cli.console import table_console
from modelscan_catalog.errors import CheckFailedError
from modelscan_catalog.key_hosts import as_host
from modelscan_catalog.secret_refs import check_reference
from modelscan_catalog.settings import load_settings

if TYPE_CHECKING:
    from modelscan_catalog.onboarding.records import OnboardingReport, StepReport

_MARKS = {"done": "✓", "cached": "=", "failed": "✗", "planned": "…", "not_run": " "}


def _reference(ctx: click.Context, option: click.Parameter, value: str | None) -> str | None:
    del ctx, option
    try:
        return None if value is None else check_reference(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None  # never the value: it may be a key


def _host(ctx: click.Context, option: click.Parameter, value: str) -> str:
    del option
    if value and not ctx.params.get("key"):
        raise click.BadParameter("name the key with --key too")
    return as_host(value) if value else ""


@click.command()
@click.argument("identifier", metavar="PROVIDER[/MODEL]")
@click.option(
    "--key",
    callback=_reference,
    metavar="REFERENCE",
    is_eager=True,
    help="Its key, as env:NAME or file:PATH.",
)
@click.option(
    "--key-host", callback=_host, metavar="HOST", default="", help="The host that this key belongs to."
)
@click.option("--openapi", default="", metavar="FILE|URL", help="The provider's OpenAPI 3 document.")
@click.option("--docs", default="", metavar="FILE|URL", help="Its documentation, for what no rule can tell.")
@click.option("--offline", is_flag=True, help="Open no socket: use what the sources gave last.")
@click.option("--refresh", is_flag=True, help="Make everything anew, whatever the cache holds.")
@click.option(
    "--apply", is_flag=True, help="Keep it and have routers serve it; without it nothing is changed."
)
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML file of settings, as for `serve`.",
)
@click.option("--json", "as_json", is_flag=True)
def add(
    identifier: str,
    key: str | None,
    key_host: str,
    openapi: str,
    docs: str,
    offline: bool,
    refresh: bool,
    apply: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """Find out how a provider is called, generate a client, check it, and have routers serve it.

    Eleven steps; results hold for seven days, and a run that was stopped goes on where it was. What a
    language model read out of a text is marked inferred and gets no key before a person has confirmed it.
    """
    from modelscan_catalog.onboarding.context import Context
    from modelscan_catalog.onboarding.run import add_provider
    from modelscan_catalog.onboarding.settings import synthesis_settings

    settings = load_settings(config)
    context = Context(
        identifier=identifier,
        settings=settings,
        synthesis=synthesis_settings(settings),
        live=not offline,
        refresh=refresh,
        key=key,
        key_host=key_host,
        openapi=openapi,
        docs=docs,
        apply=apply,
    )
    report = add_provider(context, None if as_json else _tell)
    if as_json:
        click.echo(json.dumps(report.document()))
    else:
        _conclude(report, apply)
    if not report.passed:
        failed = next(step for step in report.steps if step.outcome == "failed")
        raise CheckFailedError(f"{identifier}: {failed.step} did not pass")


def _tell(step: "StepReport") -> None:
    took = f"{step.seconds:6.2f} s" if step.seconds is not None else " " * 8
    name = step.step.replace("_", " ")
    table_console().print(
        f"{_MARKS[step.outcome]} {name:<19}{took}  {step.summary}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _conclude(report: "OnboardingReport", apply: bool) -> None:
    click.echo()
    click.echo(
        f"{report.identifier}: {report.standing.replace('_', ' ')}, {report.api_type or 'format unknown'}"
    )
    if report.base_url:
        click.echo(f"address   {report.base_url}")
    if report.client:
        click.echo(f"client    {_short(report.client)} ({(report.sha256 or '')[:12]})")
    read = [entry for entry in report.inferred if entry.source == "text"]
    for entry in read:
        click.echo(f"inferred  {entry.field}: {entry.quote!r} ({entry.locator})")
    follows = [entry.field for entry in report.inferred if entry not in read]
    if follows:
        click.echo(f"inferred  {', '.join(follows)}: what the format has")
    for line in report.missing:
        click.echo(f"missing   {line}")
    if report.next_step:
        click.echo(f"next      {report.next_step}")
    elif report.passed and not apply:
        click.echo("next      nothing is changed: add --apply")


def _short(path: str) -> str:
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return path
