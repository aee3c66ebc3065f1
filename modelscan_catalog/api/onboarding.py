"""Providers over HTTP: add one, discover one, their clients, and every try that was made."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field

from modelscan_catalog.api.bodies import Answer
from modelscan_catalog.api.context import ApiContext
from modelscan_catalog.api.filters import Page, paged
from modelscan_catalog.api.reads import envelope
from modelscan_catalog.api.responses import REFUSALS, SECRET_REFUSALS, Paged
from modelscan_catalog.errors import OnboardingError, SettingsError
from modelscan_catalog.key_hosts import as_host
from modelscan_catalog.onboarding.context import Context, split_identifier
from modelscan_catalog.onboarding.logs import logged_tries
from modelscan_catalog.onboarding.providers import added_providers
from modelscan_catalog.onboarding.records import STEPS, StepName, StepReport
from modelscan_catalog.onboarding.settings import synthesis_settings
from modelscan_catalog.sdk.history import versions
from modelscan_catalog.secret_refs import SecretRef
from modelscan_catalog.state import Job, open_state
from modelscan_catalog.state.runner import Report, begin_job

JOB_TIMEOUT_S = 1800.0
"""A step that hangs ends its own requests and processes; this ends a run that makes no end between steps."""


def _web_address(where: str) -> str:
    if where and not where.startswith("https://"):
        raise ValueError("expected an https:// address; files are read by `modelscan add` only")
    return where


def _key_host(text: str) -> str:
    try:
        return as_host(text) if text else ""
    except SettingsError as error:
        raise ValueError(str(error)) from None


WebAddress = Annotated[str, Field(max_length=500), AfterValidator(_web_address)]


class ProviderBody(BaseModel):
    """A provider, or one of its models."""

    model_config = ConfigDict(strict=True, extra="forbid", populate_by_name=True)

    identifier: str = Field(min_length=1, max_length=300, description="provider/model, or a provider")
    openapi: WebAddress = Field(default="", description="its OpenAPI 3 document")
    docs: WebAddress = Field(default="", description="its documentation")
    offline: bool = False
    refresh: bool = Field(default=False, description="make everything anew, whatever the cache holds")


class AddBody(ProviderBody):
    """The same, to be kept and served; dry unless ``apply``."""

    key: SecretRef | None = Field(
        default=None,
        validation_alias=AliasChoices("key", "api_key"),
        description="where its key lies, env:NAME or file:PATH; never the key",
    )
    key_host: Annotated[str, AfterValidator(_key_host)] = Field(
        default="", max_length=300, description="the host that the key belongs to, where nobody has said so"
    )
    apply: bool = False


class LogFilter(Page):
    """Which tries are wanted; an empty text bounds nothing."""

    identifier: str = Field(default="", max_length=300)


class GenerateSdksBody(BaseModel):
    """Providers whose clients are wanted, all without names; dry unless ``apply``."""

    model_config = ConfigDict(strict=True, extra="forbid")

    providers: list[str] = Field(default_factory=list, max_length=1000)
    apply: bool = False


def onboarding_routes(context: ApiContext) -> APIRouter:
    """Reads for everybody; what starts a job behind the token."""
    router = APIRouter(prefix="/api", tags=["providers"], responses=REFUSALS)
    guarded: dict[str, Any] = {
        "dependencies": [Depends(context.authorized)],
        "responses": SECRET_REFUSALS,
        "response_model": Answer,
        "status_code": 202,
    }

    @router.post("/providers/add", **guarded)
    def add(body: AddBody) -> Any:
        """Find out how a provider is called, make and check its client, have the router serve it: a job."""
        return envelope(
            _begin(context, "add_provider", body, "store", body.key, body.key_host, apply=body.apply)
        )

    @router.post("/discover", **guarded)
    def discover(body: ProviderBody) -> Any:
        """Find out how a provider is called, and keep nothing but the answer: a job."""
        return envelope(_begin(context, "discover_provider", body, "validate"))

    @router.get("/providers/added", response_model=Answer)
    def added(page: Paged) -> Any:
        """Providers that were added here, their standing and what is known of their interface."""
        if context.state is None:
            return paged([], page)
        with open_state(context.state) as connection:
            rows = [dataclasses.asdict(one) for one in added_providers(connection)]
        for row in rows:
            row["key_references"] = len(row["key_references"])
        return paged(rows, page)

    @router.get("/sdks", response_model=Answer)
    def sdks(page: Paged) -> Any:
        """Generated clients: every version, and which one is active."""
        if context.state is None:
            return paged([], page)
        with open_state(context.state) as connection:
            rows = [dataclasses.asdict(one) for one in versions(connection)]
        for row in rows:
            row["lines"] = row.pop("text").count("\n")
        return paged(rows, page)

    @router.post("/sdks/generate", **guarded)
    def generate(body: GenerateSdksBody) -> Any:
        """Make and check clients by rules, without the network: a job."""
        from modelscan_catalog.onboarding.generation import generate_clients

        def work(report: Report) -> Mapping[str, Any]:
            report(step="generate", done=0, total=1, unit="runs")
            made = generate_clients(context.settings, body.providers, apply=body.apply)
            return {"applied": body.apply, **made.document()}

        subject = ",".join(sorted(body.providers))[:200] or "all"
        job = begin_job(
            context.kept_state("providers"),
            "generate_sdks",
            subject,
            body.model_dump(mode="json"),
            work,
            timeout_s=JOB_TIMEOUT_S,
        )
        return envelope(_told(job, body.apply))

    @router.get("/discovery_logs", **{**guarded, "status_code": 200})
    def discovery_logs(wanted: Annotated[LogFilter, Query()]) -> Any:
        """Every try of every step, newest first."""
        if context.state is None:
            return paged([], wanted)
        with open_state(context.state) as connection:
            rows = logged_tries(connection, identifier=wanted.identifier or None, limit=10_000)
        return paged([dataclasses.asdict(row) for row in rows], wanted)

    return router


def _begin(
    api: ApiContext,
    kind: str,
    body: ProviderBody,
    last: StepName,
    key: str | None = None,
    key_host: str = "",
    *,
    apply: bool = False,
) -> dict[str, Any]:
    """A job that runs the steps up to ``last``; the open one when the same is asked for twice."""
    from modelscan_catalog.onboarding.run import add_provider

    state = api.kept_state("providers")
    split_identifier(body.identifier)
    run = Context(
        identifier=body.identifier,
        settings=api.settings,
        synthesis=synthesis_settings(api.settings),
        live=not body.offline,
        refresh=body.refresh,
        key=key,
        key_host=key_host,
        openapi=body.openapi,
        docs=body.docs,
        apply=apply,
    )

    def work(report: Report) -> Mapping[str, Any]:
        done = 0

        def on_step(step: StepReport) -> None:
            nonlocal done
            done += 1
            report(step=step.step, done=done, total=len(STEPS), unit="steps")

        found = add_provider(run, on_step, last)
        if not found.passed_until(last):
            failed = next(step for step in found.steps if step.outcome == "failed")
            raise OnboardingError(f"{failed.step}: {failed.summary}", failed.step)
        if apply and api.service is not None:
            api.service.reload_router()
        return {"applied": apply, **found.document()}

    asked = body.model_dump(mode="json")
    return _told(begin_job(state, kind, body.identifier, asked, work, timeout_s=JOB_TIMEOUT_S), apply)


def _told(job: Job, apply: bool) -> dict[str, Any]:
    return {"job": job.id, "state": job.state, "at": f"/jobs/{job.id}", "applied": apply}
