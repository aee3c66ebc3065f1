"""What each vendor's tool prints becomes cards; any other text becomes a named problem, never a crash."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelscan_catalog.deploy.detect import amd_smi, apple, npu_smi, nvidia_smi, rocm_smi, xpu_smi
from modelscan_catalog.deploy.detect.tool import ToolOutputError
from modelscan_catalog.deploy.gpu import DetectedGpu

NVIDIA = """\
0, NVIDIA GeForce RTX 4090, GPU-aaaa, 570.86.10, 24564, 24000, [N/A], 0x268410DE, 8.9
1, NVIDIA H100 80GB HBM3, GPU-bbbb, 570.86.10, 81559, 81000, Disabled, 0x233010DE, 9.0
"""
MIG_CARD = "0, NVIDIA H100 80GB HBM3, GPU-bbbb, 570.86.10, 81559, 600, Enabled, 0x233010DE, 9.0\n"
MIG_LIST = """\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-bbbb)
  MIG 3g.40gb     Device  0: (UUID: MIG-1111)
  MIG 1g.10gb     Device  1: (UUID: MIG-2222)
"""
GB10 = "0, NVIDIA GB10, GPU-cccc, 580.95.05, [N/A], [N/A], [N/A], 0x2E1210DE, 12.1\n"

ROCM = json.dumps(
    {
        "card0": {
            "Unique ID": "0x1234",
            "VRAM Total Memory (B)": "206141652992",
            "VRAM Total Used Memory (B)": "297451520",
            "Card Series": "AMD Instinct MI300X OAM",
            "Card Model": "0x74a1",
            "GFX Version": "gfx942",
        },
        "card1": {
            "VRAM Total Memory (B)": "17163091968",
            "VRAM Total Used Memory (B)": "21364736",
            "Card series": "Navi 32 [Radeon RX 7700 XT / 7800 XT]",
            "Card model": "0x747e",
            "GFX Version": "gfx1101",
        },
        "system": {"Driver version": "6.10.5"},
    }
)
AMD_STATIC = json.dumps(
    [
        {
            "gpu": 0,
            "asic": {
                "market_name": "AMD Instinct MI300X",
                "device_id": "0x74a1",
                "asic_serial": "0xBEEF",
                "target_graphics_version": "gfx942",
            },
            "driver": {"name": "amdgpu", "version": "6.10.5"},
            "vram": {"type": "HBM", "size": {"value": 196592, "unit": "MB"}},
        },
        {
            "gpu": 1,
            "asic": {
                "market_name": "Strix Halo [Radeon Graphics / Radeon 8050S Graphics / Radeon 8060S Graphics]",
                "device_id": "0x1586",
                "asic_serial": "N/A",
                "target_graphics_version": "gfx1151",
            },
            "driver": {"version": "6.12.12"},
            "vram": {"size": {"value": 512, "unit": "MB"}},
        },
    ]
)
AMD_USAGE = json.dumps([{"gpu": 0, "mem_usage": {"free_vram": {"value": 196308, "unit": "MB"}}}])
XPU_LIST = json.dumps(
    {
        "device_list": [
            {
                "device_id": 0,
                "device_name": "Intel(R) Data Center GPU Max 1100",
                "device_type": "GPU",
                "pci_device_id": "0xbda",
                "uuid": "00000000-0000-0029-0000-002f0bda8086",
            }
        ]
    }
)
XPU_ONE = json.dumps(
    {
        "device_id": 0,
        "device_name": "Intel(R) Data Center GPU Max 1100",
        "device_type": "GPU",
        "pci_device_id": "0xbda",
        "driver_version": "23.35.27191.42",
        "memory_physical_size_byte": "51522830336",
        "memory_free_size_byte": "51493543936",
    }
)
NPU = """\
+------------------------------------------------------------------------------------------------+
| npu-smi 24.1.rc1                 Version: 24.1.rc1                                             |
+---------------------------+---------------+----------------------------------------------------+
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip                      | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
+===========================+===============+====================================================+
| 0     910B3               | OK            | 101.8       43                0    / 0             |
| 0                         | 0000:C1:00.0  | 0           0    / 0          3318 / 65536         |
+===========================+===============+====================================================+
| 7     910B4               | OK            | 92.0        39                0    / 0             |
| 0                         | 0000:C2:00.0  | 0           0    / 0          2828/ 32768          |
+===========================+===============+====================================================+
+---------------------------+---------------+----------------------------------------------------+
| NPU     Chip              | Process id    | Process name             | Process memory(MB)      |
+===========================+===============+====================================================+
| 0       0                 | 1712733       | python                   | 48954                   |
"""
APPLE = json.dumps(
    {
        "SPDisplaysDataType": [
            {"_name": "Apple M2 Ultra", "sppci_model": "Apple M2 Ultra", "sppci_cores": "76"},
        ]
    }
)

PARSERS: dict[str, Callable[[str], tuple[DetectedGpu, ...]]] = {
    "nvidia-smi": nvidia_smi.parse,
    "nvidia-smi -L": lambda text: nvidia_smi.parse(MIG_CARD, text),
    "amd-smi": amd_smi.parse,
    "amd-smi metric": lambda text: amd_smi.parse(AMD_STATIC, text),
    "rocm-smi": rocm_smi.parse,
    "xpu-smi": xpu_smi.parse,
    "npu-smi": npu_smi.parse,
    "system_profiler": apple.parse,
    "sysctl": lambda text: apple.parse(APPLE, text),
}
RECORDED = (NVIDIA, MIG_LIST, ROCM, AMD_STATIC, AMD_USAGE, XPU_LIST, XPU_ONE, NPU, APPLE)


def test_nvidia_smi_tells_cards_with_memory_driver_and_capability() -> None:
    first, second = nvidia_smi.parse(NVIDIA)
    assert (first.index, first.profile, first.driver) == ("0", "rtx-4090", "570.86.10")
    assert (second.profile, second.compute_capability) == ("h100-80gb", "9.0")
    assert second.total_gib == pytest.approx(79.65, abs=0.01)
    assert second.free_gib == pytest.approx(79.1, abs=0.01)


def test_nvidia_smi_of_an_old_driver_lacks_the_capability_and_still_tells_the_card() -> None:
    (card,) = nvidia_smi.parse("0, Tesla T4, GPU-x, 450.51, 15109, 15000, [N/A], 0x1EB810DE\n")
    assert card.profile == "t4"


def test_mig_instances_stand_in_for_their_card_in_nvidia_smi() -> None:
    found = nvidia_smi.parse(MIG_CARD, MIG_LIST)
    assert [(one.index, one.profile, one.uuid, one.mig) for one in found] == [
        ("0:0", "h100-80gb-mig-3g.40gb", "MIG-1111", True),
        ("0:1", "h100-80gb-mig-1g.10gb", "MIG-2222", True),
    ]


def test_unified_memory_is_the_systems_where_nvidia_smi_gives_none() -> None:
    (card,) = nvidia_smi.parse(GB10, "", (119.68, 110.0))
    assert (card.profile, card.unified, card.total_gib, card.free_gib) == ("gb10", True, 119.68, 110.0)


def test_rocm_smi_tells_cards_and_memory_tells_apart_what_one_pci_id_covers() -> None:
    first, second = rocm_smi.parse(ROCM)
    assert (first.profile, first.gfx, first.driver, first.uuid) == ("mi300x", "gfx942", "6.10.5", "0x1234")
    assert first.free_gib == pytest.approx(191.7, abs=0.1)
    assert second.profile == "rx-7800-xt"


def test_rocm_smi_may_warn_before_its_document() -> None:
    assert len(rocm_smi.parse("WARNING: AMD GPU device(s) is/are in a low-power state.\n" + ROCM)) == 2


@pytest.mark.parametrize(
    "before", ["WARNING: AMD GPU device(s) is/are in a low-power state.\n\n", "[WARN] old\n"]
)
def test_a_blank_line_or_a_bracketed_warning_before_the_document_is_passed_over(before: str) -> None:
    card = {
        "Card Series": "Radeon RX 7900 XT",
        "VRAM Total Memory (B)": "21458059264",
        "GFX Version": "gfx1100",
    }
    (gpu,) = rocm_smi.parse(before + json.dumps({"card0": card}))
    assert gpu.profile == "rx-7900-xt"


def test_the_display_controller_of_a_processor_is_no_card() -> None:
    serving = {"Card Series": "Navi 21", "VRAM Total Memory (B)": "17163091968", "GFX Version": "gfx1030"}
    console = {"Card Series": "Raphael", "VRAM Total Memory (B)": "67108864", "GFX Version": "gfx1036"}
    assert [gpu.index for gpu in rocm_smi.parse(json.dumps({"card0": console, "card1": serving}))] == ["1"]
    rows = [{"gpu": 0, "asic": {"market_name": "Raphael"}, "vram": {"size": {"value": 64, "unit": "MB"}}}]
    assert amd_smi.parse(json.dumps(rows)) == ()


def test_both_chips_of_a_card_without_hbm_have_their_own_memory() -> None:
    table = (
        "| npu-smi 25.2.0                                   Version: 25.2.0      |\n"
        "| NPU     Name     | Health          | Power(W)     Hugepages-Usage(page) |\n"
        "| 2       310P3    | OK              | NA           45      0     / 0     |\n"
        "| 0       0        | 0000:01:00.0    | 0            1529 / 44280          |\n"
        "| 2       310P3    | OK              | NA           43      0     / 0     |\n"
        "| 1       1        | 0000:01:00.0    | 0            1412 / 43693          |\n"
    )
    assert [round(gpu.total_gib or 0, 1) for gpu in npu_smi.parse(table)] == [43.2, 42.7]


def test_amd_smi_tells_free_memory_and_knows_unified_memory_by_the_chip() -> None:
    first, second = amd_smi.parse(AMD_STATIC, AMD_USAGE, (125.1, 100.0))
    assert (first.profile, first.unified) == ("mi300x", False)
    assert first.free_gib == pytest.approx(191.7, abs=0.1)
    assert (second.profile, second.unified, second.total_gib) == ("strix-halo-128gb", True, 125.1)


def test_xpu_smi_tells_memory_of_one_device_only_when_asked_for_it() -> None:
    (listed,) = xpu_smi.parse(XPU_LIST)
    (asked,) = xpu_smi.parse(XPU_ONE)
    assert (listed.profile, listed.total_gib) == ("max-1100", None)
    assert (asked.profile, asked.driver) == ("max-1100", "23.35.27191.42")
    assert asked.total_gib == pytest.approx(47.98, abs=0.01)


def test_npu_smi_tells_each_chip_in_the_order_of_its_table() -> None:
    first, second = npu_smi.parse(NPU)
    assert (first.index, first.profile, first.total_gib) == ("0", "ascend-910b3-64gb", 64.0)
    assert (second.index, second.profile, second.driver) == ("1", "ascend-910b4-32gb", "24.1.rc1")
    assert second.free_gib == pytest.approx(29.24, abs=0.01)


def test_an_apple_chip_is_told_apart_by_the_systems_memory() -> None:
    (card,) = apple.parse(APPLE, "206158430208\n")
    assert (card.profile, card.unified, card.total_gib) == ("apple-m2-ultra-192gb", True, 192.0)


def test_gpus_of_other_makers_in_an_apple_computer_run_no_engine() -> None:
    assert apple.parse(json.dumps({"SPDisplaysDataType": [{"sppci_model": "AMD Radeon Pro 5500M"}]})) == ()


KEYS = (
    "gpu",
    "asic",
    "card0",
    "device_list",
    "device_id",
    "device_name",
    "SPDisplaysDataType",
    "vram",
    "size",
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(KEYS), inner), max_leaves=8
).map(json.dumps)


def _cards_or_problem(name: str, text: str) -> tuple[DetectedGpu, ...]:
    """The cards; none where the parser says that the text is not its tool's."""
    try:
        return PARSERS[name](text)
    except ToolOutputError:
        return ()


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=40, deadline=None)
@given(text=st.text() | DOCUMENTS)
def test_any_text_gives_cards_or_a_named_problem(name: str, text: str) -> None:
    assert all(isinstance(one, DetectedGpu) for one in _cards_or_problem(name, text))


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_damaged_output_gives_cards_or_a_named_problem(name: str, data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(RECORDED))
    cut = data.draw(st.integers(0, len(text)))
    damaged = text[:cut] + data.draw(st.text(max_size=5)) + text[cut + data.draw(st.integers(0, 20)) :]
    found = _cards_or_problem(name, damaged)
    assert all(one.total_gib is None or one.total_gib > 0 for one in found)
