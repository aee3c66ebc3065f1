"""The cards of a cluster from a file: GPUStack's workers or devices, or Kubernetes' nodes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from modelscan_catalog.deploy.gpu import DetectedGpu, Detection
from modelscan_catalog.deploy.inventory_gpustack import device_gpus, worker_gpus
from modelscan_catalog.deploy.inventory_kubernetes import node_gpus
from modelscan_catalog.errors import FitInputError

MOST_BYTES = 256_000_000
"""`kubectl get nodes -o json` of five thousand nodes has a quarter of it."""

Object = Mapping[str, Any]


def read_inventory(path: Path) -> Detection:
    """The cards of a file: `/v2/workers` or `/v2/gpu-devices` of GPUStack, or `kubectl get nodes -o json`.

    One object, a list of them, or a page with `items` (`-` is standard input). Raises `FitInputError` (field
    `from`) for anything else.
    """
    try:
        if path != Path("-") and path.stat().st_size > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES // 1_000_000} MB")
        text = Path("/dev/stdin" if path == Path("-") else path).read_bytes()
        document = json.loads(text)
    except OSError as error:
        raise FitInputError(
            f"from: {path} cannot be read ({error.strerror or error})", field="from"
        ) from error
    except (ValueError, RecursionError) as error:
        raise FitInputError(f"from: {path} is no JSON ({str(error)[:80]})", field="from") from error
    try:
        return replace(inventory_of(document), place=str(path))
    except FitInputError as error:
        raise FitInputError(f"from: {path}: {str(error).removeprefix('from: ')}", field="from") from error


def inventory_of(document: Any) -> Detection:
    """The cards of a parsed document; raises as `read_inventory` does.

    A device that has no name or number is reported in `problems`, the others stay.
    """
    gpus: list[DetectedGpu] = []
    problems: list[str] = []
    machines = 0
    for position, row in enumerate(_rows(document)):
        machines += 1
        found, complaints = _machine(row, position)
        gpus.extend(found)
        problems.extend(complaints)
    note = f"{machines} machine{'s' * (machines != 1)} without a GPU" if machines else "it lists no machine"
    return Detection(tuple(gpus), None if gpus else note, tuple(problems), place="the inventory")


def _rows(document: Any) -> Iterator[Object]:
    rows = document.get("items", [document]) if isinstance(document, dict) else document
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise FitInputError("from: it holds neither an object nor a list of objects", field="from")
    yield from rows


def _machine(row: Object, position: int) -> tuple[list[DetectedGpu], list[str]]:
    status = row.get("status")
    if isinstance(row.get("metadata"), dict) and row.get("kind", "Node") == "Node":
        return node_gpus(row)
    if "worker_name" in row and "uuid" in row:
        return device_gpus([row], str(row["worker_name"]), None)
    if isinstance(status, dict | None) and "name" in row and "status" in row:
        return worker_gpus(row)
    raise FitInputError(
        f"from: item {position} is neither a worker or device of GPUStack nor a node of Kubernetes; save one "
        "with `kubectl get nodes -o json` or from GPUStack's /v2/workers",
        field="from",
    )
