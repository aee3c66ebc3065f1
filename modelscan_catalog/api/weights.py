"""Weights on the server's disk: what is there, installs as jobs, removal."""

from contextlib import suppress
from dataclasses import asdict
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from modelscan_catalog.api.auditing import actor_of
from modelscan_catalog.api.bodies import Answer
from modelscan_catalog.api.context import ApiContext
from modelscan_catalog.api.reads import envelope
from modelscan_catalog.api.responses import REFUSALS, SECRET_REFUSALS
from modelscan_catalog.deploy.weights.addresses import described, inference_model_path, storage_uri
from modelscan_catalog.deploy.weights.install import (
    InstallPlan,
    patience,
    pinned,
    plan_install,
    remote_repo,
)
from modelscan_catalog.deploy.weights.library import find_install, list_installs, partials, usage
from modelscan_catalog.deploy.weights.operations import InstallThreads, new_install_job, remove_install
from modelscan_catalog.deploy.weights.records import InstallRequest
from modelscan_catalog.errors import FetchError, StateError
from modelscan_catalog.state import job as read_job
from modelscan_catalog.state import open_state

ASK_TIMEOUT_S = 30.0
"""How long a request waits for the hub to say which commit a branch is at."""

COMMIT = 40
"""Characters of a commit's name."""

JobId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="as the answer that started it says")]
Apply = Annotated[bool, Query(description="remove it; without this only what would be removed is said")]


class InstallBody(BaseModel):
    """Which weights are wanted, of a repository on one hub."""

    model_config = ConfigDict(strict=True, extra="forbid", populate_by_name=True)

    hfModelId: str = Field(  # noqa: N815 - the field's public name
        default="", max_length=200, description="owner/name on HuggingFace"
    )
    repo: str = Field(default="", max_length=200, description="owner/name on hub, instead of hfModelId")
    hub: Literal["huggingface", "modelscope"] = "huggingface"
    revision: str = Field(default="", max_length=200, description="branch, tag or commit; the default branch")
    files: list[str] = Field(
        default_factory=list, max_length=100, description="names or patterns of weight files; all when empty"
    )
    dry_run: bool = Field(default=False, description="say what would be fetched")

    def request(self) -> InstallRequest:
        """As the library takes it."""
        hub = "huggingface" if self.hfModelId else self.hub
        return InstallRequest(
            hub=hub,
            repo=self.hfModelId or self.repo,
            revision=self.revision or None,
            files=tuple(self.files),
        )


