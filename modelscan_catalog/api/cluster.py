"""The one active model of a Kubernetes cluster: tried, activated, looked at, deactivated.

Nothing is changed without the server's token and a word that it may be: ``?apply=1`` with the request, or
``MODELSCAN_ALLOW_APPLY=1`` for all of them. Everything else is answered with a dry run.
"""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from modelscan_catalog.api.auditing import actor_of
from modelscan_catalog.api.bodies import Answer
from modelscan_catalog.api.context import ApiContext
from modelscan_catalog.api.planned import known_target, planned_manifest, reference_cards
from modelscan_catalog.api.reads import envelope
from modelscan_catalog.api.responses import SECRET_REFUSALS
from modelscan_catalog.deploy.kserve.api import Cluster, connect
from modelscan_catalog.deploy.kserve.checks import Check, check_cluster
from modelscan_catalog.deploy.kserve.client import Change, KServe, named
from modelscan_catalog.deploy.plan import DeploymentPlan
from modelscan_catalog.errors import ConflictError, DeployError, FitInputError, ServerUnreachableError
from modelscan_catalog.manifests.options import Target
from modelscan_catalog.settings import Settings
from modelscan_catalog.state import open_state
from modelscan_catalog.state.runner import Report, begin_job

Apply = Annotated[
    bool | None, Query(description="1 changes the cluster, 0 never; the server's setting decides without it")
]
_SERVICES: tuple[Target, ...] = ("kserve-vllm", "kserve-isvc", "kserve-llmisvc", "llm-d")
_NO_TOKEN = "a server without a token changes no cluster: start it with MODEL_MANAGER_API_TOKEN set"  # noqa: S105
_DRY = "nothing was changed: ask with ?apply=1, or start the server with MODELSCAN_ALLOW_APPLY=1"


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _ModelBody(_Body):
    id: str = Field(min_length=1, max_length=300, description="any id that the catalogue knows")
    profile: str = Field(
        default="", max_length=100, description="cards as NAME:COUNT; else the reference plan's"
    )
    target: str = Field(default="kserve", max_length=40, description="kserve, kserve-isvc, llmisvc or llm-d")
    storage: str = Field(default="", max_length=400, description="hf, modelscope or pvc://claim/path")
    service_account: str = Field(default="", max_length=253, description="whose secrets fetch gated weights")
    writable_root: bool = Field(default=False, description="no read-only root, for NVIDIA's CDI hook")
    force: bool = Field(default=False, description="in spite of checks, and of fields that others hold")


class ActivateBody(_ModelBody):
    """A model to serve as the active one."""

    wait_s: float = Field(default=0, ge=0, le=7200, description="follow it in a job for so long")


class TestBody(_ModelBody):
    """A model to try without changing anything."""

    readiness_url: str = Field(
        default="", max_length=500, description="asked once; loopback, cluster or listed"
    )
    timeout_s: float = Field(default=5.0, gt=0, le=30)


class DeactivateBody(_Body):
    """What is to be deleted is named by the server's settings."""

    force: bool = Field(default=False, description="a service that ModelScan did not make, too")


def cluster_routes(context: ApiContext) -> APIRouter:
    """All behind the token."""
    guard = [Depends(context.authorized)]
    router = APIRouter(tags=["cluster"], responses=SECRET_REFUSALS, dependencies=guard)
    settings = context.settings

    def why_dry(apply: bool | None) -> str | None:
        if not (settings.allow_apply if apply is None else apply):
            return _DRY
        return None if context.guarded else _NO_TOKEN

    @router.post("/models/activate", response_model=Answer)
    def activate(body: ActivateBody, request: Request, apply: Apply = None) -> Any:
        """Serve a model as the active one: create its service, or change the one that is there."""
        plan, document, text = _document(context, body)
        services = _services(settings)
        checks = check_cluster(lambda: services.cluster, services.namespace, document)
        dry = why_dry(apply)
        missing = [f"{check.name}: {check.message}" for check in checks if check.status == "fail"]
        following = None
        if dry is not None:
            change = services.activate(document, force=body.force)
        elif missing and not body.force:
            raise ConflictError(
                f"{plan.model_id} cannot start: {'; '.join(missing)}; mend it, or ask with force"
            )
        else:
            change = _activated(context, services, document, plan, body, request)
            if body.wait_s:
                following = _follow(context, services, change.name, body.wait_s, actor_of(request.scope))
        return envelope(
            _told(change)
            | {"model": plan.model_id, "checkpoint": plan.variant_id, "manifest": text, "note": dry}
            | {"checks": [asdict(check) for check in checks], "job": following}
        )

    @router.post("/models/deactivate", response_model=Answer)
    def deactivate(body: DeactivateBody, request: Request, apply: Apply = None) -> Any:
        """Delete the active service; nothing to do when there is none."""
        from modelscan_catalog.deploy.kserve.record import deactivate as deactivate_for_real

        services, dry = _services(settings), why_dry(apply)
        if dry is not None:
            change = services.deactivate(settings.active_service, force=body.force)
        else:
            with open_state(context.state) as connection:
                where = _places(context, connection, actor_of(request.scope))
                change = deactivate_for_real(services, settings.active_service, where, force=body.force)
        return envelope(_told(change) | {"note": dry})

    @router.post("/models/test", response_model=Answer)
    def test(body: TestBody) -> Any:
        """What an activation would send and what the cluster says of it; a URL can be asked for readiness."""
        from modelscan_catalog.deploy.kserve.probe import ping

        readiness = None
        if body.readiness_url:
            health = ping(body.readiness_url, hosts=settings.readiness_hosts, timeout_s=body.timeout_s)
            readiness = {"url": body.readiness_url, **asdict(health)}
        plan, document, text = _document(context, body)
        told, checks, refused = _tried(settings, document, force=body.force)
        return envelope(
            {
                "valid": refused is None and all(check.status != "fail" for check in checks),
                "dry_run": True,
                "change": told,
                "refused": refused,
                "model": plan.model_id,
                "checkpoint": plan.variant_id,
                "manifest": text,
                "checks": [asdict(check) for check in checks],
                "readiness": readiness,
            }
        )

    @router.get("/active", response_model=Answer)
    def active() -> Any:
        """The active service as it is now; null where there is none."""
        from modelscan_catalog.deploy.kserve.status import sighting

        found = _services(settings).find(settings.active_service)
        annotations = (found or {}).get("metadata", {}).get("annotations") or {}
        return envelope(
            {
                "namespace": settings.active_namespace,
                "name": settings.active_service,
                "kind": found["kind"] if found else None,
                "model": annotations.get("modelscan.io/model"),
                "checkpoint": annotations.get("modelscan.io/variant"),
                "service": asdict(sighting(found)) if found else None,
            }
        )

    return router


