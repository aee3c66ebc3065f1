"""The catalogue in other tools' shapes and as the API's static twin, each checked as its reader would."""

import json
import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from assets.catalogue import read_table
from assets.launch import launch_plans, models_registry, read_plans, registry_view_file
from assets.shared import OWNERS, Build, check_outcome
from modelscan_catalog import progress
from modelscan_catalog.api.reads import twin_path
from modelscan_catalog.api.static import static_documents
from modelscan_catalog.feeds.checks import SCHEMAS, check_feed
from modelscan_catalog.feeds.files import FeedInput, feed_documents, read_feed, write_feed
from modelscan_catalog.fit.profiles import load_profiles
from modelscan_catalog.publish.checks import CheckResult
from modelscan_catalog.publish.documents import document
from modelscan_catalog.store import json_bytes, write_bytes
from modelscan_catalog.tables import STAGED, DataDirectory


def feeds_dir(data: DataDirectory) -> Path:
    """Where the next feeds lie; published as ``feeds``."""
    return data.launch / "feeds"


def api_dir(data: DataDirectory) -> Path:
    """Where the static twin of the API lies; published as ``api``."""
    return data.launch / "api"


def _services(build: Build) -> dict[str, str]:
    """Service name of each planned model's compose file."""
    services = {}
    for plan in read_plans(build):
        for path in plan.manifests:
            if path.endswith("/compose.yaml"):
                compose = yaml.safe_load((build.data.launch / path).read_bytes())
                services[plan.model] = next(iter(compose["services"]))
    return services


@dg.asset(
    deps=["models", "variants", "offers", "providers", "deployments", "models_dev", "gpustack", launch_plans],
    group_name="launch",
    owners=OWNERS,
    kinds={"json", "yaml"},
    description="The catalogue as models.dev, LiteLLM, OpenRouter, GPUStack, Kubeflow, vLLM router.",
)
def feeds(build: Build) -> dg.MaterializeResult[Any]:
    """Every feed as a file."""
    shutil.rmtree(feeds_dir(build.data), ignore_errors=True)

    def staged(table: str) -> list[Any]:
        return build.data.read("staged", table, STAGED[table])

    documents = feed_documents(
        FeedInput(
            models=read_table(build, "models"),
            variants=read_table(build, "variants"),
            offers=read_table(build, "offers"),
            providers=read_table(build, "providers"),
            deployments=read_table(build, "deployments"),
            plans=read_plans(build),
            services=_services(build),
            staged_providers=staged("models_dev_providers"),
            staged_offers=staged("models_dev_offers"),
            staged_sets=staged("gpustack_sets"),
            staged_specs=staged("gpustack_specs"),
            staged_drafts=staged("gpustack_draft_models"),
        )
    )
    for done, (name, content) in enumerate(documents.items(), 1):
        write_feed(feeds_dir(build.data) / name, content)
        progress.report("launch", "feeds", done, len(documents), f"{len(documents)} feeds")
    sizes = {name: (feeds_dir(build.data) / name).stat().st_size for name in documents}
    return dg.MaterializeResult(metadata={"feeds": len(sizes), "bytes": sum(sizes.values()), **sizes})


@dg.asset_check(asset=feeds, name="readers", blocking=True, description="Each feed is what its reader takes.")
def feeds_readers(build: Build) -> dg.AssetCheckResult:
    """The written files against the readers' schemas and rules."""
    results = []
    for name in SCHEMAS:
        path = feeds_dir(build.data) / name
        if path.exists():
            results.append(check_feed(name, read_feed(path)))
        else:
            results.append(CheckResult("feed", (f"{name}: was not written",)))
    return check_outcome(results)


@dg.asset(
    deps=["models", "variants", "offers", "providers", models_registry],
    group_name="launch",
    owners=OWNERS,
    kinds={"json"},
    description="What the API's GET endpoints answer, as files for any file host.",
)
def static_api(build: Build) -> dg.MaterializeResult[Any]:
    """A file an endpoint and model."""
    shutil.rmtree(api_dir(build.data), ignore_errors=True)
    tables = {
        name: [document(row) for row in read_table(build, name)]
        for name in ("models", "variants", "offers", "providers")
    }
    view = json.loads(registry_view_file(build.data).read_bytes())
    documents = static_documents(tables, view, list(load_profiles()))
    for path, content in documents.items():
        write_bytes(api_dir(build.data) / path, json_bytes(content))
    progress.report("launch", "static api", 1, 1, f"{len(documents):,} files")
    return dg.MaterializeResult(metadata={"dagster/row_count": len(documents)})


@dg.asset_check(
    asset=static_api,
    name="twin",
    blocking=True,
    description="Every model has its file, every list the envelope of its endpoint.",
)
def static_api_twin(build: Build) -> dg.AssetCheckResult:
    """The files as a reader would ask for them."""
    root = api_dir(build.data)
    findings = []
    listed = json.loads((root / "models.json").read_bytes())
    if listed["total"] != len(listed["data"]):
        findings.append("models.json: its total is not the number of its rows")
    for row in listed["data"]:
        path = root / twin_path(row["id"])
        if not path.exists() or json.loads(path.read_bytes())["data"]["model"]["id"] != row["id"]:
            findings.append(f"{path.name}: is not the file of {row['id']}")
    return check_outcome([CheckResult("twin", tuple(findings), len(listed["data"]))])


FEED_ASSETS = [feeds, static_api]
FEED_CHECKS = [feeds_readers, static_api_twin]
