"""How each seller is spoken to, by rules alone, and the typed clients generated from that."""

import json
import shutil
from pathlib import Path
from typing import Any

import dagster as dg

from assets.shared import OWNERS, Build, check_outcome, preview_table
from modelscan_catalog import progress
from modelscan_catalog.onboarding.published import onboarding_files
from modelscan_catalog.publish.checks import CheckResult, check_whole
from modelscan_catalog.sdk.check import import_clients
from modelscan_catalog.store import write_bytes
from modelscan_catalog.tables import STAGED, DataDirectory


def clients_dir(data: DataDirectory) -> Path:
    """Where the next interfaces and clients lie, in the registry's own layout."""
    return data.launch / "clients"


@dg.asset(
    deps=["models_dev"],
    group_name="launch",
    owners=OWNERS,
    kinds={"python", "json"},
    description="How each seller is spoken to, by rules alone, and a Python client where that suffices.",
)
def provider_clients(build: Build) -> dg.MaterializeResult[Any]:
    """The interface of every seller with its evidence, and the clients; no model is asked."""
    root = clients_dir(build.data)
    shutil.rmtree(root, ignore_errors=True)
    providers, offers = (
        build.data.read("staged", name, STAGED[name])
        for name in ("models_dev_providers", "models_dev_offers")
    )
    files = onboarding_files(providers, offers)
    for path, content in files.items():
        write_bytes(root / path, content)
    summary = json.loads(files["onboarding.json"])
    progress.report("launch", "clients", 1, 1, f"{summary['with_client']} of {summary['providers']} sellers")
    missing = [{"provider": name, "missing": "; ".join(why)} for name, why in summary["needs_more"].items()]
    return dg.MaterializeResult(
        metadata={
            "providers": summary["providers"],
            "with a client": summary["with_client"],
            "by format": summary["by_api_type"],
            "needs more": dg.MetadataValue.md(preview_table(missing)),
        }
    )


@dg.asset_check(asset=provider_clients, blocking=True, description="Every interface fits its schema.")
def interfaces_fit_their_schema(build: Build) -> dg.AssetCheckResult:
    """The rows of interfaces.jsonl."""
    lines = (clients_dir(build.data) / "interfaces.jsonl").read_bytes().splitlines()
    return check_outcome([check_whole("provider_interface", json.loads(line)) for line in lines])


@dg.asset_check(asset=provider_clients, blocking=True, description="Every client can be imported.")
def clients_import(build: Build) -> dg.AssetCheckResult:
    """In a process of its own without variables."""
    paths = sorted((clients_dir(build.data) / "sdks" / "python").glob("*.py"))
    found = import_clients(paths)
    failed = tuple(
        f"{path.name}: {what if isinstance(what, str) else 'defines no client'}"
        for path in paths
        if isinstance(what := found.get(str(path), "was not imported"), str) or not what
    )
    return check_outcome([CheckResult("clients_import", failed, len(paths))])


CLIENT_CHECKS = [interfaces_fit_their_schema, clients_import]
