"""One adapter a tool; `detect` asks them in order of trust, vendor by vendor."""

from collections.abc import Callable, Sequence

from modelscan_catalog.deploy.detect import (
    amd_smi,
    apple,
    npu_smi,
    nvidia_smi,
    nvml,
    rocm_smi,
    sysfs,
    xpu_smi,
)
from modelscan_catalog.deploy.detect.tool import Broken, Found, Outcome
from modelscan_catalog.deploy.gpu import DetectedGpu, Detection

Look = Callable[[], Outcome]


def detect() -> Detection:
    """Every vendor's cards on this machine; never raises."""
    return first_answers(
        (
            (nvml.look, nvidia_smi.look, sysfs.looker("nvidia")),
            (amd_smi.look, rocm_smi.look, sysfs.looker("amd")),
            (xpu_smi.look, sysfs.looker("intel")),
            (npu_smi.look, sysfs.looker("ascend")),
            (apple.look,),
        )
    )


def first_answers(vendors: Sequence[Sequence[Look]]) -> Detection:
    """Of each vendor's tools the first that tells of cards; broken ones are named, and the next is tried."""
    gpus: list[DetectedGpu] = []
    absent: list[str] = []
    broken: list[str] = []
    for looks in vendors:
        for look in looks:
            outcome = look()
            if isinstance(outcome, Found):
                gpus.extend(outcome.gpus)
                broken.extend(outcome.problems)
                break
            (broken if isinstance(outcome, Broken) else absent).append(outcome.why)
    note = None if gpus else "; ".join([*broken, *absent[:1]]) or "no tool told of any"
    return Detection(tuple(gpus), note, tuple(broken))
