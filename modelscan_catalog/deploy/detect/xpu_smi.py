"""Intel GPUs through xpu-smi."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from modelscan_catalog.deploy.detect.mapping import observed
from modelscan_catalog.deploy.detect.tool import (
    Found,
    Outcome,
    ToolOutputError,
    json_of,
    parsed,
    run_tool,
)
from modelscan_catalog.deploy.gpu import DetectedGpu

NAME = "xpu-smi"
MOST_DEVICES = 64
_GIB = 1 << 30


def look() -> Outcome:
    """All cards, or why there are none; each is asked for its memory in a call of its own."""
    listing = run_tool(NAME, ["discovery", "-j"])
    if not isinstance(listing, str):
        return listing
    outcome = parsed(NAME, lambda: parse(listing))
    if not isinstance(outcome, Found):
        return outcome
    details = []
    for gpu in outcome.gpus[:MOST_DEVICES]:
        text = run_tool(NAME, ["discovery", "-d", gpu.index, "-j"])
        if not isinstance(text, str):
            return Found(outcome.gpus, (text.why,))
        details.append(text)
    return parsed(NAME, lambda: tuple(gpu for text in details for gpu in parse(text)))


def parse(text: str) -> tuple[DetectedGpu, ...]:
    """The cards of `discovery -j` (without memory) or the one of `discovery -d N -j`.

    Raises `ToolOutputError` for text of another shape.
    """
    document = json_of(text)
    if not isinstance(document, dict):
        raise ToolOutputError("it is no JSON object")
    rows = document.get("device_list", [document])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ToolOutputError("device_list is no list of devices")
    return tuple(_gpu(row) for row in rows if row.get("device_type", "GPU") == "GPU")


def _gpu(row: Mapping[str, Any]) -> DetectedGpu:
    number, name = row.get("device_id"), row.get("device_name")
    if isinstance(number, bool) or not isinstance(number, int) or not isinstance(name, str):
        raise ToolOutputError("a device has no device_id and device_name")
    device = re.fullmatch(r"0x([0-9a-fA-F]{1,4})", str(row.get("pci_device_id", "")))
    return observed(
        str(number),
        re.sub(r"\((?:R|TM)\)", "", name),
        vendor="intel",
        uuid=_stated(row.get("uuid")),
        driver=_stated(row.get("driver_version")),
        total_gib=_gib(row.get("memory_physical_size_byte")),
        free_gib=_gib(row.get("memory_free_size_byte")),
        pci_device=device[1].rjust(4, "0") if device else None,
        seen_by=NAME,
    )


def _gib(value: Any) -> float | None:
    text = str(value)
    return int(text) / _GIB if re.fullmatch(r"[0-9]{1,16}", text) else None


def _stated(value: Any) -> str | None:
    return value if isinstance(value, str) and value not in ("", "unknown") else None
