"""The steps of a deployment on any target, each leaving a true state behind: deploy, look, scale, remove.

What a step finds is written to the state file before the next one begins, so that an interrupted run is
resumed by doing the same again. A deployment that answers is registered with the router; one that is
stopped, failed or removed leaves it.
"""

import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from modelscan_catalog.deploy.deployer import Deployer, Health, Judgement, Sighting, Wanted
from modelscan_catalog.deploy.flow_wait import Tell, WaitLimits, one_line, wait, wait_for_answer
from modelscan_catalog.errors import DeployError, ServerUnreachableError, SettingsError
from modelscan_catalog.router.deployments import register_deployment, remove_deployment
from modelscan_catalog.state import (
    Deployment,
    DeploymentState,
    deployment,
    deployments,
    forget_deployment,
    put_deployment,
    write_audit,
    write_event,
)
from modelscan_catalog.state.audit import Outcome as AuditOutcome
from modelscan_catalog.state.values import put_value

CREATING_FOR = timedelta(minutes=5)
"""A deployment that is being created elsewhere is not looked for on its server for so long."""

Ended = Literal["running", "refused", "failed", "waiting"]


@dataclass(frozen=True, slots=True)
class Places:
    """Where the steps leave their traces."""

    connection: sqlite3.Connection
    router_dir: Path
    """Folder of the router's ``deployments.json``."""
    actor: str
    """Who asked, for the audit log."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a deployment would send, and what the server says of it; nothing was changed."""

    body: dict[str, Any]
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a deployment ended; ``message`` says why it does not run, and what to do."""

    ended: Ended
    message: str | None = None
    seen: Sighting | None = None
    health: Health | None = None
    judgement: Judgement | None = None
    routed: bool = False
    """Whether the router was told of it."""
    remarks: tuple[str, ...] = field(default=())


def preview(deployer: Deployer, wanted: Wanted) -> Preview:
    """The document and the server's judgement of it."""
    body = deployer.body(wanted)
    return Preview(body, deployer.evaluate(wanted, body))


def deploy(
    deployer: Deployer, wanted: Wanted, places: Places, tell: Tell, limits: WaitLimits | None = None
) -> Outcome:
    """Evaluate, create, wait, ask for an answer, register; the same call again resumes or changes nothing.

    Raises ``DeployError`` when the server refuses a step and ``ServerUnreachableError`` when it is silent;
    the state file then says the same.
    """
    found = preview(deployer, wanted)
    if not found.judgement.accepted:
        message = "; ".join(found.judgement.reasons)
        _audit(deployer, wanted.name, places, "deploy", "refused", {"reasons": found.judgement.reasons})
        detail = {"server": deployer.server, "message": message}
        write_event(places.connection, "deployment.refused", f"{deployer.target}:{wanted.name}", detail)
        return Outcome("refused", message, judgement=found.judgement)
    for remark in found.judgement.remarks:
        tell(f"note: {remark}", None)
    _ensure(deployer, wanted, found.body, places)
    try:
        return follow(deployer, wanted.name, places, tell, limits, judgement=found.judgement)
    except DeployError as error:
        # Also where the key was refused, or somebody removed it meanwhile: how it is now is not known here.
        _put(deployer, wanted.name, "unreachable", places, message=str(error))
        raise


def follow(
    deployer: Deployer,
    name: str,
    places: Places,
    tell: Tell,
    limits: WaitLimits | None = None,
    *,
    judgement: Judgement | None = None,
) -> Outcome:
    """Wait for a deployment that exists, with every change in the state file."""
    limits = limits or WaitLimits()

    def hear(line: str, seen: Sighting | None) -> None:
        # Running is written once it has answered.
        if seen is not None and seen.state != "running":
            _put_seen(deployer, seen, places)
        tell(line, seen)

    seen = wait(deployer, name, limits, hear)
    if seen.state != "running":
        _put_seen(deployer, seen, places)
        _unroute(deployer, name, places)
        message = one_line(seen.message) if seen.message else f"it is {seen.step or seen.state}"
        ended: Ended = "failed" if seen.state == "failed" else "waiting"
        return Outcome(ended, message, seen, judgement=judgement)
    health = wait_for_answer(deployer, seen, limits)
    if not health.answers:
        message = f"it runs and does not answer: {health.message}"
        _put_seen(deployer, seen, places, state="starting", message=message)
        return Outcome("waiting", message, seen, health, judgement)
    _put_seen(deployer, seen, places)
    routed, remarks = _route(deployer, seen, places)
    return Outcome("running", None, seen, health, judgement, routed, remarks)


