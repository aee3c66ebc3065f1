"""Cards that the kernel lists on the PCI bus, for machines where no tool of the vendor answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from modelscan_catalog.deploy.detect.mapping import observed, pci_profiles, vendors
from modelscan_catalog.deploy.detect.tool import Absent, Found, Outcome
from modelscan_catalog.deploy.gpu import DetectedGpu

NAME = "sysfs"
SYS = Path("/sys")
_GIB = 1 << 30
_CLASSES = ("0x0300", "0x0302", "0x0380", "0x1200")
"""VGA, 3D and other display controllers, and processing accelerators."""
_MODULES = {"nvidia": "nvidia", "amd": "amdgpu"}


def looker(vendor: str) -> partial[Outcome]:
    """A look for the cards of one vendor."""
    return partial(look, vendor)


def look(vendor: str, root: Path = SYS) -> Outcome:
    """The vendor's cards with what PCI and the amdgpu driver say of them.

    A device that neither has memory of its own nor is known by its id is no serving GPU (a display controller
    of the processor), except NVIDIA's, which makes none such.
    """
    wanted = vendors()[vendor]["pci"]
    gpus: list[DetectedGpu] = []
    for device in _devices(root):
        if _hexadecimal(device / "vendor") != wanted or not _read(device / "class").startswith(_CLASSES):
            continue
        identifier = _hexadecimal(device / "device")
        total = _gib(device / "mem_info_vram_total")
        if total is None and vendor != "nvidia" and not pci_profiles(vendor, identifier):
            continue
        gpus.append(_gpu(len(gpus), vendor, identifier, device, total, root))
    if not gpus:
        return Absent(f"the PCI bus has no {vendor} GPU")
    return Found(tuple(gpus), (f"{vendor}: no tool of the driver answers; what PCI says is shown",))


def _gpu(
    number: int, vendor: str, identifier: str, device: Path, total: float | None, root: Path
) -> DetectedGpu:
    used = _gib(device / "mem_info_vram_used")
    version = _read(root / "module" / _MODULES.get(vendor, "-") / "version")
    name = _read(device / "product_name") or f"{vendor} device {identifier}"
    return observed(
        str(number),
        name,
        vendor=vendor,
        uuid=_read(device / "unique_id") or None,
        driver=version or None,
        total_gib=total,
        free_gib=max(total - used, 0.0) if total is not None and used is not None else None,
        pci_device=identifier,
        seen_by=NAME,
    )


def _devices(root: Path) -> Iterator[Path]:
    bus = root / "bus" / "pci" / "devices"
    yield from sorted(bus.iterdir()) if bus.is_dir() else ()


def _read(path: Path) -> str:
    """The first kilobyte of a file of one line; empty where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(1024).decode("ascii", "replace").strip()
    except OSError:
        return ""


def _hexadecimal(path: Path) -> str:
    return _read(path).lower().removeprefix("0x")


def _gib(path: Path) -> float | None:
    text = _read(path)
    return int(text) / _GIB if re.fullmatch(r"[0-9]{1,16}", text) else None
