"""Long work and what happened: jobs, and the history of installs, deployments and upgrades."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from modelscan_catalog.api.bodies import Answer
from modelscan_catalog.api.context import ApiContext
from modelscan_catalog.api.reads import envelope
from modelscan_catalog.api.responses import SECRET_REFUSALS
from modelscan_catalog.state import JobState, events, job, jobs, open_state
from modelscan_catalog.state.jobs import cancel_job

JobId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="as the answer that started it says")]


class JobFilter(BaseModel):
    """Which jobs are wanted; an empty text bounds nothing."""

    model_config = ConfigDict(extra="forbid")

    kind: str = Field(default="", max_length=60)
    subject: str = Field(default="", max_length=300)
    state: JobState | None = None
    limit: int = Field(default=100, ge=1, le=1000)


class EventFilter(BaseModel):
    """Which events are wanted; an empty text bounds nothing."""

    model_config = ConfigDict(extra="forbid")

    kind: str = Field(default="", max_length=60, description="a whole kind, or the part before its dot")
    subject: str = Field(default="", max_length=300)
    after: int = Field(default=0, ge=0, le=2**62, description="only events with a greater id, oldest first")
    limit: int = Field(default=100, ge=1, le=1000)


def job_routes(context: ApiContext) -> APIRouter:
    """All behind the token: what was asked may name places and people."""
    guard = [Depends(context.authorized)]
    router = APIRouter(tags=["jobs"], responses=SECRET_REFUSALS, dependencies=guard)

    @router.get("/jobs", response_model=Answer)
    def listed(wanted: Annotated[JobFilter, Query()]) -> Any:
        """Jobs, the newest first."""
        with open_state(context.state) as connection:
            found = jobs(
                connection,
                kind=wanted.kind or None,
                subject=wanted.subject or None,
                state=wanted.state,
                limit=wanted.limit,
            )
        return envelope([asdict(one) for one in found], len(found))

    @router.get("/jobs/{job_id}", response_model=Answer)
    def shown(job_id: JobId) -> Any:
        """One job: its state, how far it is, and its result or error."""
        with open_state(context.state) as connection:
            return envelope(asdict(job(connection, job_id)))

    @router.post("/jobs/{job_id}/cancel", response_model=Answer)
    def cancelled(job_id: JobId) -> Any:
        """Ask a job to stop; a running one stops at its next step."""
        with open_state(context.state) as connection:
            return envelope(asdict(cancel_job(connection, job_id)))

    @router.get("/history", response_model=Answer)
    def history(wanted: Annotated[EventFilter, Query()]) -> Any:
        """Events, the newest first; with ``after`` those since then, oldest first."""
        with open_state(context.state) as connection:
            found = events(
                connection,
                after=wanted.after,
                kind=wanted.kind or None,
                subject=wanted.subject or None,
                limit=wanted.limit,
                newest_first=wanted.after == 0,
            )
        return envelope([asdict(one) for one in found], len(found))

    return router
