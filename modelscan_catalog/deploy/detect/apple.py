"""The GPU of an Apple computer through system_profiler and sysctl."""

from __future__ import annotations

import platform
import re

from modelscan_catalog.deploy.detect.mapping import observed
from modelscan_catalog.deploy.detect.tool import Absent, Outcome, ToolOutputError, json_of, parsed, run_tool
from modelscan_catalog.deploy.gpu import DetectedGpu

NAME = "system_profiler"
_GIB = 1 << 30


def look() -> Outcome:
    """The chip's GPU, or that this is no such computer."""
    if platform.system() != "Darwin":
        return Absent("this is no Apple computer")
    displays = run_tool(NAME, ["SPDisplaysDataType", "-json"])
    if not isinstance(displays, str):
        return displays
    memory = run_tool("sysctl", ["-n", "hw.memsize"])
    return parsed(NAME, lambda: parse(displays, memory if isinstance(memory, str) else ""))


def parse(displays: str, memory_bytes: str = "") -> tuple[DetectedGpu, ...]:
    """Apple's own GPUs of `SPDisplaysDataType -json`; their memory is the system's (`sysctl hw.memsize`).

    GPUs of other makers in older computers run none of the engines under macOS and are left out. Raises
    `ToolOutputError` for text of another shape.
    """
    document = json_of(displays)
    rows = document.get("SPDisplaysDataType") if isinstance(document, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ToolOutputError("it has no list SPDisplaysDataType")
    text = memory_bytes.strip()
    total = int(text) / _GIB if re.fullmatch(r"[0-9]{1,16}", text) else None
    names = [str(row.get("sppci_model") or row.get("_name") or "") for row in rows]
    return tuple(
        observed(
            str(number), name, vendor="apple", total_gib=total, unified=True, host_gib=total, seen_by=NAME
        )
        for number, name in enumerate(name for name in names if name.startswith("Apple "))
    )
