"""NVIDIA GPUs and MIG instances through NVML, the driver's own library."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pynvml

from modelscan_catalog.deploy.detect.mapping import observed
from modelscan_catalog.deploy.detect.tool import Absent, Broken, Found, Outcome, system_memory_gib
from modelscan_catalog.deploy.gpu import DetectedGpu

NAME = "NVML"
_GIB = 1 << 30
_NOT_HERE = (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED)


@contextmanager
def _nvml() -> Iterator[None]:
    pynvml.nvmlInit()
    try:
        yield
    finally:
        pynvml.nvmlShutdown()


def look() -> Outcome:
    """All cards and MIG instances, or why there are none."""
    try:
        with _nvml():
            gpus: list[DetectedGpu] = []
            problems: list[str] = []
            for number in range(pynvml.nvmlDeviceGetCount()):
                try:
                    gpus.extend(_device(number))
                except pynvml.NVMLError as error:  # one lost card is no reason to lose the others
                    problems.append(f"{NAME}: GPU {number}: {error}")
    except pynvml.NVMLError as error:
        why = f"no NVIDIA driver answers ({error})"
        return Absent(why) if getattr(error, "value", None) in _NOT_HERE else Broken(f"{NAME}: {error}")
    if problems and not gpus:
        return Broken("; ".join(problems))
    return Found(tuple(gpus), tuple(problems)) if gpus else Absent("the NVIDIA driver lists no GPU")


def _device(number: int) -> Iterator[DetectedGpu]:
    handle = pynvml.nvmlDeviceGetHandleByIndex(number)
    instances = list(_mig_instances(handle))
    if not instances:
        yield _describe(str(number), handle, mig=False)
    for position, instance in enumerate(instances):
        yield _describe(f"{number}:{position}", instance, mig=True)


def _mig_instances(handle: object) -> Iterator[object]:
    with suppress(pynvml.NVMLError):  # NOT_SUPPORTED on cards without MIG
        current, _pending = pynvml.nvmlDeviceGetMigMode(handle)
        if current == pynvml.NVML_DEVICE_MIG_ENABLE:
            for position in range(pynvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
                with suppress(pynvml.NVMLError):  # an empty place
                    yield pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, position)


def _describe(index: str, handle: object, *, mig: bool) -> DetectedGpu:
    memory, unified = _asked("nvmlDeviceGetMemoryInfo", handle), False
    total, free = (memory.total / _GIB, memory.free / _GIB) if memory is not None else (None, None)
    if memory is None and _unsupported("nvmlDeviceGetMemoryInfo", handle):
        unified = True  # GB10 and Jetson: the memory is the system's
        total, free = system_memory_gib()
    capability = _asked("nvmlDeviceGetCudaComputeCapability", handle)
    pci = _asked("nvmlDeviceGetPciInfo", handle)
    return observed(
        index,
        _text(pynvml.nvmlDeviceGetName(handle)),
        vendor="nvidia",
        uuid=_text(_asked("nvmlDeviceGetUUID", handle) or ""),
        driver=_text(_asked("nvmlSystemGetDriverVersion") or ""),
        compute_capability=".".join(map(str, capability)) if capability else None,
        total_gib=total,
        free_gib=free,
        mig=mig,
        unified=unified,
        pci_device=f"{pci.pciDeviceId >> 16:04x}" if pci is not None and not mig else None,
        seen_by=NAME,
    )


def _asked(function: str, *arguments: object) -> Any:
    """What NVML answers, or None where it does not."""
    with suppress(pynvml.NVMLError):
        return getattr(pynvml, function)(*arguments)
    return None


def _unsupported(function: str, *arguments: object) -> bool:
    try:
        getattr(pynvml, function)(*arguments)
    except pynvml.NVMLError as error:
        return bool(getattr(error, "value", None) == pynvml.NVML_ERROR_NOT_SUPPORTED)
    return False


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
