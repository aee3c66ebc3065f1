"""The NVIDIA GPUs of this machine through NVML, mapped to profiles; having none is an answer."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import pynvml

from modelscan_catalog.errors import UnknownIdError
from modelscan_catalog.fit.profiles import find_profile

_GIB = 1 << 30


@dataclass(frozen=True)
class DetectedGpu:
    """A GPU or MIG instance as its driver describes it; memory in GiB, null where NVML does not say."""

    index: str
    name: str
    uuid: str | None
    driver: str | None
    compute_capability: str | None
    total_gib: float | None
    free_gib: float | None
    mig: bool
    profile: str | None
    """Id of the matching profile; null for a card that the catalogue does not know."""


@dataclass(frozen=True)
class Detection:
    """The GPUs that were found, and when there are none, why."""

    gpus: tuple[DetectedGpu, ...]
    note: str | None = None


@contextmanager
def _nvml() -> Iterator[None]:
    pynvml.nvmlInit()
    try:
        yield
    finally:
        pynvml.nvmlShutdown()


def detect_gpus() -> Detection:
    """Look once; never raises for want of a driver."""
    try:
        with _nvml():
            handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
            gpus = [gpu for number, handle in enumerate(handles) for gpu in _device(number, handle)]
    except pynvml.NVMLError as error:
        return Detection((), f"no NVIDIA driver answers ({error})")
    return Detection(tuple(gpus), None if gpus else "the NVIDIA driver lists no GPU")


def _device(number: int, handle: object) -> Iterator[DetectedGpu]:
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
    name = _text(pynvml.nvmlDeviceGetName(handle))
    total = free = None
    with suppress(pynvml.NVMLError):  # NOT_SUPPORTED where memory is the system's (GB10)
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
        total, free = memory.total / _GIB, memory.free / _GIB
    capability = None
    with suppress(pynvml.NVMLError):
        major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
        capability = f"{major}.{minor}"
    uuid = driver = None
    with suppress(pynvml.NVMLError):
        uuid = _text(pynvml.nvmlDeviceGetUUID(handle))
    with suppress(pynvml.NVMLError):
        driver = _text(pynvml.nvmlSystemGetDriverVersion())
    return DetectedGpu(index, name, uuid, driver, capability, total, free, mig, _profile_id(name))


def _profile_id(name: str) -> str | None:
    try:
        return find_profile(name).id
    except UnknownIdError:
        return None


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
