"""GPU profiles against the recorded tables that they cite: a cited value is the table's value."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest

from modelscan_catalog.errors import UnknownIdError
from modelscan_catalog.fit.profiles import find_profile, load_profiles

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("MODELSCAN_SHARED", ROOT / ".." / "shared")).resolve()
GPUS = SHARED / "sources" / "gpus"

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not GPUS.is_dir(), reason=f"NO SHARED SOURCES at {SHARED}: set MODELSCAN_SHARED"),
]
SYSTEMS = {
    "a30": "a30",
    "a100-80gb": "a100_sxm",
    "a100-pcie-80gb": "a100_pcie",
    "l4": "l4",
    "l40s": "l40s",
    "h100-80gb": "h100_sxm",
    "h100-pcie-80gb": "h100_pcie",
    "h200-141gb": "h200_sxm",
    "b200-180gb": "b200_sxm",
    "gb200-186gb": "gb200",
    "b300-270gb": "b300_sxm",
    "gb300-270gb": "gb300",
    "rtx-pro-6000-server": "rtx_pro_6000_server",
    "arc-pro-b60": "b60",
}
FLOPS = {"bf16": "bfloat16_tc_flops", "fp8": "fp8_tc_flops", "int8": "int8_tc_flops", "fp4": "fp4_tc_flops"}


def rows(name: str) -> list[dict[str, Any]]:
    """A recorded table."""
    found: list[dict[str, Any]] = json.loads((GPUS / name).read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("gpu", SYSTEMS)
def test_figures_cited_to_aiconfigurator_are_its_own(gpu: str) -> None:
    (system,) = [row for row in rows("aiconfigurator_table.json") if row["system"] == SYSTEMS[gpu]]
    profile = load_profiles()[gpu]
    if profile.sources.get("bandwidth_gb_s") == "aiconfigurator":
        assert profile.bandwidth_gb_s == pytest.approx(system["mem_bw"] / 1e9)
    if profile.sources.get("memory_bytes") == "aiconfigurator":
        assert profile.memory_bytes == system["mem_capacity"]
    if profile.sources.get("interconnect_gb_s") == "aiconfigurator":
        assert profile.interconnect_gb_s == pytest.approx(system["intra_node_bw"] / 1e9)
    for dtype, column in FLOPS.items():
        if profile.sources.get(f"tflops_dense.{dtype}") == "aiconfigurator":
            assert profile.tflops_dense[dtype] == pytest.approx(system[column] / 1e12, rel=1e-3)


def test_every_profile_that_cites_aiconfigurator_is_compared() -> None:
    citing = {one.id for one in load_profiles().values() if "aiconfigurator" in one.sources.values()}
    assert citing <= set(SYSTEMS)


def test_compute_capabilities_cited_to_gpuhunt_are_its_own() -> None:
    listed = {
        (row["name"], row["memory"]): "{}.{}".format(*row["compute_capability"])
        for row in rows("gpuhunt_known_accelerators.0.1.34.json")
        if row.get("compute_capability")
    }
    spellings = {(name.replace(" ", "").lower(), gib): found for (name, gib), found in listed.items()}
    compared = 0
    for profile in load_profiles().values():
        if profile.is_mig or profile.sources.get("compute_capability") != "gpuhunt":
            continue
        for alias in (profile.name, profile.id, *profile.aliases):
            key = (alias.replace(" ", "").lower(), profile.memory_gib_marketing)
            if key in spellings:
                assert profile.compute_capability == spellings[key], profile.id
                compared += 1
                break
    assert compared > 30


def test_prices_cited_to_runpod_are_its_own() -> None:
    listed = {row["id"]: row for row in rows("runpod_prices.partial.json")}
    for name, row in listed.items():
        try:
            profile = find_profile(name)
        except UnknownIdError:
            continue
        source = profile.sources.get("price_usd_per_hour")
        if source is not None:
            column = {"runpod_secure": "price_usd_h_secure", "runpod_community": "price_usd_h_community"}[
                source
            ]
            assert profile.price_usd_per_hour == row[column], name


def test_driver_totals_cited_to_measured_runs_were_logged() -> None:
    with (SHARED / "sources" / "fit" / "measured_runs.csv").open(encoding="utf-8") as stream:
        logged = {float(row["gpu_total_gib"]) for row in csv.DictReader(stream) if row["gpu_total_gib"]}
    cited = [
        one for one in load_profiles().values() if one.sources.get("memory_gib_driver") == "measured_runs"
    ]
    assert len(cited) > 8
    for profile in cited:
        assert profile.memory_gib_driver in logged, profile.id


def test_names_that_gpustack_workers_report_resolve() -> None:
    known, unknown = set(), set()
    for path in sorted((SHARED / "sources" / "gpustack" / "workers").glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        for device in document["status"].get("gpu_devices") or []:
            try:
                known.add(find_profile(device["name"]).id)
            except UnknownIdError:
                unknown.add(device["name"])
    assert {"rtx-3090", "a100-pcie-80gb", "rx-7800-xt", "apple-m2-ultra-192gb", "h100-80gb"} <= known
    assert all("Device" in name for name in unknown), unknown