def scale(deployer: Deployer, name: str, replicas: int, places: Places) -> Sighting:
    """Set the replicas; 0 stops it. Raises ``DeployError`` when there is none of that name."""
    try:
        seen = deployer.scale(name, replicas)
    except DeployError as error:
        _audit(deployer, name, places, "scale", "failed", {"replicas": replicas, "error": str(error)})
        raise
    _audit(deployer, name, places, "scale", "done", {"replicas": replicas})
    if _known(deployer, name, places) is not None:
        _put_seen(deployer, seen, places, state=None if replicas else "stopped")
        if replicas == 0:
            _unroute(deployer, name, places)
    return seen


def remove(deployer: Deployer, name: str, places: Places) -> bool:
    """Delete it on its server, in the state file and from the router; whether the server had it."""
    _unroute(deployer, name, places)
    try:
        gone = deployer.remove(name)
    except DeployError as error:
        _audit(deployer, name, places, "remove", "failed", {"error": str(error)})
        raise
    forget_deployment(places.connection, deployer.target, deployer.server, name)
    _audit(deployer, name, places, "remove", "done", {"was there": gone})
    return gone


def refresh(deployer: Deployer, places: Places) -> list[Deployment]:
    """See how the known deployments of one server are; what is gone there is forgotten here.

    A server that does not answer leaves its deployments unreachable with the reason; nothing is raised.
    """
    known = deployments(places.connection, target=deployer.target, server=deployer.server)
    try:
        there = {seen.name: seen for seen in deployer.list()} if known else {}
    except DeployError as error:
        for row in known:
            _put(deployer, row.name, "unreachable", places, message=str(error))
        return deployments(places.connection, target=deployer.target, server=deployer.server)
    for row in known:
        seen = there.get(row.name)
        if seen is not None:
            _refresh_one(deployer, row, seen, places)
        elif not _being_created(row):
            _unroute(deployer, row.name, places)
            forget_deployment(places.connection, deployer.target, deployer.server, row.name)
    return deployments(places.connection, target=deployer.target, server=deployer.server)


def router_name(target: str, server: str, name: str) -> str:
    """The name of a deployment among the router's: unique over servers."""
    parts = urlsplit(server)
    where = f"{parts.netloc}{parts.path}" if parts.netloc else server
    return re.sub(r"[^A-Za-z0-9._:/-]+", "-", f"{target}/{where}/{name}")[:200]


def key_name(target: str, server: str) -> str:
    """Under which name the state keeps the reference of a server's key, for those who look at it later."""
    return f"{target}_key:{server}"


