"""A card is the profile that its name, size, chip and PCI id agree on; one that none fits stays itself."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelscan_catalog.deploy.detect import sysfs
from modelscan_catalog.deploy.detect.mapping import observed, pci_profiles, vendors
from modelscan_catalog.deploy.detect.tool import Absent, Found
from modelscan_catalog.deploy.gpu import DetectedGpu, Detection
from modelscan_catalog.errors import FitInputError
from modelscan_catalog.fit.profiles import load_profiles
from modelscan_catalog.fit.tables import table


@pytest.mark.parametrize(
    ("name", "gib", "profile"),
    [
        ("A100 SXM4", 80.0, "a100-80gb"),
        ("A100 SXM4", 40.0, "a100-40gb"),
        ("NVIDIA A100-SXM4-40GB", 39.4, "a100-40gb"),
        ("NVIDIA RTX 4090 ", 24.0, "rtx-4090"),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", 15.99, "rtx-4090-laptop"),
        ("NVIDIA GeForce RTX 4060 Ti", 8.0, "rtx-4060-ti-8gb"),
        ("NVIDIA GeForce RTX 4060 Ti", 16.0, "rtx-4060-ti-16gb"),
        ("NVIDIA Device 2702 (VGA compatible)", 16.0, "rtx-4080-super"),
        ("NVIDIA RTX 3060", 24.0, None),
        ("NVIDIA H100 80GB HBM3", 40.0, None),
        ("Quantum Abacus 9000", 24.0, None),
    ],
)
def test_a_name_and_a_size_make_a_profile_or_a_custom_card(
    name: str, gib: float, profile: str | None
) -> None:
    assert observed("0", name, total_gib=gib).profile == profile


def test_a_capability_that_contradicts_the_name_makes_a_custom_card() -> None:
    assert observed("0", "NVIDIA L4", compute_capability="7.5").profile is None


def test_a_pci_id_of_several_cards_needs_the_memory() -> None:
    assert observed("0", "AMD GPU", vendor="amd", pci_device="744c").profile is None
    assert observed("0", "AMD GPU", vendor="amd", pci_device="744C", total_gib=24.0).profile == "rx-7900-xtx"
    assert observed("0", "AMD GPU", vendor="amd", pci_device="744c", total_gib=20.0).profile == "rx-7900-xt"


def test_every_pci_id_names_profiles_of_its_vendor_that_memory_tells_apart() -> None:
    makers = {facts["pci"]: vendor for vendor, facts in vendors().items()}
    for vendor, devices in table("hardware/pci_ids.json")["devices"].items():
        for device, ids in devices.items():
            found = [load_profiles()[one] for one in ids]
            assert {one.vendor for one in found} == {makers[vendor]}, device
            assert len({one.memory_gib_marketing for one in found}) == len(found), device
    assert pci_profiles("nvidia", "2330") == ["h100-80gb"]


@settings(deadline=None)
@given(
    name=st.text(),
    gib=st.none() | st.floats(),
    capability=st.none() | st.text(max_size=5),
    device=st.none() | st.text(max_size=6),
)
def test_whatever_a_tool_says_is_a_card(
    name: str, gib: float | None, capability: str | None, device: str | None
) -> None:
    card = observed("0", name, total_gib=gib, compute_capability=capability, pci_device=device)
    assert card.name.isprintable()
    assert card.profile is None or card.profile in load_profiles()


@settings(deadline=None)
@given(st.sampled_from(sorted(load_profiles())), st.floats(0.93, 1.0))
def test_every_profile_is_found_by_its_name_and_size(profile: str, share: float) -> None:
    expected = load_profiles()[profile]
    total = expected.memory.gib + share * (expected.memory_gib_marketing - expected.memory.gib)
    card = observed(
        "0", expected.name, vendor=expected.vendor, total_gib=total, mig=expected.is_mig,
        compute_capability=expected.compute_capability, gfx=expected.gfx,
    )  # fmt: skip
    assert card.profile is not None
    found = load_profiles()[card.profile]
    assert found.name == expected.name or found.memory_gib_marketing == expected.memory_gib_marketing


def test_a_custom_card_is_planned_by_what_is_known_of_it() -> None:
    card = observed("0", "NVIDIA RTX 3060", total_gib=24.0, compute_capability="8.6")
    profile = card.planning_profile()
    assert (profile.id, profile.compute_capability) == ("custom-nvidia-rtx-3060-24gb", "8.6")
    assert profile.architecture == "Ampere"
    assert profile.bandwidth_gb_s is None
    assert profile.memory.basis == "estimated"
    assert profile.memory.gib < 24.0


def test_a_custom_card_of_unknown_memory_or_vendor_says_what_is_missing() -> None:
    with pytest.raises(FitInputError, match="memory is not known"):
        observed("0", "Quantum Abacus", vendor="nvidia").planning_profile()
    with pytest.raises(FitInputError, match="no engine rules are known for mthreads"):
        observed("0", "MTT S4000", vendor="mthreads", total_gib=48.0).planning_profile()


def test_the_group_of_a_machine_is_the_kind_with_the_most_memory() -> None:
    small = [observed(str(i), "NVIDIA RTX 3060", total_gib=12.0) for i in range(3)]
    large = [observed(str(i), "NVIDIA RTX 4090", total_gib=24.0) for i in range(3, 5)]
    unknown = DetectedGpu("9", "Quantum Abacus", None, None, None, None, None, False, None)
    assert Detection((*small, *large, unknown)).group() == tuple(large)
    assert Detection((unknown,)).group() == ()


def _pci(root: Path, slot: str, **files: str) -> None:
    device = root / "bus" / "pci" / "devices" / slot
    device.mkdir(parents=True)
    for name, text in files.items():
        (device / name).write_text(text + "\n")


def test_the_pci_bus_tells_cards_where_no_tool_answers(tmp_path: Path) -> None:
    _pci(tmp_path, "0000:01:00.0", vendor="0x10de", device="0x2330", **{"class": "0x030200"})
    _pci(tmp_path, "0000:02:00.0", vendor="0x1002", device="0x74a1", mem_info_vram_total="206141652992",
         mem_info_vram_used="1073741824", **{"class": "0x120000"})  # fmt: skip
    _pci(tmp_path, "0000:03:00.0", vendor="0x8086", device="0x9a49", **{"class": "0x030000"})
    _pci(tmp_path, "0000:04:00.0", vendor="0x10de", device="0x2330", **{"class": "0x040300"})
    nvidia, amd = sysfs.look("nvidia", tmp_path), sysfs.look("amd", tmp_path)
    assert isinstance(nvidia, Found)
    assert [gpu.profile for gpu in nvidia.gpus] == ["h100-80gb"]
    assert "no tool of the driver answers" in nvidia.problems[0]
    assert isinstance(amd, Found)
    assert [(gpu.profile, round(gpu.free_gib or 0)) for gpu in amd.gpus] == [("mi300x", 191)]
    assert isinstance(sysfs.look("intel", tmp_path), Absent)


def test_a_machine_without_a_pci_bus_has_no_cards(tmp_path: Path) -> None:
    assert isinstance(sysfs.look("nvidia", tmp_path), Absent)
