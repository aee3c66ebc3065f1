"""Everything that Dagster loads; ``build_definitions`` takes other resources for tests."""

from typing import Any

import dagster as dg

from assets.catalogue import CATALOGUE_CHECKS, merge
from assets.clients import CLIENT_CHECKS, provider_clients
from assets.costs import cost_compare
from assets.deployments import background_jobs, benchmark_evidence, live_deployments, local_weights
from assets.discovery import DISCOVERY_ASSETS
from assets.feeds import FEED_ASSETS, FEED_CHECKS
from assets.fit import fit_matrix
from assets.launch import LAUNCH_ASSETS, LAUNCH_CHECKS
from assets.onboarding import ONBOARDING_ASSETS, Onboarding
from assets.registry import REGISTRY_ASSETS, REGISTRY_CHECKS
from assets.router import router_answers, router_smoke_test, router_usage
from assets.shared import Build
from assets.site import explorer, explorer_files
from assets.sources import SOURCE_ASSETS, SOURCE_CHECKS
from assets.upgrade import UPGRADE_ASSETS
from pipelines.jobs import (
    add_provider,
    discover_models,
    evaluate_upgrades,
    rebuild_offline,
    refiner_sweep,
    refresh,
    runtime_router,
)
from pipelines.notices import failed_runs, published_news
from pipelines.schedules import (
    changed_overrides,
    daily,
    daily_discovery,
    quarter_hourly_upgrades,
    weekly,
    weekly_discovery,
)
from pipelines.sensors import deployment_status, weights_usage


def build_definitions(resources: dict[str, Any] | None = None) -> dg.Definitions:
    """The definitions, with ``resources`` in place of the default ones of the same name."""
    return dg.Definitions(
        assets=[
            *SOURCE_ASSETS,
            merge,
            fit_matrix,
            *LAUNCH_ASSETS,
            provider_clients,
            *FEED_ASSETS,
            *REGISTRY_ASSETS,
            explorer,
            router_smoke_test,
            router_usage,
            *UPGRADE_ASSETS,
            *DISCOVERY_ASSETS,
            *ONBOARDING_ASSETS,
            live_deployments,
            local_weights,
            background_jobs,
            benchmark_evidence,
            cost_compare,
        ],
        asset_checks=[
            *SOURCE_CHECKS,
            *CATALOGUE_CHECKS,
            *LAUNCH_CHECKS,
            *CLIENT_CHECKS,
            *FEED_CHECKS,
            *REGISTRY_CHECKS,
            explorer_files,
            router_answers,
        ],
        jobs=[
            refresh,
            rebuild_offline,
            runtime_router,
            evaluate_upgrades,
            refiner_sweep,
            discover_models,
            add_provider,
        ],
        schedules=[daily, weekly, daily_discovery, weekly_discovery, quarter_hourly_upgrades],
        sensors=[changed_overrides, deployment_status, weights_usage, failed_runs, published_news],
        resources={"build": Build(), "onboarding": Onboarding()} | (resources or {}),
        executor=dg.in_process_executor,
    )


defs = build_definitions()
