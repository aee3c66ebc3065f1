"""Cards as GPUStack's workers report them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from modelscan_catalog.deploy.detect.mapping import observed, vendor_of, vendors
from modelscan_catalog.deploy.gpu import DetectedGpu

SOURCE = "GPUStack"
_GIB = 1 << 30

Object = Mapping[str, Any]


def worker_gpus(worker: Object) -> tuple[list[DetectedGpu], list[str]]:
    """The cards of a worker of `/v2/workers`, and what could not be read of them."""
    status = worker.get("status") or {}
    devices = status.get("gpu_devices") or []
    name = str(worker["name"])
    if not isinstance(devices, list):
        return [], [f"worker {name}: gpu_devices is no list"]
    return device_gpus(devices, name, _gib(_inside(status, "memory"), "total"))


def device_gpus(
    devices: Sequence[Any], machine: str, host_gib: float | None
) -> tuple[list[DetectedGpu], list[str]]:
    """The cards of a list of devices, as workers and `/v2/gpu-devices` have them."""
    gpus: list[DetectedGpu] = []
    problems: list[str] = []
    for position, device in enumerate(devices):
        if not isinstance(device, dict) or not str(device.get("name") or "").strip():
            problems.append(f"worker {machine}: device {position} has no name")
            continue
        gpus.append(_gpu(device, position, machine, host_gib))
    return gpus, problems


def _gpu(device: Object, position: int, machine: str, host_gib: float | None) -> DetectedGpu:
    memory = _inside(device, "memory")
    total, used = _gib(memory, "total"), _gib(memory, "used")
    capability = device.get("compute_capability")
    capability = capability if isinstance(capability, str) else None
    gfx = capability if capability is not None and capability.startswith("gfx") else None
    index = device.get("index")
    return observed(
        str(position if index is None else index),
        str(device["name"]),
        vendor=_vendor(device),
        uuid=_text(device.get("uuid")),
        driver=_text(device.get("driver_version")),
        compute_capability=None if gfx else capability or None,
        gfx=gfx,
        total_gib=total,
        free_gib=max(total - used, 0.0) if total is not None and used is not None else None,
        unified=memory.get("is_unified_memory") is True,
        host_gib=host_gib,
        machine=machine,
        seen_by=SOURCE,
    )


def _vendor(device: Object) -> str | None:
    """The maker by its own name, else by the device's type, else by the product's name.

    Another maker's name (Moore Threads, MetaX, ...) is kept as it is; a number is none.
    """
    stated = str(device.get("vendor") or "").strip().lower()
    if known := vendor_of(stated):
        return known
    if stated and not stated.isdigit():
        return stated
    kind = device.get("type")
    by_type = {
        facts["gpustack_type"]: vendor for vendor, facts in vendors().items() if facts["gpustack_type"]
    }
    return by_type.get(kind) if isinstance(kind, str) and kind in by_type else vendor_of(str(device["name"]))


def _inside(row: Any, name: str) -> Object:
    inner = row.get(name) if isinstance(row, dict) else None
    return inner if isinstance(inner, dict) else {}


def _gib(row: Object, name: str) -> float | None:
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value / _GIB if 0 <= value < 1 << 60 else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
