"""Vendor tools run within bounds of time and output; absent and broken ones are answers, not errors."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from modelscan_catalog.deploy.gpu import DetectedGpu

TIMEOUT_S = 10.0
"""nvidia-smi takes seconds on a machine of eight cards without persistence mode; more is a hang."""
MOST_OUTPUT_BYTES = 4 << 20
_GIB_PER_KIB = 1 / (1 << 20)


@dataclass(frozen=True)
class Found:
    """The cards that a tool told of."""

    gpus: tuple[DetectedGpu, ...]


@dataclass(frozen=True)
class Absent:
    """The tool or its driver is not on this machine, or tells of no card."""

    why: str


@dataclass(frozen=True)
class Broken:
    """The tool is there and gave nothing usable."""

    why: str


Outcome = Found | Absent | Broken


class ToolOutputError(ValueError):
    """The text is not what the tool prints; the message says what is missing."""


def run_tool(name: str, arguments: Sequence[str], *, timeout_s: float = TIMEOUT_S) -> str | Absent | Broken:
    """Standard output of a tool, at most `MOST_OUTPUT_BYTES` of it and within `timeout_s`."""
    path = shutil.which(name)
    if path is None:
        return Absent(f"{name} is not installed")
    try:
        with subprocess.Popen(
            [path, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            try:
                output, complaint = process.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
                return Broken(f"{name}: no answer within {timeout_s:g} s")
    except OSError as error:
        return Broken(f"{name}: cannot be started ({error.strerror or error})")
    if process.returncode:
        said = (complaint or output).decode(errors="replace").strip().splitlines()
        return Broken(f"{name}: exit {process.returncode}{f' ({said[-1][:120]})' if said else ''}")
    if len(output) > MOST_OUTPUT_BYTES:
        return Broken(f"{name}: {len(output) >> 20} MiB of output")
    return output.decode(errors="replace")


def system_memory_gib(meminfo: Path = Path("/proc/meminfo")) -> tuple[float | None, float | None]:
    """GiB in total and available, of `MemTotal` and `MemAvailable`; null where the system does not say."""
    try:
        lines = meminfo.read_text("ascii", "replace").splitlines()
    except OSError:
        return None, None
    values = {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}

    def gib(name: str) -> float | None:
        words = values.get(name, [])
        return int(words[0]) * _GIB_PER_KIB if words and words[0].isdigit() else None

    return gib("MemTotal"), gib("MemAvailable")
