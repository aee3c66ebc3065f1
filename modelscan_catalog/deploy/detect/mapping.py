"""From what a tool says of a card to the profile that it is; a card that is none becomes a custom one."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

from modelscan_catalog.deploy.gpu import DetectedGpu
from modelscan_catalog.errors import FitInputError, UnknownIdError
from modelscan_catalog.fit.profiles import GpuProfile, find_profile, load_profiles
from modelscan_catalog.fit.tables import table

LEAST_SHARE, MOST_SHARE = 0.9, 1.06
"""Of the driver's and of the sold size: a card that reports less or more is another than its name says.

Tools differ on reserved memory (23.64 to 23.99 of 24 GiB) and on GB and GiB (141 GB of H200)."""
SMALLEST_GIB = 0.25
"""Below it nothing is a serving GPU: console controllers and virtual displays."""
MOST_NAME = 120
_PCI_NAME = re.compile(r"\bdevice (?P<device>[0-9a-f]{4})\b", re.IGNORECASE)


def observed(
    index: str,
    name: str,
    *,
    vendor: str | None = None,
    uuid: str | None = None,
    driver: str | None = None,
    compute_capability: str | None = None,
    gfx: str | None = None,
    total_gib: float | None = None,
    free_gib: float | None = None,
    mig: bool = False,
    unified: bool = False,
    pci_device: str | None = None,
    host_gib: float | None = None,
    machine: str | None = None,
    seen_by: str | None = None,
) -> DetectedGpu:
    """A card with its profile. `pci_device` is its id in hexadecimal, `host_gib` the system's memory.

    A profile is taken only where no stated fact (memory, compute capability, gfx, vendor) contradicts it.
    """
    label = " ".join("".join(letter if letter.isprintable() else " " for letter in name).split())[:MOST_NAME]
    total = total_gib if total_gib is not None and total_gib >= SMALLEST_GIB else None
    maker = vendor or vendor_of(label)
    found = next(
        (
            profile
            for profile in _candidates(label, maker, total, host_gib if unified else None, pci_device)
            if _agrees(profile, maker, total, compute_capability, gfx, mig, unified)
        ),
        None,
    )
    return DetectedGpu(
        index=index,
        name=label,
        uuid=uuid or None,
        driver=driver or None,
        compute_capability=compute_capability or (found.compute_capability if found else None),
        total_gib=total,
        free_gib=free_gib if total is not None else None,
        mig=mig,
        profile=found.id if found else None,
        vendor=found.vendor if found else maker,
        gfx=gfx or (found.gfx if found else None),
        unified=unified or bool(found and found.unified_memory),
        machine=machine,
        seen_by=seen_by,
    )


@cache
def vendors() -> dict[str, dict[str, Any]]:
    """`registry/hardware/vendors.json`."""
    return dict(table("hardware/vendors.json")["vendors"])


def vendor_of(text: str) -> str | None:
    """The maker that a product name or a vendor's own name speaks of; null when it names none."""
    lowered = text.lower()
    return next(
        (vendor for vendor, facts in vendors().items() if any(word in lowered for word in facts["words"])),
        None,
    )


def is_unified_gfx(gfx: str) -> bool:
    """Whether every card of this gfx shares the system's memory (Strix Halo)."""
    alike = [profile.unified_memory for profile in load_profiles().values() if profile.gfx == gfx]
    return bool(alike) and all(alike)


def pci_profiles(vendor: str, device: str) -> list[str]:
    """Profiles that a PCI device id may be, by `registry/hardware/pci_ids.json`."""
    devices = table("hardware/pci_ids.json")["devices"]
    return list(devices.get(vendors().get(vendor, {}).get("pci"), {}).get(device.lower(), ()))


