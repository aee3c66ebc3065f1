"""NVIDIA GPUs through nvidia-smi, where NVML cannot be loaded into this process."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator

from modelscan_catalog.deploy.detect.mapping import observed
from modelscan_catalog.deploy.detect.tool import (
    Absent,
    Broken,
    Found,
    Outcome,
    ToolOutputError,
    parsed,
    run_tool,
    system_memory_gib,
)
from modelscan_catalog.deploy.gpu import DetectedGpu

NAME = "nvidia-smi"
FIELDS = (
    "index",
    "name",
    "uuid",
    "driver_version",
    "memory.total",
    "memory.free",
    "mig.mode.current",
    "pci.device_id",
    "compute_cap",
)
"""The last is unknown to drivers before 470, which then refuse the whole query."""
_MIB_PER_GIB = 1024
_CARD = re.compile(r"^GPU (?P<index>\d+): ")
_INSTANCE = re.compile(r"^\s+MIG (?P<slice>\S+)\s+Device\s+(?P<position>\d+): \(UUID: (?P<uuid>[^)\s]+)\)")


def look() -> Outcome:
    """All cards and MIG instances, or why there are none."""
    text: str | Absent | Broken = Absent("")
    for fields in (FIELDS, FIELDS[:-1]):
        text = run_tool(NAME, [f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"])
        if not isinstance(text, Broken):
            break
    if not isinstance(text, str):
        return text
    listing = run_tool(NAME, ["-L"]) if "Enabled" in text else ""
    instances = listing if isinstance(listing, str) else ""
    outcome = parsed(NAME, lambda: parse(text, instances, system_memory_gib()))
    if isinstance(outcome, Found) and not isinstance(listing, str):
        return Found(outcome.gpus, (listing.why,))
    return outcome


def parse(
    text: str, listing: str = "", system_gib: tuple[float | None, float | None] = (None, None)
) -> tuple[DetectedGpu, ...]:
    """The cards of `--query-gpu=FIELDS --format=csv,noheader,nounits`, with the MIG instances of `-L`.

    `system_gib` is the system's memory, total and available, which stands in where the driver reports none.
    Raises `ToolOutputError` for text of another shape.
    """
    instances = _instances(listing)
    gpus: list[DetectedGpu] = []
    for number, row in enumerate(_rows(text), 1):
        if len(row) not in (len(FIELDS), len(FIELDS) - 1) or not row[0].isdigit():
            raise ToolOutputError(f"line {number} has not the {len(FIELDS)} fields that were asked for")
        gpus.extend(_gpus(row, instances, system_gib))
    return tuple(gpus)


def _rows(text: str) -> Iterator[list[str]]:
    try:
        for row in csv.reader(text.replace("\0", "").splitlines(), skipinitialspace=True):
            if row:
                yield [cell.strip() for cell in row]
    except csv.Error as error:
        raise ToolOutputError(str(error)) from error


def _gpus(
    row: list[str],
    instances: dict[str, list[tuple[str, str, str]]],
    system_gib: tuple[float | None, float | None],
) -> Iterator[DetectedGpu]:
    index, name, uuid, driver, total, free, mig, device = row[:8]
    capability = row[8] if len(row) > 8 and re.fullmatch(r"\d+\.\d+", row[8]) else None
    if mig == "Enabled" and index in instances:
        for position, kind, instance in instances[index]:
            yield observed(
                f"{index}:{position}",
                f"{name} MIG {kind}",
                vendor="nvidia",
                uuid=instance,
                driver=_stated(driver),
                compute_capability=capability,
                mig=True,
                seen_by=NAME,
            )
        return
    unified = "N/A" in total or "Not Supported" in total
    known = system_gib if unified else (_gib(total), _gib(free))
    yield observed(
        index,
        name,
        vendor="nvidia",
        uuid=_stated(uuid),
        driver=_stated(driver),
        compute_capability=capability,
        total_gib=known[0],
        free_gib=known[1],
        unified=unified,
        pci_device=device[2:6] if re.fullmatch(r"0x[0-9A-Fa-f]{8}", device) else None,
        seen_by=NAME,
    )


def _instances(listing: str) -> dict[str, list[tuple[str, str, str]]]:
    """Position, slice and UUID of MIG instances, by the index of their card."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    card = ""
    for line in listing.splitlines():
        if head := _CARD.match(line):
            card = head["index"]
        elif match := _INSTANCE.match(line):
            found.setdefault(card, []).append((match["position"], match["slice"], match["uuid"]))
    return found


def _gib(text: str) -> float | None:
    return int(text) / _MIB_PER_GIB if re.fullmatch(r"[0-9]{1,9}", text) else None


def _stated(text: str) -> str | None:
    """The text, unless it is one of the tool's words for nothing: `[N/A]`, `[Not Supported]`."""
    return None if text.startswith("[") else text
