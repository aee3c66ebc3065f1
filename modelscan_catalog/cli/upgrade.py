"""``modelscan upgrade``: try a successor of a model on a share of the router's requests, watch, decide."""

import dataclasses
from collections.abc import Callable, Sequence
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelscan_catalog.cli.catalog import echo_json, json_option, limit_option, plain_table, registry_option
from modelscan_catalog.cli.console import table_console
from modelscan_catalog.errors import CheckFailedError, ModelScanError, UnknownIdError
from modelscan_catalog.settings import load_settings

if TYPE_CHECKING:
    from modelscan_catalog.router.config import RouterConfig
    from modelscan_catalog.upgrade.evaluation_sets import Scored
    from modelscan_catalog.upgrade.run import Upgrades

policy_option: Callable[[Any], Any] = click.option(
    "--policy",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    show_default="registry/upgrade/policy.json",
    help="Phases, shares and gates.",
)


def _upgrades(policy: Path | None) -> "Upgrades":
    from modelscan_catalog.upgrade.local import local_upgrades

    return local_upgrades(load_settings(), policy)


@click.group()
def upgrade() -> None:
    """Try a model's successor on real requests; evidence alone moves it on or takes it back."""


@upgrade.command()
@click.argument("route")
@click.argument("candidate")
@click.option("--apply", is_flag=True, help="Begin; without it this only says what would happen.")
@policy_option
@registry_option
def start(route: str, candidate: str, apply: bool, policy: Path | None, registry: Path) -> None:
    """Let CANDIDATE see copies of ROUTE's requests; both are ids of models that the router serves.

    A model that is deployed on this machine counts as served, beside those of router.json.
    """
    found = _upgrades(policy)
    known = _served(registry)
    for name in (route, candidate):
        if name not in known:
            near = get_close_matches(name, sorted(known), n=5)
            hint = f"; did you mean {', '.join(near)}?" if near else ""
            raise UnknownIdError(f"the router serves no model {name[:80]!r}{hint}", near)
    found.check_start(route, route, candidate)
    first = found.policy.shadow
    share = f"{first.shares[0]:.0%}"
    if not apply:
        click.echo(
            f"would mirror {share} of the requests for {route} to {candidate} for at least "
            f"{first.least_hours:g} hours and {first.least_requests} requests; "
            "nothing is changed: add --apply"
        )
        return
    begun = found.start(route, route, candidate)
    click.echo(f"{begun.route}: {begun.candidate} is in {begun.phase}, {begun.share:.0%} of the requests")


@upgrade.command()
@click.argument("route")
@click.option("--reason", default="stopped by hand", show_default=True)
@click.option("--apply", is_flag=True, help="Stop; without it this only says what would happen.")
@policy_option
def stop(route: str, reason: str, apply: bool, policy: Path | None) -> None:
    """End what is tried on ROUTE, or take it back from its successor: its own model answers again."""
    found = _upgrades(policy)
    open_one = found.stoppable(route)
    if not apply:
        click.echo(
            f"would take {route} back from {open_one.candidate}, which is in {open_one.phase}; "
            "nothing is changed: add --apply"
        )
        return
    stopped = found.stop(route, reason)
    click.echo(f"{route}: {stopped.candidate} is {stopped.phase}")


@upgrade.command("list")
@policy_option
@registry_option
@json_option
def list_upgrades(policy: Path | None, registry: Path, as_json: bool) -> None:
    """Every route that something was tried on, how far it is, and what the router no longer serves of it."""
    from modelscan_catalog.state import open_state
    from modelscan_catalog.upgrade.local import evaluated_at, is_automatic
    from modelscan_catalog.upgrade.records import upgrades

    with open_state(_upgrades(policy).state) as connection:
        found = upgrades(connection)
        automatic, last = is_automatic(connection), evaluated_at(connection)
    if as_json:
        echo_json([dataclasses.asdict(one) | {"share_since": one.share_since.isoformat()} for one in found])
        return
    if not found:
        click.echo("Nothing is being tried. `modelscan upgrade candidates` lists what could be.")
        return
    rows = [
        (one.route, one.candidate, one.phase, f"{one.share:.0%}" if one.share else "", _day(one.share_since))
        for one in found
    ]
    columns = ("route", "candidate", "phase", "share", "since")
    _print("Upgrades", columns, rows, "candidate")
    who = "a running service decides" if automatic else "automatic decisions are stopped"
    click.echo(f"{who}; last decided: {_day(last) if last else 'never'}")
    try:
        served = _served(registry)
    except ModelScanError as error:
        click.echo(f"not known what the router serves of these: {error}")
        return
    for one in found:
        if one.share and one.route in served and one.candidate not in served:
            click.echo(f"{one.candidate} is not served any more: {one.route}'s own model answers")
        elif one.share and one.route not in served:
            click.echo(f"{one.route} is not served any more: nobody is asked in its place")


