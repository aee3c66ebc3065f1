"""AMD GPUs through rocm-smi, which amd-smi replaces."""

from __future__ import annotations

import re
from collections.abc import Mapping
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

NAME = "rocm-smi"
_ARGUMENTS = (
    "--showproductname",
    "--showmeminfo",
    "vram",
    "--showdriverversion",
    "--showuniqueid",
    "--json",
)
_GIB = 1 << 30
_CARD = re.compile(r"card(\d{1,4})")


def look() -> Outcome:
    """All cards, or why there are none."""
    text = run_tool(NAME, _ARGUMENTS)
    if not isinstance(text, str):
        return text
    return parsed(NAME, lambda: parse(text, system_memory_gib()))


def parse(text: str, system_gib: tuple[float | None, float | None] = (None, None)) -> tuple[DetectedGpu, ...]:
    """The cards of `--json`; versions differ in the case of their field names, which does not count.

    Raises `ToolOutputError` for text of another shape.
    """
    document = json_of(text)
    if not isinstance(document, dict):
        raise ToolOutputError("it is no JSON object")
    cards = {int(match[1]): card for name, card in document.items() if (match := _CARD.fullmatch(name))}
    if document and not cards:
        raise ToolOutputError("it lists no card0")
    system = document.get("system")
    driver = _fields(system).get("driver version") if isinstance(system, dict) else None
    gpus = []
    for number, card in sorted(cards.items()):
        if not isinstance(card, dict):
            raise ToolOutputError(f"card{number} is no JSON object")
        gpus.append(_gpu(number, _fields(card), driver, system_gib))
    return tuple(gpu for gpu in gpus if gpu is not None)


def _gpu(
    number: int,
    card: Mapping[str, str],
    driver: str | None,
    system_gib: tuple[float | None, float | None],
) -> DetectedGpu | None:
    """The card; none for the display controller of a processor, which has some megabytes."""
    total, used = _gib(card.get("vram total memory (b)")), _gib(card.get("vram total used memory (b)"))
    gfx = card.get("gfx version", "").lower()
    unified = is_unified_gfx(gfx)
    if total is not None and total < SMALLEST_GIB and not unified:
        return None
    free = max(total - used, 0.0) if total is not None and used is not None else None
    model = card.get("card model", "").removeprefix("0x")
    known = system_gib if unified else (total, free)
    return observed(
        str(number),
        card.get("card series") or card.get("device name") or "AMD GPU",
        vendor="amd",
        uuid=card.get("unique id"),
        driver=driver or card.get("driver version"),
        gfx=gfx if gfx.startswith("gfx") else None,
        total_gib=known[0],
        free_gib=known[1],
        unified=unified,
        host_gib=system_gib[0],
        pci_device=model if re.fullmatch(r"[0-9a-fA-F]{4}", model) else None,
        seen_by=NAME,
    )


def _fields(card: Mapping[str, Any]) -> dict[str, str]:
    """Stated values by lower-case name."""
    return {
        str(name).lower(): str(value).strip()
        for name, value in card.items()
        if isinstance(value, str | int) and str(value).strip() not in ("", "N/A")
    }


def _gib(text: str | None) -> float | None:
    return int(text) / _GIB if text is not None and re.fullmatch(r"[0-9]{1,16}", text) else None
