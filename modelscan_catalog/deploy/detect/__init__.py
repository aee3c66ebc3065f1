"""One adapter a tool; `detect` asks them in order of trust, vendor by vendor."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

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
    """Of each vendor's tools the first that tells of cards; broken ones are named, and the next is tried.

    Vendors are asked at once, so that tools that hang are waited for together.
    """
    gpus: list[DetectedGpu] = []
    absent: list[str] = []
    broken: list[str] = []
    with ThreadPoolExecutor(max_workers=max(len(vendors), 1)) as pool:
        for outcomes in pool.map(_until_found, vendors):
            for outcome in outcomes:
                if isinstance(outcome, Found):
                    gpus.extend(outcome.gpus)
                    broken.extend(outcome.problems)
                else:
                    (broken if isinstance(outcome, Broken) else absent).append(outcome.why)
    note = None if gpus else "; ".join([*broken, *absent[:1]]) or "no tool told of any"
    return Detection(tuple(gpus), note, tuple(broken))


def _until_found(looks: Sequence[Look]) -> list[Outcome]:
    """Outcomes in order, up to the first with cards."""
    outcomes: list[Outcome] = []
    for look in looks:
        outcomes.append(look())
        if isinstance(outcomes[-1], Found):
            break
    return outcomes
