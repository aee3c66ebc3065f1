"""Cards of Kubernetes nodes: how many by the allocatable resources, which by the labels of the discoverers.

Labels: NVIDIA's GPU feature discovery (`nvidia.com/gpu.product`, `.memory` in MiB, `.count`), AMD's node
labeller (`amd.com/gpu.product-name`, `.device-id`, `.vram` in GiB), Ascend's device plugin, and those that
GKE and EKS give to their node pools.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from modelscan_catalog.deploy.detect.mapping import observed
from modelscan_catalog.deploy.gpu import DetectedGpu

SOURCE = "Kubernetes"
MOST_CARDS = 1024
_MIB_PER_GIB = 1024
_CLOUD_LABELS = ("cloud.google.com/gke-accelerator", "k8s.amazonaws.com/accelerator")
_NPU_LABEL = "node.kubernetes.io/npu.chip.name"
_RESOURCES = (
    (re.compile(r"nvidia\.com/(?:gpu(?:\.shared)?|mig-(?P<slice>\d+g\.\d+gb(?:\.me)?))"), "nvidia"),
    (re.compile(r"amd\.com/(?:gpu|[sdqc]px_nps\d)"), "amd"),
    (re.compile(r"gpu\.intel\.com/(?:i915|xe)|habana\.ai/gaudi"), "intel"),
    (re.compile(r"huawei\.com/ascend.*", re.IGNORECASE), "ascend"),
)

Labels = Mapping[str, str]


def node_gpus(node: Mapping[str, Any]) -> tuple[list[DetectedGpu], list[str]]:
    """The cards of a node that pods can be given, and what is in the way of the others."""
    metadata = node["metadata"]
    name = str(metadata.get("name") or "?")
    labels = {key: value for key, value in _object(metadata.get("labels")).items() if isinstance(value, str)}
    status = _object(node.get("status"))
    allocatable, capacity = _object(status.get("allocatable")), _object(status.get("capacity"))
    gpus: list[DetectedGpu] = []
    problems: list[str] = []
    for resource in sorted({*allocatable, *capacity}):
        match = next(
            ((found, vendor) for pattern, vendor in _RESOURCES if (found := pattern.fullmatch(resource))),
            None,
        )
        if match is None:
            continue
        usable, there = _count(allocatable.get(resource)), _count(capacity.get(resource))
        if there > usable:
            problems.append(f"node {name}: {there - usable} of {there} {resource} cannot be allocated")
        kind = match[0].groupdict().get("slice")
        gpus.extend(_cards(labels, match[1], resource, kind, min(usable, MOST_CARDS), name, len(gpus)))
    if not gpus and not problems and (product := labels.get("nvidia.com/gpu.product")):
        problems.append(f"node {name}: labelled {product}, and no nvidia.com/gpu is allocatable")
    return gpus, problems


def _cards(
    labels: Labels, vendor: str, resource: str, kind: str | None, count: int, machine: str, first: int
) -> Iterator[DetectedGpu]:
    read = {"nvidia": _nvidia, "amd": _amd}.get(vendor, _other)
    facts = read(labels, resource, kind)
    for number in range(first, first + count):
        yield observed(str(number), vendor=vendor, machine=machine, seen_by=SOURCE, **facts)


def _nvidia(labels: Labels, resource: str, kind: str | None) -> dict[str, Any]:
    """Facts of one card; of a MIG instance where the resource is one of the mixed strategy."""
    prefix = f"nvidia.com/mig-{kind}" if kind else "nvidia.com/gpu"
    product = labels.get(f"{prefix}.product") or labels.get("nvidia.com/gpu.product") or ""
    product = product.removesuffix("-SHARED").replace("-", " ")
    if kind and kind not in product:
        product = f"{product} MIG {kind}"
    major, minor = (labels.get(f"nvidia.com/gpu.compute.{part}", "") for part in ("major", "minor"))
    driver = labels.get("nvidia.com/cuda.driver-version.full") or ".".join(
        part
        for name in ("major", "minor", "rev")
        if (part := labels.get(f"nvidia.com/cuda.driver.{name}", ""))
    )
    memory = labels.get(f"{prefix}.memory", "")
    return {
        "name": product.strip() or _cloud(labels) or f"{resource} of an unlabelled node",
        "driver": driver or None,
        "compute_capability": f"{major}.{minor}" if major.isdigit() and minor.isdigit() else None,
        "total_gib": int(memory) / _MIB_PER_GIB if re.fullmatch(r"[0-9]{1,9}", memory) else None,
        "mig": " MIG " in product,
    }


def _amd(labels: Labels, resource: str, kind: str | None) -> dict[str, Any]:
    del kind
    product = labels.get("amd.com/gpu.product-name", "").replace("_", " ")
    vram = re.fullmatch(
        r"(\d{1,5})G", labels.get("amd.com/gpu.vram") or labels.get("beta.amd.com/gpu.vram", "")
    )
    device = labels.get("amd.com/gpu.device-id") or labels.get("beta.amd.com/gpu.device-id", "")
    return {
        "name": product or (f"AMD device {device}" if device else f"{resource} of an unlabelled node"),
        "driver": labels.get("amd.com/gpu.driver-version"),
        "total_gib": float(vram[1]) if vram and resource == "amd.com/gpu" else None,
        "pci_device": device or None,
    }


def _other(labels: Labels, resource: str, kind: str | None) -> dict[str, Any]:
    del kind
    name = labels.get(_NPU_LABEL) if resource.lower().startswith("huawei") else None
    return {"name": name or _cloud(labels) or f"{resource} of an unlabelled node"}


def _cloud(labels: Labels) -> str | None:
    return next((labels[name].replace("-", " ") for name in _CLOUD_LABELS if name in labels), None)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: Any) -> int:
    text = str(value)
    return int(text) if re.fullmatch(r"[0-9]{1,6}", text) else 0
