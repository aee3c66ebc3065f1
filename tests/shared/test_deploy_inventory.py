"""GPUStack's recorded worker descriptions: every card is mapped or custom, and none is mapped wrongly."""

import os
from collections import Counter
from pathlib import Path

import pytest

from modelscan_catalog.deploy.inventory import read_inventory
from modelscan_catalog.fit.profiles import find_profile
from modelscan_catalog.settings import REPOSITORY_ROOT

pytestmark = pytest.mark.shared

SHARED = Path(os.environ.get("MODELSCAN_SHARED", REPOSITORY_ROOT.parent / "shared"))
WORKERS = SHARED / "sources" / "gpustack" / "workers"
EXPECTED = {
    "910b_64gx8": {"ascend-910b1-64gb": 8},
    "cpu_2": {},
    "cpu_3": {},
    "mix_1_nvidia_4080_16gx1_rocm_7800_16gx1": {"rtx-4080-super": 1, "rx-7800-xt": 1},
    "3090_24gx8": {"rtx-3090": 8},
    "A40_48gx2": {"a40": 2},
    "A100_80gx8": {"a100-80gb": 8},
    "A100_40gx2": {"a100-40gb": 2},
    "A100_80gx2": {"a100-pcie-80gb": 2},
    "15_4080_16gx8": {"rtx-4080-super": 8},
    "2_4080_16gx2": {"rtx-4080-super": 2},
    "4_4080_16gx4": {"rtx-4080-super": 4},
    "5000_16gx8": {"quadro-rtx-5000": 8},
    "17_4090_24gx8": {"rtx-4090": 8},
    "18_4090_24gx4_4080_16gx4": {"rtx-4090": 4, "rtx-4080": 4},
    "nvidia_1_4090_24gx1": {"rtx-4090d-24gb": 1},
    "nvidia_3_4090_24gx1": {"rtx-4090d-24gb": 1},
    "4090_24gx4_3060_12gx4": {"rtx-4090": 4, "rtx-3060-12gb": 3, None: 1},
    "H100_80gx8": {"h100-80gb": 8},
    "H200_141gx8": {"h200-141gb": 8},
    "rocm_1_7800_16gx1": {"rx-7800-xt": 1},
    "rocm_2_7800_16gx2": {"rx-7800-xt": 2},
    "m2_24g": {"apple-m2-24gb": 1},
    "m2ultra_192g": {"apple-m2-ultra-192gb": 1},
}
"""By the end of a file's name: profiles as name, PCI id (2702 is the 4080 SUPER, 2685 the 4090 D) and size
say; a 3060 of 24 GiB is custom. Files of the same machine under other load end alike."""


@pytest.fixture(scope="module")
def files() -> list[Path]:
    if not WORKERS.is_dir():
        pytest.skip(f"{WORKERS} is not there; set MODELSCAN_SHARED")
    return sorted(WORKERS.glob("*.json"))


def test_every_recorded_worker_has_the_cards_that_its_description_says(files: list[Path]) -> None:
    assert len(files) >= 32
    for path in files:
        ending = max((end for end in EXPECTED if path.stem.endswith(end)), key=len)
        found = read_inventory(path)
        assert Counter(gpu.profile for gpu in found.gpus) == Counter(EXPECTED[ending]), path.name
        assert found.problems == ()


def test_every_recorded_card_can_be_planned_with(files: list[Path]) -> None:
    for path in files:
        for gpu in read_inventory(path).gpus:
            profile = gpu.planning_profile()
            assert gpu.total_gib is not None
            assert 0.6 < profile.memory.gib / gpu.total_gib <= 1.01, (path.name, gpu.name)
            assert gpu.machine
            if gpu.profile is not None:
                assert find_profile(gpu.profile).vendor == gpu.vendor