def _ensure(deployer: Deployer, wanted: Wanted, body: Mapping[str, Any], places: Places) -> None:
    """Create it, with the intention in the state file first: the answer may never come."""
    before = _known(deployer, wanted.name, places)
    plan = wanted.plan
    if before is None:
        put_deployment(
            places.connection,
            deployer.target,
            deployer.server,
            wanted.name,
            "creating",
            model=plan.model_id,
            checkpoint=plan.variant_id,
            plan=plan.model_dump(mode="json"),
        )
    try:
        seen = deployer.ensure(wanted, body)
    except ServerUnreachableError as error:
        message = f"{error}; whether it was created is not known: the same command again finds out"
        _put(deployer, wanted.name, "unreachable", places, message=message)
        _audit(deployer, wanted.name, places, "deploy", "failed", {"error": message})
        raise ServerUnreachableError(message) from error
    except DeployError as error:
        if before is None:
            forget_deployment(places.connection, deployer.target, deployer.server, wanted.name)
        _audit(deployer, wanted.name, places, "deploy", "failed", {"error": str(error)})
        raise
    # Running is written once it has answered, unless it did before and nothing was changed.
    same = before is not None and before.state == "running" and before.body_sha256 == seen.body_sha256
    put_deployment(
        places.connection,
        deployer.target,
        deployer.server,
        wanted.name,
        "creating" if seen.state == "running" and not same else seen.state,
        message=seen.message,
        model=plan.model_id,
        checkpoint=plan.variant_id,
        remote_id=seen.remote_id,
        plan=plan.model_dump(mode="json"),
        body_sha256=seen.body_sha256,
    )
    if deployer.key_reference is not None:
        put_value(places.connection, key_name(deployer.target, deployer.server), deployer.key_reference)
    _audit(deployer, wanted.name, places, "deploy", "done", {"remote id": seen.remote_id}, dict(body))


def _refresh_one(deployer: Deployer, row: Deployment, seen: Sighting, places: Places) -> None:
    if seen.state == "running" and row.state != "running" and not deployer.health(seen).answers:
        _put_seen(deployer, seen, places, state="starting", message="it runs and does not answer yet")
        return
    _put_seen(deployer, seen, places)
    if seen.state == "running":
        _route(deployer, seen, places)
    elif seen.state in ("stopped", "failed"):
        _unroute(deployer, row.name, places)


def _route(deployer: Deployer, seen: Sighting, places: Places) -> tuple[bool, tuple[str, ...]]:
    """Tell the router; what stands in its way is a remark, the deployment runs all the same."""
    row = _known(deployer, seen.name, places)
    if row is None or row.model is None or seen.url is None:
        return False, ("the router was not told: it is not known which model this is",)
    context = (row.plan or {}).get("context")
    try:
        register_deployment(
            places.router_dir,
            router_name(deployer.target, deployer.server, seen.name),
            row.model,
            seen.url,
            deployer.key_reference,
            served_model=seen.served_model,
            context=context,
        )
    except SettingsError as error:
        return False, (f"the router was not told: {error}",)
    return True, ()


def _unroute(deployer: Deployer, name: str, places: Places) -> None:
    remove_deployment(places.router_dir, router_name(deployer.target, deployer.server, name))


def _known(deployer: Deployer, name: str, places: Places) -> Deployment | None:
    return deployment(places.connection, deployer.target, deployer.server, name)


def _put_seen(
    deployer: Deployer,
    seen: Sighting,
    places: Places,
    *,
    state: DeploymentState | None = None,
    message: str | None = None,
) -> None:
    put_deployment(
        places.connection,
        deployer.target,
        deployer.server,
        seen.name,
        state or seen.state,
        message=message or (one_line(seen.message) if seen.message else None),
        remote_id=seen.remote_id,
        url=seen.url,
        body_sha256=seen.body_sha256,
    )


def _put(deployer: Deployer, name: str, state: DeploymentState, places: Places, *, message: str) -> None:
    put_deployment(places.connection, deployer.target, deployer.server, name, state, message=message)


def _being_created(row: Deployment) -> bool:
    """Whether another process may still be about to create it."""
    if row.remote_id is not None or row.state not in ("planned", "creating", "unreachable"):
        return False
    return datetime.now(UTC) - datetime.fromisoformat(row.updated_at) < CREATING_FOR


def _audit(
    deployer: Deployer,
    name: str,
    places: Places,
    action: str,
    outcome: AuditOutcome,
    detail: Mapping[str, Any],
    after: object = None,
) -> None:
    write_audit(
        places.connection,
        places.actor,
        action,
        f"{deployer.target}:{name}",
        outcome,
        after=after,
        detail={"server": deployer.server, **detail},
    )
