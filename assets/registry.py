"""The registry: written aside, checked as a whole, swapped in at once, then copied into DuckDB."""

import dataclasses
import shutil
from typing import Any

import dagster as dg

from assets.catalogue import read_table
from assets.clients import clients_dir, provider_clients
from assets.feeds import api_dir, feeds, feeds_dir, static_api
from assets.fit import read_configs
from assets.launch import (
    launch_plans,
    models_registry,
    read_plans,
    registry_view_file,
    router_configuration,
    router_file,
)
from assets.shared import OWNERS, Build, check_outcome
from assets.sources import read_state
from modelscan_catalog import progress
from modelscan_catalog.fit.profiles import load_profiles
from modelscan_catalog.publish import checks
from modelscan_catalog.publish.fit_files import published_variants, write_fit_files
from modelscan_catalog.publish.registry import (
    MOST_FILE_BYTES,
    MOST_TOTAL_BYTES,
    RegistryWriter,
    json_documents,
    read_index,
)
from modelscan_catalog.publish.warehouse import build_warehouse
from modelscan_catalog.store import publish_directory
from modelscan_catalog.tables import MERGED, SOURCES


@dg.asset(
    deps=[
        *MERGED,
        "fit_matrix",
        launch_plans,
        router_configuration,
        models_registry,
        provider_clients,
        feeds,
        static_api,
    ],
    group_name="registry",
    owners=OWNERS,
    kinds={"json", "parquet"},
    description="The whole registry in a directory aside, for checks to look at before it is published.",
)
def registry_candidate(build: Build) -> dg.MaterializeResult[Any]:
    """Every file of the next registry and its index."""
    root = build.data.next_registry
    shutil.rmtree(root, ignore_errors=True)
    writer = RegistryWriter(root)
    counts = {}
    for name in MERGED:
        rows = read_table(build, name)
        counts[name] = len(rows)
        writer.table(name, rows)
    variants = read_table(build, "variants")
    configs = read_configs(build, variants)
    writer.configs(configs)
    fitted = published_variants(variants, configs, build.settings.published_fit_variants)
    plans = read_plans(build)
    counts["plans"] = len(plans)
    writer.table("plans", plans)
    shutil.copytree(build.data.launch / "manifests", root / "manifests")
    shutil.copyfile(router_file(build.data), root / "router.json")
    shutil.copyfile(registry_view_file(build.data), root / "models_registry.json")
    shutil.copytree(clients_dir(build.data), root, dirs_exist_ok=True)
    shutil.copytree(feeds_dir(build.data), root / "feeds")
    shutil.copytree(api_dir(build.data), root / "api")
    writer.json("gpu_profiles.json", [dataclasses.asdict(profile) for profile in load_profiles().values()])
    verdicts: dict[str, int] = {}
    gpus = list(load_profiles())
    for done, gpu in enumerate(gpus, 1):
        for verdict, cells in write_fit_files(build.data.fit, gpu, fitted, root / "fit").items():
            verdicts[verdict] = verdicts.get(verdict, 0) + cells
        progress.report("registry", "files", done, len(gpus))
    writer.schemas()
    index = writer.index([read_state(build, source) for source in SOURCES], counts, verdicts)
    progress.report("registry", "files", len(gpus), len(gpus), f"{len(index.files):,} files")
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(counts.values()),
            "files": len(index.files),
            "bytes": sum(entry.bytes for entry in index.files),
            "fit cells by verdict": verdicts,
        }
    )


@dg.asset_check(asset=registry_candidate, blocking=True, description="No file holds what looks like a key.")
def no_secrets(build: Build) -> dg.AssetCheckResult:
    """Shapes of secrets in every text file of the candidate."""
    root = build.data.next_registry
    texts = {
        path.relative_to(root).as_posix(): path.read_text("utf-8")
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.suffix != ".parquet"
    }
    return check_outcome([checks.check_no_secrets(texts)])


@dg.asset_check(
    asset=registry_candidate,
    blocking=True,
    description="Facts travel, the prose of others does not.",
)
def no_prose(build: Build) -> dg.AssetCheckResult:
    """Long texts in the candidate's tables."""
    root = build.data.next_registry
    results = [
        checks.check_no_prose(path.relative_to(root).as_posix(), json_documents(path))
        for path in sorted(root.rglob("*.json*"))
        if path.relative_to(root).parts[0]
        not in ("schemas", "fit", "models_registry.json", "gpu_profiles.json")
    ]
    return check_outcome(results)


@dg.asset_check(asset=registry_candidate, blocking=True, description="Small enough for git.")
def sizes(build: Build) -> dg.AssetCheckResult:
    """Bytes of each file and of all."""
    root = build.data.next_registry
    found = {
        path.relative_to(root).as_posix(): path.stat().st_size for path in root.rglob("*") if path.is_file()
    }
    result = checks.check_sizes(found, most_bytes=MOST_FILE_BYTES, most_total_bytes=MOST_TOTAL_BYTES)
    return check_outcome([result])


@dg.asset(
    deps=[registry_candidate, "explorer"],
    group_name="registry",
    owners=OWNERS,
    kinds={"json", "parquet"},
    description="What others read: the candidate, swapped in at once after all checks.",
)
def published_registry(build: Build) -> dg.MaterializeResult[Any]:
    """The atomic swap."""
    published = build.settings.published_dir
    publish_directory(build.data.next_registry, published)
    index = read_index(published)
    progress.report("registry", "published", 1, 1, str(published.name))
    return dg.MaterializeResult(
        metadata={
            "path": dg.MetadataValue.path(str(published)),
            "data as of": (index.data_as_of if index else None) or "never",
        }
    )


@dg.asset(
    deps=[published_registry],
    group_name="registry",
    owners=OWNERS,
    kinds={"duckdb"},
    description="The published tables in one DuckDB file, for SQL.",
)
def warehouse(build: Build) -> dg.MaterializeResult[Any]:
    """``catalog-<hash>.duckdb`` and a pointer to it."""
    path = build_warehouse(build.settings.published_dir, build.settings.data_dir / "warehouse")
    progress.report("registry", "warehouse", 1, 1, path.name)
    return dg.MaterializeResult(metadata={"path": dg.MetadataValue.path(str(path))})


REGISTRY_ASSETS = [registry_candidate, published_registry, warehouse]
REGISTRY_CHECKS = [no_secrets, no_prose, sizes]
