"""Ascend NPUs through npu-smi, which prints a table and nothing else."""

from __future__ import annotations

import re

from modelscan_catalog.deploy.detect.mapping import observed
from modelscan_catalog.deploy.detect.tool import Outcome, ToolOutputError, parsed, run_tool
from modelscan_catalog.deploy.gpu import DetectedGpu

NAME = "npu-smi"
_MIB_PER_GIB = 1024
_VERSION = re.compile(r"\bVersion:\s*(\S+)")
_NPU = re.compile(r"^\|\s*\d+\s+(?P<name>[A-Za-z0-9][\w ./-]*?)\s*\|\s*(?P<health>[A-Za-z ]+?)\s*\|")
_CHIP = re.compile(
    r"^\|\s*\d+(?:\s+\d+)?\s*\|\s*(?P<bus>[0-9A-Fa-f]{4}:[0-9A-Fa-f:.]+)\s*\|(?P<usage>[^|]*)\|"
)
_USAGE = re.compile(r"(\d{1,9})\s*/\s*(\d{1,9})")


def look() -> Outcome:
    """All NPUs, or why there are none."""
    text = run_tool(NAME, ["info"])
    if not isinstance(text, str):
        return text
    return parsed(NAME, lambda: parse(text))


def parse(text: str) -> tuple[DetectedGpu, ...]:
    """The chips of `info`: a line with the NPU's name and health, then a line for each of its chips.

    A chip's memory is the last `used / total` of its line that is not empty (HBM, else DDR). They are
    numbered in the table's order, as the runtime numbers them. Raises `ToolOutputError` for text without
    the table.
    """
    if "NPU" not in text or "Health" not in text:
        raise ToolOutputError("it is no table of NPUs")
    version = _VERSION.search(text)
    gpus: list[DetectedGpu] = []
    name = ""
    for line in text.splitlines():
        if "Process id" in line:
            break
        if chip := _CHIP.match(line):
            if not name:
                raise ToolOutputError("a chip stands before its NPU")
            sizes = [(int(used), int(total)) for used, total in _USAGE.findall(chip["usage"])]
            used, total = next((pair for pair in reversed(sizes) if pair[1] > 0), (0, 0))
            gpus.append(
                observed(
                    str(len(gpus)),
                    name,
                    vendor="ascend",
                    uuid=chip["bus"],
                    driver=version[1] if version else None,
                    total_gib=total / _MIB_PER_GIB if total else None,
                    free_gib=max(total - used, 0) / _MIB_PER_GIB if total else None,
                    seen_by=NAME,
                )
            )
        elif npu := _NPU.match(line):
            name = npu["name"]
    return tuple(gpus)
