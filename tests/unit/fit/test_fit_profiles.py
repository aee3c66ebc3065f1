"""GPU profiles: every value has a source, dense FLOPS are dense, and names resolve as people write them."""

import json
import re
import time
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.errors import FitInputError, ModelScanError, UnknownIdError
from modelscan_catalog.fit.profiles import (
    PROFILES_DIR,
    GpuProfile,
    driver_memory_classes,
    find_profile,
    load_profiles,
    read_profiles,
    resolve_gpu,
)

PROFILES = load_profiles()
SOURCED_FIELDS = (
    "compute_capability",
    "gfx",
    "memory_gib_marketing",
    "memory_bytes",
    "memory_gib_driver",
    "bandwidth_gb_s",
    "interconnect",
    "interconnect_gb_s",
    "price_usd_per_hour",
    "mig_compute_slices",
    "mig_memory_slices",
)
every_profile = pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES.keys())


def test_there_are_at_least_eighty_profiles_of_five_vendors() -> None:
    assert len(PROFILES) >= 80
    assert {profile.vendor for profile in PROFILES.values()} == {"nvidia", "amd", "intel", "ascend", "apple"}


@every_profile
def test_every_known_value_names_a_listed_source_and_no_source_lacks_a_value(profile: GpuProfile) -> None:
    listed = json.loads((PROFILES_DIR / "sources.json").read_bytes())["sources"]
    known = {name for name in SOURCED_FIELDS if getattr(profile, name) is not None}
    known |= {f"tflops_dense.{dtype}" for dtype in profile.tflops_dense}
    known |= {"unified_memory"} if profile.unified_memory else set()
    assert set(profile.sources) == known
    cited = set(profile.sources.values()) | {conflict["source"] for conflict in profile.conflicts}
    assert cited <= listed.keys()


@every_profile
def test_conflicts_hold_a_value_that_differs_from_the_chosen_one(profile: GpuProfile) -> None:
    for conflict in profile.conflicts:
        name, _, dtype = conflict["field"].partition(".")
        assert name in {item.name for item in fields(GpuProfile)}
        chosen = profile.tflops_dense.get(dtype) if dtype else getattr(profile, name)
        assert conflict["value"] != chosen


@every_profile
def test_dense_flops_follow_the_tensor_cores_of_the_architecture(profile: GpuProfile) -> None:
    flops = profile.tflops_dense
    if "bf16" in flops and "fp16" in flops and profile.id != "mi100":
        assert flops["bf16"] == flops["fp16"]
    ratio = {"Gaudi": None, "Ampere": None}.get(profile.architecture, 2.0)
    if ratio and {"fp8", "bf16"} <= flops.keys():
        assert flops["fp8"] / flops["bf16"] == pytest.approx(ratio, rel=0.02)
    if profile.architecture in {"Turing", "Volta", "Pascal", "Ampere"}:
        assert "fp8" not in flops
        assert "fp4" not in flops
    if profile.architecture in {"Turing", "Volta", "Pascal"}:
        assert "bf16" not in flops
    if profile.architecture in {"Hopper", "Ada Lovelace"}:
        assert "fp4" not in flops


@every_profile
def test_driver_memory_is_below_the_marketing_size_and_inside_its_band(profile: GpuProfile) -> None:
    memory = profile.memory
    assert 0 < memory.low_gib <= memory.gib <= memory.high_gib
    assert memory.gib <= profile.memory_gib_marketing
    assert profile.memory_class in driver_memory_classes()
    assert memory.basis == ("estimated" if profile.memory_gib_driver is None else "driver")


@pytest.mark.parametrize(
    ("gpu", "gib"), [("h100-80gb", 79.1), ("a100-40gb", 39.49), ("l4", 22.03), ("h200-141gb", 139.8)]
)
def test_logged_driver_totals_are_kept_to_the_digit(gpu: str, gib: float) -> None:
    assert find_profile(gpu).memory.gib == gib


