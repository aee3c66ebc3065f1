"""Detection: what NVML says becomes a profile; what it does not say stays null."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from modelscan_catalog.deploy.detect import nvml as nvml_adapter
from modelscan_catalog.deploy.gpu import detect_gpus

GIB = 1 << 30


def _refuse(*_: object) -> Any:
    raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """An NVML whose single card answers as told; everything not told is NOT_SUPPORTED."""

    def install(**answers: Any) -> None:
        for name in ("nvmlInit", "nvmlShutdown"):
            monkeypatch.setattr(pynvml, name, lambda: None)
        for name in (
            "DeviceGetMemoryInfo", "DeviceGetCudaComputeCapability", "DeviceGetUUID", "DeviceGetMigMode",
            "SystemGetDriverVersion",
        ):  # fmt: skip
            monkeypatch.setattr(pynvml, f"nvml{name}", _refuse)
        monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: 1)
        monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda index: f"gpu{index}")
        for name, answer in answers.items():
            function = answer if callable(answer) else lambda *_, value=answer: value
            monkeypatch.setattr(pynvml, f"nvml{name}", function)

    return install


def test_a_known_card_is_mapped_to_its_profile(nvml: Callable[..., None]) -> None:
    memory = SimpleNamespace(total=80 * GIB, free=79 * GIB)
    nvml(
        DeviceGetName="NVIDIA H100 80GB HBM3",
        DeviceGetMemoryInfo=memory,
        DeviceGetCudaComputeCapability=(9, 0),
    )
    (gpu,) = detect_gpus().gpus
    assert (gpu.profile, gpu.total_gib, gpu.free_gib, gpu.compute_capability) == (
        "h100-80gb",
        80.0,
        79.0,
        "9.0",
    )
    assert gpu.driver is None


def test_memory_that_nvml_does_not_support_is_the_systems(
    nvml: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nvml_adapter, "system_memory_gib", lambda: (119.68, 100.0))
    nvml(DeviceGetName=b"NVIDIA GB10")
    (gpu,) = detect_gpus().gpus
    assert (gpu.name, gpu.profile, gpu.unified) == ("NVIDIA GB10", "gb10", True)
    assert (gpu.total_gib, gpu.free_gib) == (119.68, 100.0)


def test_a_card_that_the_catalogue_does_not_know_is_still_listed(nvml: Callable[..., None]) -> None:
    nvml(DeviceGetName="Quantum Abacus 9000")
    (gpu,) = detect_gpus().gpus
    assert gpu.profile is None


def test_mig_instances_stand_in_for_their_card(nvml: Callable[..., None]) -> None:
    def instance(_: object, position: int) -> str:
        return f"slice{position}" if position < 2 else _refuse()

    nvml(
        DeviceGetName=lambda handle: (
            "NVIDIA H100 80GB HBM3 MIG 3g.40gb" if "slice" in str(handle) else "NVIDIA H100"
        ),
        DeviceGetMigMode=(1, 1),
        DeviceGetMaxMigDeviceCount=7,
        DeviceGetMigDeviceHandleByIndex=instance,
    )
    assert [(gpu.index, gpu.mig) for gpu in detect_gpus().gpus] == [("0:0", True), ("0:1", True)]


def test_no_driver_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", fail)
    found = detect_gpus()
    assert found.gpus == ()
    assert "no NVIDIA driver" in str(found.note)
