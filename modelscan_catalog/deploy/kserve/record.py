"""Changes a KServe service and writes it down: its row, an event, who did it, hashes of before and after."""

from typing import Any

from modelscan_catalog.deploy.flow import Places, router_name
from modelscan_catalog.deploy.kserve.client import Change, KServe, content
from modelscan_catalog.deploy.kserve.deployer import KServeDeployer
from modelscan_catalog.deploy.kserve.status import sighting
from modelscan_catalog.deploy.plan import DeploymentPlan
from modelscan_catalog.errors import ConflictError, DeployError, DocumentRefusedError
from modelscan_catalog.router.deployments import remove_deployment
from modelscan_catalog.state import forget_deployment, put_deployment, write_audit, write_event
from modelscan_catalog.state.audit import Outcome


def activate(
    services: KServe,
    document: dict[str, Any],
    plan: DeploymentPlan | None,
    places: Places,
    *,
    force: bool = False,
) -> Change:
    """``KServe.activate`` for real, in the state file however it ends."""
    target = KServeDeployer(services.cluster, services.namespace)
    name = str(document["metadata"]["name"])
    subject = f"kserve:{name}"
    detail = {"server": target.server, "model": plan.model_id if plan else None}
    try:
        change = services.activate(document, apply=True, force=force)
    except DeployError as error:
        told = {**detail, "error": str(error)}
        write_audit(places.connection, places.actor, "activate", subject, _outcome(error), detail=told)
        raise
    seen = sighting(change.after or {})
    put_deployment(
        places.connection,
        "kserve",
        target.server,
        name,
        "creating" if change.applied and seen.state == "running" else seen.state,
        message=seen.message,
        model=plan.model_id if plan else None,
        checkpoint=plan.variant_id if plan else None,
        remote_id=seen.remote_id,
        plan=plan.model_dump(mode="json") if plan else None,
    )
    if change.applied:
        write_event(places.connection, "kserve.activated", subject, detail | {"action": change.action})
    write_audit(
        places.connection,
        places.actor,
        "activate",
        subject,
        "done",
        before=content(change.before),
        after=content(change.after),
        detail=detail | {"action": change.action},
    )
    return change


def deactivate(services: KServe, name: str, places: Places, *, force: bool = False) -> Change:
    """``KServe.deactivate`` for real; the router and the state file forget the service too."""
    target = KServeDeployer(services.cluster, services.namespace)
    subject, detail = f"kserve:{name}", {"server": target.server}
    try:
        change = services.deactivate(name, apply=True, force=force)
    except DeployError as error:
        told = {**detail, "error": str(error)}
        write_audit(places.connection, places.actor, "deactivate", subject, _outcome(error), detail=told)
        raise
    remove_deployment(places.router_dir, router_name("kserve", target.server, name))
    forget_deployment(places.connection, "kserve", target.server, name)
    if change.applied:
        write_event(places.connection, "kserve.deactivated", subject, detail)
    write_audit(
        places.connection,
        places.actor,
        "deactivate",
        subject,
        "done",
        before=content(change.before),
        detail=detail | {"action": change.action},
    )
    return change


def _outcome(error: DeployError) -> Outcome:
    return "refused" if isinstance(error, DocumentRefusedError | ConflictError) else "failed"