def test_a_mig_slice_is_a_share_of_its_parent_and_has_no_interconnect() -> None:
    slice_, parent = find_profile("h100-80gb-mig-3g.40gb"), find_profile("h100-80gb")
    assert slice_.is_mig
    assert slice_.interconnect == "none"
    assert slice_.bandwidth_gb_s == pytest.approx(parent.bandwidth_gb_s / 2)  # type: ignore[operator]
    assert slice_.tflops_dense["bf16"] == pytest.approx(parent.tflops_dense["bf16"] * 3 / 7, rel=1e-3)
    assert slice_.memory.high_gib < parent.memory.gib / 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("h100-80gb:8", ("h100-80gb", 8)),
        ("H100", ("h100-80gb", 1)),
        ("rtx 4090", ("rtx-4090", 1)),
        ("RTX-4090:2", ("rtx-4090", 2)),
        ("2x rtx 4090", ("rtx-4090", 2)),
        ("rtx 4090 x2", ("rtx-4090", 2)),
        ("NVIDIA GeForce RTX 4060 Ti", ("rtx-4060-ti-16gb", 1)),
        ("NVIDIA H100 80GB HBM3", ("h100-80gb", 1)),
        ("NVIDIA A100-SXM4-80GB", ("a100-80gb", 1)),
        ("NVIDIA A100 80GB PCIe:4", ("a100-pcie-80gb", 4)),
        ("Tesla T4", ("t4", 1)),
        ("NVIDIA GB10", ("gb10", 1)),
        ("NVIDIA L40S", ("l40s", 1)),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", ("h100-80gb-mig-1g.10gb", 1)),
        ("A100-40GB MIG 3g.20gb", ("a100-40gb-mig-3g.20gb", 1)),
        ("AMD Instinct MI300X", ("mi300x", 1)),
        ("Radeon RX 7900 XTX", ("rx-7900-xtx", 1)),
        ("Apple M2 Ultra", ("apple-m2-ultra-192gb", 1)),
        ("910B", ("ascend-910b1-64gb", 1)),
    ],
)
def test_names_resolve_as_people_and_drivers_write_them(text: str, expected: tuple[str, int]) -> None:
    profile, count = resolve_gpu(text)
    assert (profile.id, count) == expected


@pytest.mark.parametrize("text", [*PROFILES, *(profile.name for profile in PROFILES.values())])
def test_every_id_and_name_resolves_to_its_own_profile(text: str) -> None:
    assert text in {find_profile(text).id, find_profile(text).name}


def test_a_laptop_gpu_is_not_taken_for_the_card_of_the_same_number() -> None:
    assert find_profile("NVIDIA GeForce RTX 4090 Laptop GPU").memory_gib_marketing == 16
    with pytest.raises(UnknownIdError):
        find_profile("NVIDIA GeForce RTX 4080 Laptop GPU")


@every_profile
def test_prices_are_no_placeholders(profile: GpuProfile) -> None:
    assert profile.price_usd_per_hour is None or profile.price_usd_per_hour not in (0, 0.5)


def test_no_alias_belongs_to_two_profiles() -> None:
    for profile in PROFILES.values():
        for alias in profile.aliases:
            assert find_profile(alias).id == profile.id, alias


def test_an_unknown_name_suggests_the_nearest_ids() -> None:
    with pytest.raises(UnknownIdError, match="did you mean") as caught:
        resolve_gpu("rtx-4900")
    assert "rtx-4090" in caught.value.candidates


@pytest.mark.parametrize(
    "text",
    ["h100:0", "h100:99999", "h100:9999999", "8888888x h100", "h100:-1", "h100:", "", "   ", "2x h100 x2"],
)
def test_an_unusable_count_names_the_field(text: str) -> None:
    with pytest.raises((FitInputError, UnknownIdError), match="gpu"):
        resolve_gpu(text)


@pytest.mark.parametrize("text", [f"2 x  h100{' ' * 20_000}: 4", f"h100{' ' * 50_000}b", " h100 \t:\n 8 "])
def test_thousands_of_spaces_are_one(text: str) -> None:
    assert " ".join(text.split()) != text
    try:
        spaced = resolve_gpu(text)
    except ModelScanError as error:
        with pytest.raises(type(error), match=re.escape(str(error))):
            resolve_gpu(" ".join(text.split()))
    else:
        assert spaced == resolve_gpu(" ".join(text.split()))


@given(st.text(max_size=200))
def test_any_text_gives_a_profile_or_an_error_of_ours(text: str) -> None:
    try:
        _, count = resolve_gpu(text)
    except ModelScanError as error:
        assert "gpu" in str(error)  # noqa: PT017
    else:
        assert count >= 1


def test_a_damaged_profile_file_is_refused_with_its_name(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "cards.json").write_text('{"profiles": [{"id": "x", "memory": 3}]}')
    with pytest.raises(ModelScanError, match=r"cards\.json.*'x'.*memory"):
        read_profiles(tmp_path)


def test_a_file_of_own_profiles_is_laid_over_the_registrys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"id": "my-card", "name": "My Card", "vendor": "nvidia", "architecture": "Ada",
           "memory_gib_marketing": 20, "memory_class": "gddr"}  # fmt: skip
    own = tmp_path / "own.json"
    own.write_text(json.dumps({"profiles": [row, row | {"id": "l4", "name": "L4 of mine"}]}))
    monkeypatch.setenv("GPU_PROFILE_PATH", str(own))
    fresh = load_profiles.__wrapped__()
    assert fresh["my-card"].memory_gib_marketing == 20
    assert fresh["l4"].name == "L4 of mine"
    assert "h100-80gb" in fresh
    own.write_text("{}")
    with pytest.raises(ModelScanError, match=r"own\.json"):
        load_profiles.__wrapped__()


def test_reading_all_profiles_takes_milliseconds() -> None:
    read_profiles(PROFILES_DIR)
    best = min(_timed_read() for _ in range(5))
    assert best < 0.02


def _timed_read() -> float:
    start = time.perf_counter()
    read_profiles(PROFILES_DIR)
    return time.perf_counter() - start
