"""``modelscan list | status | scale | stop | remove``: what is deployed, looked at and changed."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

from modelscan_catalog.cli.catalog import echo_json, json_option
from modelscan_catalog.cli.deploy import EXIT_CODES, outcome_lines
from modelscan_catalog.cli.deploy_report import Narrator
from modelscan_catalog.cli.fit_inputs import Number
from modelscan_catalog.cli.targets import find_known, has_server, opened, opened_for, places, where_options
from modelscan_catalog.errors import DeployError, ModelScanError

if TYPE_CHECKING:
    from modelscan_catalog.deploy.deployer import Deployer, Sighting
    from modelscan_catalog.deploy.flow import Places
    from modelscan_catalog.state import Deployment

MOST_EVENTS = 8
_MOST_OF_AN_EVENT = 120
_Row = dict[str, Any]

apply_option: Callable[[Any], Any] = click.option(
    "--apply", is_flag=True, help="Do it; without this nothing is changed."
)
force_option: Callable[[Any], Any] = click.option(
    "--force", is_flag=True, help="Also for what ModelScan did not make."
)


@click.command("list")
@where_options
@click.option("--cached", is_flag=True, help="As last seen, without asking a server.")
@json_option
def list_(
    target: Any, server: str | None, key: str | None, cluster: str | None, cached: bool, as_json: bool
) -> None:
    """What is deployed, on the configured server and on every other that ModelScan deployed to.

    Exit code 2 when a server could not be asked; its deployments are shown as last seen, unreachable.
    """
    with places() as where:
        rows, problems = _listed(where, target, server, key, cluster, cached)
    if as_json:
        echo_json({"deployments": rows, "problems": problems})
    elif rows:
        _table(rows)
    elif not problems:
        click.echo("nothing is deployed; modelscan deploy MODEL begins")
    for problem in problems if not as_json else ():
        click.echo(f"note: {problem}", err=True)
    click.get_current_context().exit(2 if problems else 0)


@click.command()
@click.argument("name", required=False)
@where_options
@json_option
def status(
    name: str | None, target: Any, server: str | None, key: str | None, cluster: str | None, as_json: bool
) -> None:
    """How NAME is now, whether it answers, and what happened to it; without NAME the same as list.

    Exit code 0 when it runs and answers, 1 when it does not, 2 when it cannot be asked.
    """
    if name is None:
        click.get_current_context().invoke(
            list_, target=target, server=server, key=key, cluster=cluster, as_json=as_json, cached=False
        )
        return
    from modelscan_catalog.deploy.flow import refresh
    from modelscan_catalog.state import events

    with places() as where, opened_for(name, where, target, server, key) as deployer:
        seen = deployer.look(name)
        refresh(deployer, where)
        known = find_known(name, where, deployer.target, server)
        if seen is None:
            raise DeployError(f"{name}: {deployer.server} has no deployment of that name; see modelscan list")
        health = deployer.health(seen) if seen.state == "running" else None
        past = events(
            where.connection, subject=f"{deployer.target}:{name}", limit=MOST_EVENTS, newest_first=True
        )
    row = _row(deployer.target, deployer.server, seen, known) | {
        "answers": health.answers if health else None,
        "health": health.message if health else None,
        "plan": known.plan if known else None,
        "events": [dataclasses.asdict(event) for event in past],
    }
    if as_json:
        echo_json(row)
    else:
        click.echo("\n".join(_status_lines(row)))
    click.get_current_context().exit(0 if row["answers"] else 1)


@click.command()
@click.argument("name")
@click.argument("replicas", type=click.IntRange(0, 1000))
@where_options
@apply_option
@force_option
@click.option("--wait", "wait_s", type=Number(), default=1800.0, metavar="SECONDS", help="Until it runs.")
def scale(name: str, replicas: int, **asked: Any) -> None:
    """Set the number of replicas of NAME; 0 stops it and keeps its definition."""
    _scale(name, replicas, asked)


@click.command()
@click.argument("name")
@where_options
@apply_option
@force_option
def stop(name: str, **asked: Any) -> None:
    """Take NAME off its cards and out of the router; modelscan scale NAME 1 brings it back."""
    _scale(name, 0, asked)


@click.command()
@click.argument("name")
@where_options
@apply_option
@force_option
def remove(name: str, **asked: Any) -> None:
    """Delete NAME on its server, in the state file and from the router."""
    from modelscan_catalog.deploy.flow import remove as run

    with places() as where, _deployer(name, where, asked) as deployer:
        seen = deployer.look(name)
        if seen is not None:
            _must_be_ours(seen, deployer, asked["force"])
        elif find_known(name, where, deployer.target, asked["server"]) is None:
            raise DeployError(f"{name}: {deployer.server} has no deployment of that name; see modelscan list")
        if not asked["apply"]:
            there = f"which is {seen.state}" if seen else "which is gone there already"
            click.echo(f"would remove {name} on {deployer.server}, {there}; nothing was changed: add --apply")
            return
        gone = run(deployer, name, where)
    there = "removed" if gone else "was gone already"
    click.echo(f"{name}: {there} on {deployer.server}; the router no longer knows it")


def _scale(name: str, replicas: int, asked: dict[str, Any]) -> None:
    from modelscan_catalog.deploy.flow import follow
    from modelscan_catalog.deploy.flow import scale as run
    from modelscan_catalog.deploy.flow_wait import WaitLimits

    with places() as where, _deployer(name, where, asked) as deployer:
        seen = deployer.look(name)
        if seen is None:
            raise DeployError(f"{name}: {deployer.server} has no deployment of that name; see modelscan list")
        _must_be_ours(seen, deployer, asked["force"])
        if not asked["apply"]:
            what = f"from {seen.replicas} to {replicas} replicas" if replicas else f"({seen.state})"
            verb = "scale" if replicas else "stop"
            click.echo(f"would {verb} {name} on {deployer.server} {what}; nothing was changed: add --apply")
            return
        seen = run(deployer, name, replicas, where)
        if replicas == 0:
            click.echo(f"{name}: stopped on {deployer.server}; modelscan scale {name} 1 --apply starts it")
            return
        narrator = Narrator()
        try:
            outcome = follow(deployer, name, where, narrator, WaitLimits(start_s=asked["wait_s"]))
        except KeyboardInterrupt:
            narrator.close()
            click.echo(
                f"interrupted: {name} goes on starting on {deployer.server}; modelscan status {name} looks",
                err=True,
            )
            click.get_current_context().exit(130)
        finally:
            narrator.close()
    click.echo("\n".join(outcome_lines(outcome, name, deployer.server)))
    click.get_current_context().exit(EXIT_CODES[outcome.ended])


def _deployer(name: str, where: "Places", asked: dict[str, Any]) -> Any:
    return opened_for(name, where, asked["target"], asked["server"], asked["key"])


def _must_be_ours(seen: "Sighting", deployer: "Deployer", force: bool) -> None:
    if not seen.ours and not force:
        raise DeployError(
            f"{seen.name}: ModelScan did not make it on {deployer.server}; --force changes it all the same"
        )


def _listed(
    where: "Places", target: Any, server: str | None, key: str | None, cluster: str | None, cached: bool
) -> tuple[list[_Row], list[str]]:
    """Rows of every server, and the servers that could not be asked."""
    from modelscan_catalog.deploy.flow import refresh
    from modelscan_catalog.deploy.gpustack.api import server_url
    from modelscan_catalog.settings import load_settings
    from modelscan_catalog.state import deployments

    known = deployments(where.connection, target=target)
    servers: dict[tuple[Any, str | None], None] = {}
    if has_server(target, server):
        named = None if target == "kserve" else load_settings(gpustack_server=server).gpustack_server
        servers["kserve" if target == "kserve" else "gpustack", server_url(named) if named else None] = None
    if server is None:
        servers |= {(row.target, row.server): None for row in known}
    elif not cached:
        known = [row for row in known if row.server == server_url(server)]
    rows: list[_Row] = []
    problems: list[str] = []
    asked: set[tuple[str, str]] = set()
    for kind, address in () if cached else servers:
        try:
            with opened(kind, address, key, cluster) as deployer:
                if (kind, deployer.server) in asked:
                    continue
                asked.add((kind, deployer.server))
                there = deployer.list()
                after = {row.name: row for row in refresh(deployer, where)}
                rows += [_row(kind, deployer.server, seen, after.get(seen.name)) for seen in there]
                gone = [row for name, row in after.items() if name not in {seen.name for seen in there}]
                rows += [_stored(row) for row in gone]
        except ModelScanError as error:
            problems.append(str(error))
            asked.add((kind, address or ""))
            if address is not None:
                with_problem = [row for row in known if (row.target, row.server) == (kind, address)]
                rows += [_stored(row) | {"state": "unreachable"} for row in with_problem]
    if cached:
        rows = [_stored(row) for row in known]
    return sorted(rows, key=lambda row: (row["target"], row["server"], row["name"])), problems


def _row(target: str, server: str, seen: "Sighting", known: "Deployment | None") -> _Row:
    """What the server shows, with what the state file knows of it."""
    state = known.state if known is not None and seen.state == "running" else seen.state
    return {
        "name": seen.name,
        "state": state,
        "step": seen.step,
        "message": seen.message or (known.message if known else None),
        "model": known.model if known else None,
        "weights": seen.source,
        "replicas": seen.replicas,
        "ready_replicas": seen.ready_replicas,
        "url": seen.url,
        "served_model": seen.served_model,
        "target": target,
        "server": server,
        "ours": seen.ours,
    }


def _stored(row: "Deployment") -> _Row:
    return {
        "name": row.name,
        "state": row.state,
        "step": None,
        "message": row.message,
        "model": row.model,
        "weights": row.checkpoint,
        "replicas": None,
        "ready_replicas": None,
        "url": row.url,
        "served_model": row.name,
        "target": row.target,
        "server": row.server,
        "ours": True,
    }


def _table(rows: Iterable[_Row]) -> None:
    from modelscan_catalog.cli.catalog import plain_table
    from modelscan_catalog.cli.console import table_console
    from modelscan_catalog.deploy.flow_wait import one_line

    cells, notes = [], []
    for row in rows:
        ready = "-" if row["replicas"] is None else f"{row['ready_replicas']}/{row['replicas']}"
        model = row["model"] or row["weights"] or "-"
        cells.append([row["name"], row["state"], ready, model, row["url"] or row["server"]])
        if row["message"] and row["state"] != "running":
            notes.append(f"{row['name']}: {one_line(row['message'])}")
        if not row["ours"]:
            notes.append(f"{row['name']}: not made by ModelScan")
    console = table_console()
    columns = ("name", "state", "replicas", "model", "url")
    console.print(plain_table("", columns, cells, console.width, shrink="model"))
    for note in notes:
        click.echo(f"  {note}")


def _status_lines(row: _Row) -> Iterable[str]:
    from modelscan_catalog.deploy.flow_wait import one_line

    step = (row["step"] or "").lower()
    yield f"{row['name']}: {row['state']}" + (f" ({step})" if step not in ("", row["state"]) else "")
    if row["message"]:
        yield f"  why       {one_line(row['message'])}"
    if row["health"]:
        yield f"  answers   {'yes' if row['answers'] else 'no'}: {row['health']}"
    yield f"  replicas  {row['ready_replicas']} of {row['replicas']} ready"
    if row["model"]:
        yield f"  model     {row['model']}"
    yield f"  weights   {row['weights'] or 'unknown'}"
    if row["plan"]:
        yield f"  planned   {_planned(row['plan'])}"
    yield f"  server    {row['target']} {row['server']}"
    if row["url"]:
        yield f"  call      {row['url']} with model {row['served_model']}"
    else:
        yield f"  call      it has no address while {row['state']}"
    if not row["ours"]:
        yield "  made by   somebody else"
    for event in row["events"]:
        message = event["detail"].get("message")
        text = f": {one_line(message, _MOST_OF_AN_EVENT)}" if message else ""
        yield f"  {event['at'][:19].replace('T', ' ')}  {event['kind'].partition('.')[2]}{text}"


def _planned(plan: dict[str, Any]) -> str:
    """Engine, cards, split and context of a deployment's plan in a line."""
    split = f"TP {plan['tensor_parallel']} x PP {plan['pipeline_parallel']}"
    context = f", {plan['context']:,} tokens" if plan["context"] else ""
    cards = f"{plan['gpu_count']} x {plan['gpu_profile_id']}"
    return f"{plan['engine']} {plan['engine_version'] or ''} on {cards}, {split}{context}"
