"""Vendor tools run within bounds of time and output; absent and broken ones are answers, not errors."""

from __future__ import annotations

import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from modelscan_catalog.deploy.gpu import DetectedGpu

TIMEOUT_S = 10.0
"""nvidia-smi takes seconds on a machine of eight cards without persistence mode; more is a hang."""
MOST_OUTPUT_BYTES = 4 << 20
_DOCUMENT = re.compile(r"^[ \t]*(?=[\[{])", re.MULTILINE)
_MOST_BEGINNINGS = 20
"""Lines that may begin the document; `[WARN]` begins none."""
_GIB_PER_KIB = 1 / (1 << 20)


@dataclass(frozen=True)
class Found:
    """The cards that a tool told of, and what it could not tell."""

    gpus: tuple[DetectedGpu, ...]
    problems: tuple[str, ...] = ()


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
    """Standard output of a tool; one that is silent too long or talks too much is ended and broken."""
    path = shutil.which(name)
    if path is None:
        return Absent(f"{name} is not installed")
    try:
        process = subprocess.Popen(
            [path, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        return Broken(f"{name}: cannot be started ({error.strerror or error})")
    with process:
        try:
            output = _read(process, timeout_s)
        except _TooLongError as error:
            with suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)  # its own session: helpers it started end too
            return Broken(f"{name}: {error}")
    text = output.decode(errors="replace")
    if process.returncode:
        said = text.strip().splitlines()
        return Broken(f"{name}: exit {process.returncode}{f' ({said[-1][:120]})' if said else ''}")
    return text


class _TooLongError(Exception):
    """A bound was reached."""


def _read(process: subprocess.Popen[bytes], timeout_s: float) -> bytes:
    """All output until the tool closes it and ends."""
    assert process.stdout is not None
    deadline = time.monotonic() + timeout_s
    output = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            if not selector.select(max(deadline - time.monotonic(), 0)):
                raise _TooLongError(f"no answer within {timeout_s:g} s")
            chunk = os.read(process.stdout.fileno(), 1 << 16)
            if not chunk:
                break
            output += chunk
            if len(output) > MOST_OUTPUT_BYTES:
                raise _TooLongError(f"more than {MOST_OUTPUT_BYTES >> 20} MiB of output")
    try:
        process.wait(max(deadline - time.monotonic(), 0.1))
    except subprocess.TimeoutExpired as error:
        raise _TooLongError(f"no end within {timeout_s:g} s") from error
    return bytes(output)


def parsed(name: str, parse: Callable[[], tuple[DetectedGpu, ...]]) -> Outcome:
    """What a parser found; text that is not the tool's makes the tool broken."""
    try:
        gpus = parse()
    except ToolOutputError as error:
        return Broken(f"{name}: its output is not understood ({error})")
    return Found(gpus) if gpus else Absent(f"{name} lists no GPU")


def json_of(text: str) -> Any:
    """The JSON document of a tool's output, which warnings may precede; raises `ToolOutputError`."""
    problem = "it is no JSON"
    for start in islice(_DOCUMENT.finditer(text), _MOST_BEGINNINGS):
        try:
            document, _ = json.JSONDecoder().raw_decode(text, start.end())
        except (ValueError, RecursionError) as error:
            problem = f"it is no JSON: {str(error)[:80]}"
        else:
            return document
    raise ToolOutputError(problem)


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
