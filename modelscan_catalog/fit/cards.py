"""The card of a fit request: its profile by name, its size as given, or the size that its name says."""

from __future__ import annotations

import re
from dataclasses import dataclass

from modelscan_catalog.errors import UnknownIdError
from modelscan_catalog.fit.profiles import find_profile
from modelscan_catalog.fit.requests import FitRequest

PCIE = re.compile(r"\b(rtx|gtx|t4|l4|l40s?|a10g?|a16|a2)\b|\brtx", re.IGNORECASE)
"""Cards without NVLink, where a request gives a size beside the name."""
SIZED = re.compile(r"(\d{1,3}) ?(?:GB|GiB)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Card:
    """The memory of one GPU and what kind it is; `spread_gib` is the doubt about the driver's figure."""

    name: str
    total_gib: float
    spread_gib: float
    rocm: bool
    unified: bool
    pcie: bool = False


def card_of(request: FitRequest) -> Card | None:
    """The card that a request names or sizes; None when it does neither.

    Raises UnknownIdError for a GPU name that no profile has, where no size is given.
    """
    name = request.gpu.split(" (", 1)[0].rpartition(":")[0] or request.gpu.split(" (", 1)[0]
    if request.gpu_total_gib is not None:
        return Card(
            request.gpu, request.gpu_total_gib, 0.0, request.rocm, request.unified, bool(PCIE.search(name))
        )
    if not request.gpu or request.gpu.lower() == "unknown":
        return None
    if request.gpu.strip().lower() in {"rocm", "cuda"}:
        return None
    sized = SIZED.search(request.gpu)
    try:
        profile = find_profile(name)
    except UnknownIdError:
        if sized is None:
            raise
        try:
            profile = find_profile(SIZED.sub("", name).strip(" -"))
        except UnknownIdError:
            return _sized_card(request, float(sized.group(1)))
    memory = profile.memory
    return Card(
        profile.name,
        memory.gib,
        (memory.high_gib - memory.low_gib) / 2,
        request.rocm or profile.vendor == "amd",
        request.unified or profile.unified_memory,
        profile.interconnect == "pcie",
    )


def _sized_card(request: FitRequest, size_gb: float) -> Card:
    """A card that no profile has but whose name says its size (`24GB class`): the usual share of it, in
    doubt.
    """
    total = size_gb * 0.97
    pcie = bool(PCIE.search(request.gpu))
    return Card(request.gpu, total, total * 0.03, request.rocm, request.unified, pcie)
