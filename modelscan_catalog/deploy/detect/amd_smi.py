"""AMD GPUs through amd-smi, ROCm's newer tool."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from modelscan_catalog.deploy.detect.mapping import SMALLEST_GIB, is_unified_gfx, observed
from modelscan_catalog.deploy.detect.tool import (
    Outcome,
    ToolOutputError,
    json_of,
    parsed,
    run_tool,
    system_memory_gib,
)
from modelscan_catalog.deploy.gpu import DetectedGpu

NAME = "amd-smi"
_GIB_PER = {"B": 2**-30, "KB": 2**-20, "MB": 2**-10, "GB": 1.0}
"""The tool writes MB and means MiB."""


def look() -> Outcome:
    """All cards, or why there are none; the free memory where the tool tells of it."""
    static = run_tool(NAME, ["static", "--json"])
    if not isinstance(static, str):
        return static
    usage = run_tool(NAME, ["metric", "--mem-usage", "--json"])
    return parsed(NAME, lambda: parse(static, usage if isinstance(usage, str) else "[]", system_memory_gib()))


def parse(
    static: str, usage: str = "[]", system_gib: tuple[float | None, float | None] = (None, None)
) -> tuple[DetectedGpu, ...]:
    """The cards of `static --json`, with the memory of `metric --mem-usage --json`.

    Raises `ToolOutputError` for text of another shape.
    """
    free = {row.get("gpu"): _gib(_inside(row, "mem_usage", "free_vram")) for row in _rows(usage)}
    found = (_gpu(row, free.get(row["gpu"]), system_gib) for row in _rows(static))
    return tuple(gpu for gpu in found if gpu is not None)


def _gpu(
    row: Mapping[str, Any], free: float | None, system_gib: tuple[float | None, float | None]
) -> DetectedGpu | None:
    """The card; none for the display controller of a processor, which has some megabytes."""
    gfx = str(_inside(row, "asic", "target_graphics_version") or "").lower()
    gfx = gfx.partition(":")[0] if gfx.startswith("gfx") else ""
    unified = is_unified_gfx(gfx)
    total = _gib(_inside(row, "vram", "size"))
    if total is not None and total < SMALLEST_GIB and not unified:
        return None
    device = str(_inside(row, "asic", "device_id") or "").removeprefix("0x")
    known = system_gib if unified else (total, free)
    return observed(
        str(row["gpu"]),
        str(_inside(row, "asic", "market_name") or "AMD GPU"),
        vendor="amd",
        uuid=_stated(_inside(row, "asic", "asic_serial")),
        driver=_stated(_inside(row, "driver", "version")),
        gfx=gfx or None,
        total_gib=known[0],
        free_gib=known[1],
        unified=unified,
        host_gib=system_gib[0],
        pci_device=device or None,
        seen_by=NAME,
    )


def _rows(text: str) -> Iterator[Mapping[str, Any]]:
    document = json_of(text)
    rows = document.get("gpu_data") if isinstance(document, dict) else document
    if not isinstance(rows, list):
        raise ToolOutputError("it lists no GPUs")
    for row in rows:
        if (
            not isinstance(row, dict)
            or isinstance(row.get("gpu"), bool)
            or not isinstance(row.get("gpu"), int)
        ):
            raise ToolOutputError("a GPU has no number")
        yield row


def _inside(row: Mapping[str, Any], group: str, name: str) -> Any:
    inner = row.get(group)
    return inner.get(name) if isinstance(inner, dict) else None


def _gib(size: Any) -> float | None:
    if not isinstance(size, dict):
        return None
    value, scale = size.get("value"), _GIB_PER.get(str(size.get("unit")))
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or scale is None
        or not 0 <= value < 2**60
    ):
        return None
    return float(value) * scale


def _stated(value: Any) -> str | None:
    return value if isinstance(value, str) and value not in ("", "N/A") else None