@upgrade.command()
@policy_option
@json_option
def evaluate(policy: Path | None, as_json: bool) -> None:
    """Decide about every open upgrade by the router's usage and the scores of this moment."""
    from modelscan_catalog.upgrade.local import evaluate_and_tell

    decided = evaluate_and_tell(load_settings(), _upgrades(policy))
    if as_json:
        echo_json([dataclasses.asdict(decision) | {"route": one.route} for one, decision in decided])
    elif not decided:
        click.echo("Nothing is being tried.")
    console = table_console()
    for one, decision in decided if not as_json else ():
        verb = {"stay": "stays in", "advance": "moves to", "roll_back": "is taken back:"}[decision.action]
        share = f" ({decision.share:.0%})" if decision.share else ""
        console.print(f"[bold]{one.route}[/]: {one.candidate} {verb} {decision.phase}{share}")
        tabled = tuple(f"{gate.gate}:" for gate in decision.gates)
        for reason in decision.reasons:
            if not reason.startswith(tabled):
                console.print(f"  {reason}")
        rows = [
            (
                gate.gate,
                gate.verdict.replace("_", " "),
                _number(gate.value),
                _number(gate.limit),
                str(gate.samples),
                gate.source,
            )
            for gate in decision.gates
        ]
        if rows:
            _print("", ("gate", "verdict", "value", "limit", "n", "from"), rows, "from")
    if any(decision.action == "roll_back" for _, decision in decided):
        raise CheckFailedError("an upgrade was taken back; the route's own model answers again")


@upgrade.command()
@click.argument("route")
@limit_option
@policy_option
@json_option
def history(route: str, limit: int, policy: Path | None, as_json: bool) -> None:
    """Every decision about ROUTE with its reasons, the newest first."""
    from modelscan_catalog.state import open_state
    from modelscan_catalog.upgrade.records import decisions, upgrades

    with open_state(_upgrades(policy).state) as connection:
        known = {one.id: one for one in upgrades(connection, route=route)}
        rows = [row for row in decisions(connection, limit=10_000) if row.upgrade in known][:limit]
    if as_json:
        echo_json([dataclasses.asdict(row) for row in rows])
        return
    if not rows:
        raise UnknownIdError(f"{route}: nothing was ever tried on that route")
    console = table_console()
    for row in rows:
        when = _day(datetime.fromisoformat(row.at))
        share = f" ({row.share:.0%})" if row.share else ""
        action = row.action.replace("_", " ")
        console.print(f"{when}  {known[row.upgrade].candidate}: {action}, {row.phase}{share}")
        for reason in row.reasons:
            console.print(f"    {reason}")


@upgrade.command()
@click.argument("route")
@click.option(
    "--router", "base_url", default="http://127.0.0.1:8080/v1", show_default=True, help="A running router."
)
@click.option("--key", metavar="REFERENCE", help="The router's token, as env:NAME or file:PATH.")
@policy_option
@json_option
def score(route: str, base_url: str, key: str | None, policy: Path | None, as_json: bool) -> None:
    """Ask the evaluation sets of both models of ROUTE; this costs some hundred short requests."""
    from modelscan_catalog.secret_refs import resolve_secret

    found = _upgrades(policy)
    scores = found.score(route, base_url, resolve_secret(key) if key else None)
    if as_json:
        rows_of = {model: {name: _scored(one) for name, one in row.items()} for model, row in scores.items()}
        echo_json(rows_of)
        return
    names = sorted({name for row in scores.values() for name in row})
    rows = [(model, *(_share(row[name]) for name in names)) for model, row in scores.items()]
    _print(f"Scores of {route}, with where the true share lies at 95 %", ("model", *names), rows, "model")
    for model, row in scores.items():
        for name, one in row.items():
            if one.failed:
                click.echo(f"{model} in {name} failed: {', '.join(one.failed)}")


def _share(one: "Scored") -> str:
    low, high = one.interval
    return f"{one.score:.1%} ({low:.0%} to {high:.0%} of {one.items})"


def _scored(one: "Scored") -> dict[str, Any]:
    return dataclasses.asdict(one) | {"interval": one.interval}


@upgrade.command()
@click.argument("route", required=False)
@limit_option
@registry_option
@json_option
def candidates(route: str | None, limit: int, registry: Path, as_json: bool) -> None:
    """Younger models of the same family that could follow what the router serves."""
    from modelscan_catalog.registry import get_registry
    from modelscan_catalog.upgrade.candidates import upgrade_candidates

    config = _overlaid(registry)
    models = {row["id"]: row for row in get_registry(registry).files.rows("models.jsonl")}
    found = [one for one in upgrade_candidates(config, models) if route in (None, one.route)]
    if as_json:
        echo_json([dataclasses.asdict(one) | {"released": one.released.isoformat()} for one in found[:limit]])
        return
    if not found:
        click.echo("No younger model of the same family is served.")
        return
    shown = found[:limit]
    rows = [(one.route, one.candidate, one.released.isoformat()) for one in shown]
    _print(f"{len(shown)} of {len(found)} candidates", ("route", "candidate", "released"), rows, "candidate")


def _overlaid(registry: Path) -> "RouterConfig":
    """What this machine's router serves: the published configuration, and what was deployed here."""
    from modelscan_catalog.router.overlays import read_overlaid

    return read_overlaid(registry / "router.json", load_settings().data_dir / "router")


def _served(registry: Path) -> frozenset[str]:
    return frozenset(model.id for model in _overlaid(registry).models)


def _print(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], shrink: str) -> None:
    console = table_console()
    console.print(plain_table(title, columns, rows, console.width, ("n", "share"), shrink))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _day(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")
