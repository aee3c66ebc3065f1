"""Adding a provider: the eleven steps, one partition an identifier, and the report on the last of them."""

from collections.abc import Callable
from typing import Any

import dagster as dg
from pydantic import PrivateAttr

from assets.shared import OWNERS
from modelscan_catalog.onboarding.context import Context
from modelscan_catalog.onboarding.records import STEPS, OnboardingReport, StepName, StepReport
from modelscan_catalog.onboarding.run import report_of, run_step
from modelscan_catalog.onboarding.settings import synthesis_settings
from modelscan_catalog.onboarding.steps import DEPENDS
from modelscan_catalog.settings import Settings, load_settings

ADDED_PROVIDERS = dg.DynamicPartitionsDefinition(name="added_providers")
"""Identifiers, provider/model or a provider alone; register one, then launch ``add_provider`` for it."""

_SAYS: dict[StepName, tuple[str, str]] = {
    "gather_models_dev": ("httpx", "The provider and its offers, as models.dev gives them."),
    "gather_gpustack": ("httpx", "Launch recipes of GPUStack for the model's repositories."),
    "gather_huggingface": ("huggingface", "The model's repositories on HuggingFace."),
    "gather_modelscope": ("python", "The model's repositories on ModelScope."),
    "synthesise": ("python", "The interface by rules and OpenAPI document, each fact with its evidence."),
    "validate": ("pydantic", "The gate; what is open is inferred, three tries at most, each logged."),
    "generate": ("jinja", "The text of the provider's client."),
    "compile": ("python", "The client compiles, imports in a process of its own, and type-checks."),
    "contract_test": ("aiohttp", "The client keeps the contract against a local server of that shape."),
    "reload_router": ("aiohttp", "Routers that watch their configuration serve the provider."),
    "store": ("sqlite", "Provider, client version and references to keys; the report of the run."),
}


class Onboarding(dg.ConfigurableResource[Any]):
    """What a run was given; a key is a reference, documents are such that the caller vouches for."""

    offline: bool = False
    refresh: bool = False
    key: str | None = None
    key_host: str = ""
    openapi: str = ""
    docs: str = ""

    _settings: Settings | None = PrivateAttr(default=None)

    def context(self, identifier: str) -> Context:
        """The run of one identifier; a Dagster run is started on purpose, so it changes things."""
        if self._settings is None:
            self._settings = load_settings()
        return Context(
            identifier=identifier,
            settings=self._settings,
            synthesis=synthesis_settings(self._settings),
            live=not self.offline,
            refresh=self.refresh,
            key=self.key,
            key_host=self.key_host,
            openapi=self.openapi,
            docs=self.docs,
            apply=True,
        )


def _asset(step: StepName) -> dg.AssetsDefinition:
    kind, says = _SAYS[step]

    def compute(context: dg.AssetExecutionContext, onboarding: Onboarding) -> dg.MaterializeResult[Any]:
        run = onboarding.context(context.partition_key)
        _, report = run_step(run, step)
        metadata = _metadata(report)
        if step == STEPS[-1]:
            metadata["report"] = dg.MetadataValue.md(_report_table(report_of(run)))
        return dg.MaterializeResult(metadata=metadata)

    decorate: Callable[..., dg.AssetsDefinition] = dg.asset(
        name=step,
        key_prefix="onboarding",
        deps=[dg.AssetKey(["onboarding", name]) for name in DEPENDS[step]],
        partitions_def=ADDED_PROVIDERS,
        group_name="onboarding",
        owners=OWNERS,
        kinds={kind},
        description=says,
    )
    return decorate(compute)


def _metadata(report: StepReport) -> dict[str, Any]:
    return {"outcome": report.outcome, "summary": report.summary, "seconds": report.seconds or 0.0}


def _report_table(report: OnboardingReport) -> str:
    lines = [f"**{report.identifier}**: {report.standing}, {report.api_type}, {report.base_url}", ""]
    lines += ["| step | |", "| --- | --- |"]
    lines += [f"| {step.step} | {step.summary.replace('|', chr(92) + '|')} |" for step in report.steps]
    if report.inferred:
        lines += ["", *(f"- inferred {one.field}: `{one.quote}` ({one.locator})" for one in report.inferred)]
    if report.next_step:
        lines += ["", f"next: {report.next_step}"]
    return "\n".join(lines)


ONBOARDING_ASSETS = [_asset(step) for step in STEPS]
