"""Endpoints about the server itself: its health, its figures, and one search over everything."""

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import PlainTextResponse, Response

from modelscan_catalog import __version__
from modelscan_catalog.api.bodies import Answer
from modelscan_catalog.api.context import ApiContext
from modelscan_catalog.api.everywhere import found_everywhere
from modelscan_catalog.api.figures import METRICS_TYPE
from modelscan_catalog.api.reads import envelope
from modelscan_catalog.api.responses import REFUSALS, SECRET_REFUSALS
from modelscan_catalog.deploy.weights.library import usage
from modelscan_catalog.errors import StateError
from modelscan_catalog.settings import Settings
from modelscan_catalog.state import events, jobs, open_state, schema_version

Limit = Annotated[int, Query(ge=1, le=100)]

STALE = "serves the previous"
"""How the state of a part begins that goes on with what it had, as the newest could not be taken."""


def system_routes(context: ApiContext) -> APIRouter:
    """Health, version and counts, figures for Prometheus."""
    served = context.served
    router = APIRouter(tags=["system"], responses=REFUSALS)

    @router.get("/health", response_model=Answer)
    @router.get("/healthz", response_model=Answer)
    def health(request: Request) -> Any:
        """Whether it serves, and which registry."""
        now = served.current()
        state: dict[str, Any] = {
            "version": __version__,
            "registry_as_of": now.index.data_as_of,
            "refused": served.last_refusal,
        }
        components = context.service.components() if context.service is not None else {}
        if components:
            state["components"] = components
        stale = served.last_refusal is not None or any(one.startswith(STALE) for one in components.values())
        status = "stale" if stale else "ok"
        return envelope(context.told(request, {"status": status, **state}))

    @router.get("/system/info", response_model=Answer)
    def info(request: Request) -> Any:
        """Version, counts, sources, GPU profiles; places, jobs, events and warnings for holders of the token.

        Where no token is set, everybody on this machine is one. What is withheld is null.
        """
        now, index, settings = served.current(), served.current().index, context.settings
        paths = {
            "registry": str(now.registry.published),
            "state": None if context.state is None else str(context.state),
            "weights": str(settings.weights_dir),
            "inference_model_root": settings.inference_model_root,
        }
        private: dict[str, Any] = {
            "paths": paths,
            "warnings": list(context.warnings),
            **_recent(context.state),
        }
        if not context.trusts(request):
            private = dict.fromkeys(private)
        return envelope(
            {
                "version": __version__,
                "schema_version": index.schema_version,
                "registry_as_of": index.data_as_of,
                "counts": dict(index.counts),
                "sources": [state.model_dump(mode="json") for state in index.sources],
                "gpu_profiles": now.gpus,
                "pvc": context.told(request, {"name": settings.weights_pvc, **_weights(settings)}),
                "rate_limit": settings.rate_limit,
                **private,
            }
        )

    @router.get("/search", response_model=Answer)
    def search(q: Annotated[str, Query(min_length=1, max_length=300)], limit: Limit = 10) -> Any:
        """Everything that a text finds: models, checkpoints, providers, GPU profiles, architectures."""
        return envelope(found_everywhere(served.current(), q, limit))

    @router.get("/metrics", response_class=PlainTextResponse)
    def metrics(request: Request) -> Response:
        """Figures for Prometheus; those of the router only for holders of a token, where there is one."""
        text = context.figures.text(served, context.settings)
        if context.service is not None:
            text += context.service.metrics(request.headers.get("authorization", ""))
        return Response(text, media_type=METRICS_TYPE)

    return router


def admin_routes(context: ApiContext) -> APIRouter:
    """What operators tell the process."""
    guarded = [Depends(context.authorized)]
    router = APIRouter(tags=["system"], responses=SECRET_REFUSALS, dependencies=guarded)

    @router.post("/admin/restart", response_model=Answer, status_code=202)
    async def restart() -> Any:
        """Stop and start everything; until that is done answers are 503 with Retry-After."""
        if context.service is None:
            raise StateError("restart: these endpoints do not run in a service that could be restarted")
        context.service.restart()
        return envelope({"restarting": True})

    return router


def _weights(settings: Settings) -> dict[str, Any]:
    """How full the directory of the weights and its disk are; ``problem`` says why where nobody can tell."""
    try:
        found = usage(settings.weights_dir, settings.weights_alert_threshold)
    except OSError as error:
        return {"used_ratio": None, "problem": f"{settings.weights_dir}: {error.strerror}"}
    return {
        "used_ratio": round(found.used_share, 4),
        "disk_bytes": found.disk_bytes,
        "disk_free_bytes": found.disk_free_bytes,
        "installs": found.installs,
        "installed_bytes": found.installed_bytes,
        "partial_bytes": found.partial_bytes,
        "threshold": found.threshold,
        "alert": found.alert,
    }


def _recent(state: Path | None) -> dict[str, Any]:
    """The newest jobs and events without what was asked of them, and the version of the state."""
    if state is None:
        return {"state_schema": None, "recent_jobs": [], "recent_history": []}
    with open_state(state) as connection:
        told = ("id", "kind", "subject", "state", "step", "error", "created_at", "ended_at")
        return {
            "state_schema": schema_version(connection),
            "recent_jobs": [
                {name: getattr(job, name) for name in told} for job in jobs(connection, limit=10)
            ],
            "recent_history": [
                {"at": event.at, "kind": event.kind, "subject": event.subject}
                for event in events(connection, limit=10, newest_first=True)
            ],
        }