def _document(context: ApiContext, body: _ModelBody) -> tuple[DeploymentPlan, dict[str, Any], str]:
    """The plan, the service under the active name, and that as YAML."""
    from modelscan_catalog.manifests.documents import yaml_text

    snapshot, settings = context.served.current(), context.settings
    model = snapshot.registry.model_id(body.id)
    cards = body.profile or reference_cards(snapshot, model)
    target = known_target(body.target)
    if target not in _SERVICES:
        raise FitInputError(
            f"target: {body.target} is no service of KServe; use one of {', '.join(_SERVICES)}", "target"
        )
    plan, manifest = planned_manifest(
        snapshot,
        model,
        target,
        cards,
        storage=body.storage,
        namespace=settings.active_namespace,
        state=context.state,
        service_account=body.service_account,
        writable_root=body.writable_root,
    )
    document = named(manifest.documents[0], settings.active_service, settings.active_namespace)
    return plan, document, yaml_text(document)


def _services(settings: Settings) -> KServe:
    return KServe(connect(settings.kubeconfig), settings.active_namespace)


def _tried(
    settings: Settings, document: dict[str, Any], *, force: bool
) -> tuple[dict[str, Any] | None, list[Check], str | None]:
    """The dry run, the checks and the refusal; without a cluster only a warning among the checks."""
    cluster: Cluster | None = None

    def connected() -> Cluster:
        nonlocal cluster
        cluster = connect(settings.kubeconfig)
        return cluster

    checks = check_cluster(connected, settings.active_namespace, document)
    if cluster is None:
        return None, checks, None
    try:
        change = KServe(cluster, settings.active_namespace).activate(document, force=force)
    except ServerUnreachableError:
        return None, checks, None
    except DeployError as error:
        return None, checks, str(error)
    return _told(change), checks, None


def _told(change: Change) -> dict[str, Any]:
    names = ("action", "applied", "kind", "namespace", "name", "differences")
    return {name: getattr(change, name) for name in names}


def _places(context: ApiContext, connection: Any, actor: str) -> Any:
    from modelscan_catalog.deploy.flow import Places

    return Places(connection, context.settings.data_dir / "router", actor)


def _activated(
    context: ApiContext,
    services: KServe,
    document: dict[str, Any],
    plan: DeploymentPlan,
    body: ActivateBody,
    request: Request,
) -> Change:
    from modelscan_catalog.deploy.kserve.record import activate

    with open_state(context.state) as connection:
        where = _places(context, connection, actor_of(request.scope))
        return activate(services, document, plan, where, force=body.force)


def _follow(
    context: ApiContext, services: KServe, name: str, wait_s: float, actor: str
) -> dict[str, Any] | None:
    """Start a job that waits until the service answers and tells the router; None where no state is kept."""
    from modelscan_catalog.deploy.deployer import Sighting
    from modelscan_catalog.deploy.flow import follow
    from modelscan_catalog.deploy.flow_wait import WaitLimits
    from modelscan_catalog.deploy.kserve.deployer import KServeDeployer

    path = context.state
    if path is None:
        return None
    server = KServeDeployer(services.cluster, services.namespace).server

    def work(report: Report) -> dict[str, Any]:
        class Heard(KServeDeployer):
            def look(self, name: str) -> Sighting | None:
                report()  # at every look, so that a cancellation is heard
                return super().look(name)

        with open_state(path) as connection:
            outcome = follow(
                Heard(services.cluster, services.namespace),
                name,
                _places(context, connection, actor),
                lambda line, _: report(step=line),
                WaitLimits(start_s=wait_s),
            )
        if outcome.ended != "running":
            raise DeployError(f"{name}: {outcome.message}")
        return {"url": outcome.seen.url if outcome.seen else None, "routed": outcome.routed}

    return asdict(begin_job(path, "kserve.follow", name, {"server": server, "wait_s": wait_s}, work))