def _candidates(
    name: str, vendor: str | None, total: float | None, host: float | None, pci_device: str | None
) -> Iterator[GpuProfile]:
    """Profiles by name and size, by name alone, and by PCI id, the surest first."""
    for size in _sizes(total if host is None else host):
        yield from _named(f"{name} {size}GB")
    yield from _named(name)
    yield from _named(name.removesuffix(" GPU"))
    placeholder = _PCI_NAME.search(name)
    device = pci_device or (placeholder["device"] if placeholder else None)
    if device is None or vendor is None:
        return
    known = [load_profiles()[one] for one in pci_profiles(vendor, device)]
    size_gib = total if host is None else host
    if len(known) == 1 or size_gib is not None:
        yield from sorted(known, key=lambda one: abs(one.memory_gib_marketing - (size_gib or 0.0)))


def _sizes(total: float | None) -> list[int]:
    """Sizes in whole GB that a card of `total` GiB may be sold as, the nearest first."""
    if total is None or not math.isfinite(total):
        return []
    sold = {round(p.memory_gib_marketing) for p in load_profiles().values() if _holds(p, total)}
    return sorted(sold | {round(total)}, key=lambda size: abs(size - total))


def _named(name: str) -> Iterator[GpuProfile]:
    found = _find(name)
    if found is not None:
        yield found


@lru_cache(maxsize=4096)
def _find(name: str) -> GpuProfile | None:
    """The profile of a name; kept, because a name that is none costs a search for near ones."""
    try:
        return find_profile(name)
    except UnknownIdError:
        return None


def _holds(profile: GpuProfile, total: float) -> bool:
    least = profile.memory.low_gib * LEAST_SHARE
    return least <= total <= profile.memory_gib_marketing * MOST_SHARE


def _agrees(
    profile: GpuProfile,
    vendor: str | None,
    total: float | None,
    capability: str | None,
    gfx: str | None,
    mig: bool,
    unified: bool,
) -> bool:
    return (
        (vendor is None or vendor == profile.vendor)
        and (total is None or _holds(profile, total))
        and (None in (capability, profile.compute_capability) or capability == profile.compute_capability)
        and (None in (gfx, profile.gfx) or gfx == profile.gfx)
        and mig == profile.is_mig
        and (not unified or profile.unified_memory)
    )


def custom_profile(gpu: DetectedGpu) -> GpuProfile:
    """A profile of what is known of a card, rates and link unknown; `sources` says that it was detected.

    What the driver leaves of its memory is estimated as for the vendor's other cards, its architecture is
    that of the profiles of the same compute capability or gfx. Raises `FitInputError` without memory or
    vendor.
    """
    where = f"gpu: {gpu.name or 'a card without a name'} is no card of the catalogue"
    if gpu.total_gib is None:
        raise FitInputError(
            f"{where} and its memory is not known; name a card like it, such as --gpu rtx-4090", field="gpu"
        )
    facts = vendors().get(gpu.vendor or "")
    if facts is None:
        raise FitInputError(
            f"{where}, and no engine rules are known for {gpu.vendor or 'its vendor'}", field="gpu"
        )
    slug = re.sub(r"[^a-z0-9]+", "-", gpu.name.lower()).strip("-") or gpu.vendor
    alike = {
        profile.architecture
        for profile in load_profiles().values()
        if (gpu.compute_capability and profile.compute_capability == gpu.compute_capability)
        or (gpu.gfx and profile.gfx == gpu.gfx)
    }
    said = ("memory_gib_marketing", "memory_gib_driver") if gpu.unified else ("memory_gib_marketing",)
    return GpuProfile(
        id=f"custom-{slug}-{gpu.total_gib:.0f}gb",
        name=gpu.name,
        vendor=str(gpu.vendor),
        architecture=alike.pop() if len(alike) == 1 else "",
        memory_gib_marketing=gpu.total_gib,
        memory_class=facts["memory_class"],
        compute_capability=gpu.compute_capability,
        gfx=gpu.gfx,
        memory_gib_driver=gpu.total_gib if gpu.unified else None,
        unified_memory=gpu.unified,
        interconnect="none" if gpu.mig else None,
        sources=dict.fromkeys(said, "detected"),
    )