def weight_routes(context: ApiContext) -> APIRouter:
    """Reads for everybody; what fetches, removes or tells of jobs is behind the token.

    In the running service, installs that its predecessor left open are taken up.
    """
    settings = context.settings
    threads = InstallThreads(settings)
    if context.service is not None:
        with suppress(StateError):  # the endpoints say what is wrong with the state
            threads.resume()
    router = APIRouter(tags=["weights"])
    guarded: dict[str, Any] = {
        "dependencies": [Depends(context.authorized)],
        "responses": SECRET_REFUSALS,
        "response_model": Answer,
    }

    @router.get("/weights", response_model=Answer, responses=REFUSALS)
    def weights(request: Request) -> Any:
        """Installed weights, and interrupted installs with the bytes that they keep."""
        installs, problems = list_installs(settings.weights_dir)
        left = [{"name": name, "bytes": count} for name, count in partials(settings.weights_dir)]
        rows = [described(settings, install) for install in installs]
        return envelope(rows, len(rows), interrupted=left, problems=context.told(request, problems))

    @router.get("/weights/usage", response_model=Answer, responses=REFUSALS)
    def used(request: Request) -> Any:
        """Bytes that weights take, and how full their disk is."""
        found = usage(settings.weights_dir, settings.weights_alert_threshold)
        path = context.told(request, str(found.path))
        return envelope(asdict(found) | {"path": path, "used_share": found.used_share, "alert": found.alert})

    @router.post("/weights/install", status_code=HTTPStatus.ACCEPTED, **guarded)
    def install(body: InstallBody, request: Request) -> Any:
        """Start a job that installs weights at the commit that the revision is at now.

        The same request while a job is open is that job; an interrupted one goes on. Where the hub does not
        answer, the commit is the catalogue's, and the job says how the hub was.
        """
        context.kept_state("weights")
        wanted, note = body.request(), None
        try:
            repo = remote_repo(settings, wanted, patience(wanted, ASK_TIMEOUT_S))
            plan = plan_install(settings, wanted, repo)
            plan.refuse_without_space(settings.weights_dir)
            wanted, told = pinned(wanted, repo), _told(context, plan)
        except FetchError as error:
            if body.dry_run:
                raise
            wanted, note = _of_catalogue(context, wanted), str(error)
            told = _addresses(context, wanted)
        if body.dry_run:
            return JSONResponse(envelope(told | {"dry_run": True, "job": None}))
        job = new_install_job(settings, wanted)
        threads.start(job, actor_of(request.scope))
        return envelope(told | {"job": asdict(job), "note": note})

    @router.get("/weights/install/status/{job_id}", **guarded)
    def status(job_id: JobId) -> Any:
        """An install's job: its state, the bytes so far, and its result or error."""
        with open_state(context.state) as connection:
            return envelope(asdict(read_job(connection, job_id)))

    @router.get("/weights/{name:path}/info", response_model=Answer, responses=REFUSALS)
    def info(name: str) -> Any:
        """One install with its files; ``name`` is [hub/]owner/name[/revision]."""
        found = find_install(settings.weights_dir, name)
        return envelope(described(settings, found) | {"files": [file.model_dump() for file in found.files]})

    @router.delete("/weights/{name:path}", **guarded)
    def delete(name: str, request: Request, apply: Apply = False) -> Any:
        """Remove an install that no deployment serves from; says what it would do unless ``apply``."""
        found = find_install(settings.weights_dir, name)
        removal = remove_install(settings, found, actor_of(request.scope), apply=apply)
        return envelope(
            described(settings, found) | {"applied": removal.applied, "used_by": list(removal.used_by)}
        )

    return router


def _told(context: ApiContext, plan: InstallPlan) -> dict[str, Any]:
    repo = plan.repo
    name = f"{repo.hub}/{repo.repo}/{repo.revision}"
    paths = [file.path for file in plan.selection.files]
    return {
        "name": name,
        "storageUri": storage_uri(context.settings, name),
        "inferenceModelPath": inference_model_path(context.settings, name, paths),
        "files": paths,
        "bytes": sum(file.bytes or 0 for file in plan.selection.files),
        "missing_bytes": plan.missing_bytes - plan.staged_bytes,
        "notes": list(plan.selection.notes),
    }


def _of_catalogue(context: ApiContext, wanted: InstallRequest) -> InstallRequest:
    """``wanted`` at the commit that the catalogue has of its repository, where it has one."""
    if wanted.revision is not None or wanted.hub != "huggingface":
        return wanted
    rows = context.served.current().registry.files.rows("variants.jsonl")
    row = next((row for row in rows if row["hub"] == wanted.hub and row["repo"] == wanted.repo), {})
    return wanted.model_copy(update={"revision": row.get("revision")})


def _addresses(context: ApiContext, wanted: InstallRequest) -> dict[str, Any]:
    """What can be said before the hub is asked: addresses of a commit, null for a branch."""
    name = f"{wanted.hub}/{wanted.repo}/{wanted.revision}" if len(wanted.revision or "") >= COMMIT else None
    settings = context.settings
    return {
        "name": name,
        "storageUri": storage_uri(settings, name) if name else None,
        "inferenceModelPath": inference_model_path(settings, name) if name else None,
        "files": None,
        "bytes": None,
        "missing_bytes": None,
        "notes": [],
    }
