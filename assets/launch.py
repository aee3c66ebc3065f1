"""How to launch what fits: a reference plan a model, its manifests, the router's configuration."""

import json
import shutil
from pathlib import Path
from typing import Any

import dagster as dg

from assets.catalogue import read_table
from assets.fit import read_configs
from assets.shared import OWNERS, Build, check_outcome, table_metadata
from assets.sources import read_state
from modelscan_catalog import progress
from modelscan_catalog.fit.catalogue import fit_variants
from modelscan_catalog.fit.matrix_terms import FitVariant
from modelscan_catalog.manifests.launch import launch_plan, reference_machines, reference_plan
from modelscan_catalog.manifests.plan_input import LaunchPlan
from modelscan_catalog.manifests.written import write_plan
from modelscan_catalog.merge.registry_view import registry_view
from modelscan_catalog.publish.checks import CheckResult, check_schema, check_whole
from modelscan_catalog.publish.reference_plans import (
    plan_record,
    planned_deployment,
    view_inference,
    view_requirements,
)
from modelscan_catalog.publish.registry import file_name
from modelscan_catalog.records import ReferencePlan
from modelscan_catalog.router.config import config_bytes, read_config
from modelscan_catalog.router.emit import router_config
from modelscan_catalog.router.lint import lint_router
from modelscan_catalog.store import write_bytes, write_json
from modelscan_catalog.tables import SOURCES, DataDirectory


def router_file(data: DataDirectory) -> Path:
    """Where the router's next configuration lies."""
    return data.launch / "router.json"


def registry_view_file(data: DataDirectory) -> Path:
    """Where the next ``models_registry.json`` lies."""
    return data.launch / "models_registry.json"


def read_plans(build: Build) -> list[ReferencePlan]:
    """The reference plans of the last materialization."""
    return build.data.read("launch", "plans", ReferencePlan)


@dg.asset(
    deps=["models", "variants", "deployments", "huggingface", "modelscope"],
    group_name="launch",
    owners=OWNERS,
    kinds={"yaml", "json"},
    description="For each model the smallest reference machine that holds it: plan, commands and manifests.",
)
def launch_plans(build: Build) -> dg.MaterializeResult[Any]:
    """Plan on the reference machines, write and lint every target's document."""
    variants = {row.id: row for row in read_table(build, "variants")}
    models = {row.id: row for row in read_table(build, "models")}
    recipes = read_table(build, "deployments")
    by_model: dict[str, list[FitVariant]] = {}
    inputs, _ = fit_variants(variants.values(), read_configs(build, list(variants.values())))
    for one in inputs:
        if one.architecture is not None and one.scheme is not None:
            by_model.setdefault(one.model_id, []).append(one)
    root = build.data.launch / "manifests"
    shutil.rmtree(root, ignore_errors=True)
    machines = reference_machines()
    records = []
    for done, model_id in enumerate(sorted(by_model), 1):
        progress.report("launch", "plans", done, len(by_model))
        found = reference_plan(by_model[model_id], machines)
        if found is None or found.chosen is None:
            continue
        profile = next(m.profile for m in machines if m.profile.id == found.profile_id)
        variant = variants[found.chosen.variant.variant_id]
        plan: LaunchPlan | None = launch_plan(found, profile, models[model_id], variant, recipes)
        if plan is None:
            continue
        written = write_plan(plan)
        folder = file_name(model_id)
        for manifest in written.manifests:
            write_bytes(root / folder / manifest.file_name, manifest.text.encode())
        paths = [f"manifests/{folder}/{manifest.file_name}" for manifest in written.manifests]
        records.append(plan_record(found, plan, paths, written.refused))
    build.data.write("launch", "plans", ReferencePlan, records)
    progress.report("launch", "plans", len(by_model), len(by_model), f"{len(records)} plans")
    refused = sum(len(record.refused) for record in records)
    return dg.MaterializeResult(
        metadata={
            **table_metadata(ReferencePlan, records),
            "models with a known architecture": len(by_model),
            "documents": sum(len(record.manifests) for record in records),
            "targets that refused a plan": refused,
        }
    )


@dg.asset_check(
    asset=launch_plans,
    name="schema",
    blocking=True,
    description="Every plan is valid against its schema.",
)
def plans_schema(build: Build) -> dg.AssetCheckResult:
    """The published form of the plans."""
    return check_outcome([check_schema("reference_plan", read_plans(build))])


@dg.asset(
    deps=["models", "offers", "providers", launch_plans],
    group_name="launch",
    owners=OWNERS,
    kinds={"json"},
    description="Every model that can be routed, with its sellers, keys by reference and fallbacks.",
)
def router_configuration(build: Build) -> dg.MaterializeResult[Any]:
    """``router.json`` from the catalogue's offers and the reference plans."""
    config = router_config(
        read_table(build, "providers"),
        read_table(build, "offers"),
        read_table(build, "models"),
        [planned_deployment(plan) for plan in read_plans(build)],
    )
    write_bytes(router_file(build.data), config_bytes(config))
    progress.report("launch", "router", 1, 1, f"{len(config.models)} routed models")
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(config.models),
            "providers": len(config.routing.direct.providers),
            "not directly routable": len(config.unroutable),
        }
    )


@dg.asset_check(
    asset=router_configuration,
    name="lint",
    blocking=True,
    description="Fallbacks never offer less; keys are references.",
)
def router_lint(build: Build) -> dg.AssetCheckResult:
    """The router's own linter on the candidate."""
    faults = lint_router(read_config(router_file(build.data)))
    errors = tuple(str(fault) for fault in faults if fault.severity == "error")
    return check_outcome([CheckResult("lint", errors, len(faults))])


@dg.asset(
    deps=["models", "variants", "huggingface", "modelscope", launch_plans],
    group_name="launch",
    owners=OWNERS,
    kinds={"json"},
    description="The catalogue in the shape of a models_registry.json, an entry a checkpoint.",
)
def models_registry(build: Build) -> dg.MaterializeResult[Any]:
    """The view with requirements and inference defaults from the fit."""
    models, variants = read_table(build, "models"), read_table(build, "variants")
    inputs, _ = fit_variants(variants, read_configs(build, variants))
    states = [read_state(build, source) for source in SOURCES]
    view = registry_view(
        models,
        variants,
        last_updated=max((state.fetched_at for state in states if state.fetched_at), default=None),
        requirements={one.variant_id: view_requirements(one) for one in inputs},
        inference={plan.variant: view_inference(plan) for plan in read_plans(build)},
    )
    write_json(registry_view_file(build.data), view)
    progress.report("launch", "models_registry", 1, 1, f"{len(view['models']):,} entries")
    return dg.MaterializeResult(metadata={"dagster/row_count": len(view["models"])})


@dg.asset_check(
    asset=models_registry,
    name="schema",
    blocking=True,
    description="Valid against its schema.",
)
def view_schema(build: Build) -> dg.AssetCheckResult:
    """The whole view at once."""
    view = json.loads(registry_view_file(build.data).read_bytes())
    return check_outcome([check_whole("models_registry", view)])


@dg.asset_check(
    asset=router_configuration, name="schema", blocking=True, description="Valid against its schema."
)
def router_schema(build: Build) -> dg.AssetCheckResult:
    """The router's configuration as other programs would read it."""
    return check_outcome([check_whole("router", json.loads(router_file(build.data).read_bytes()))])


LAUNCH_ASSETS = [launch_plans, router_configuration, models_registry]
LAUNCH_CHECKS = [plans_schema, router_lint, router_schema, view_schema]
