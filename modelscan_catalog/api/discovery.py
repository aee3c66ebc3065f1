"""Discovery over HTTP: what was found outside the catalogue, and a job that looks again."""

from typing import Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from modelscan_catalog.api.bodies import Answer
from modelscan_catalog.api.context import ApiContext
from modelscan_catalog.api.filters import paged
from modelscan_catalog.api.reads import envelope
from modelscan_catalog.api.responses import REFUSALS, SECRET_REFUSALS, Paged
from modelscan_catalog.discovery.look import candidates_path, look_and_keep
from modelscan_catalog.discovery.records import read_candidates
from modelscan_catalog.state.runner import Report, begin_job

JOB_TIMEOUT_S = 3600.0
_MOST_TOLD = 300
"""Places of a job's result that gave nothing: every seller, and the first of the hub's."""


class DiscoverBody(BaseModel):
    """Where to look; nothing named: all sellers with a key, the watched Ollama, the hub."""

    model_config = ConfigDict(strict=True, extra="forbid")

    providers: list[str] = Field(default_factory=list, max_length=300)
    hub: bool = True


def discovery_routes(context: ApiContext) -> APIRouter:
    """Reads for everybody; looking costs requests and is behind the token."""
    router = APIRouter(tags=["discovery"], responses=REFUSALS)

    @router.get("/discovered", response_model=Answer)
    def discovered(page: Paged) -> Any:
        """Offers, repositories and local tags that the catalogue does not hold."""
        found = read_candidates(candidates_path(context.settings))
        rows = [] if found is None else [one.model_dump(mode="json") for one in found.candidates]
        return paged(rows, page) | {"looked_at": None if found is None else found.looked_at}

    @router.post(
        "/discover",
        response_model=Answer,
        status_code=202,
        dependencies=[Depends(context.authorized)],
        responses=SECRET_REFUSALS,
    )
    def discover(body: DiscoverBody) -> Any:
        """Look again, as a job; the same request while one runs is that job."""
        state = context.kept_state("discovery")
        registry = context.served.current().registry

        def work(report: Report) -> dict[str, Any]:
            report(step="asking sellers and the hub")
            found = look_and_keep(context.settings, registry, body.providers, hub=body.hub)
            silent = [one for one in found.looked if one.problem is not None]
            return {
                "candidates": len(found.candidates),
                "withdrawn": len(found.withdrawn),
                "lists_read": len(found.looked) - len(silent),
                "not_read": [f"{one.source}: {one.problem}" for one in silent][:_MOST_TOLD],
            }

        subject = ",".join(body.providers) or "all"
        job = begin_job(state, "discover", subject, body.model_dump(), work, timeout_s=JOB_TIMEOUT_S)
        return envelope({"job": job.id, "state": job.state})

    return router
