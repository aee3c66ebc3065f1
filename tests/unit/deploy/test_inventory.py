"""A cluster's cards come from GPUStack's workers and devices and from Kubernetes' nodes alike."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelscan_catalog.deploy.inventory import inventory_of, read_inventory
from modelscan_catalog.errors import FitInputError

GIB = 1 << 30


def _device(**more: Any) -> dict[str, Any]:
    return {
        "name": "NVIDIA H100 80GB HBM3",
        "vendor": "nvidia",
        "type": "cuda",
        "index": 0,
        "uuid": "GPU-1",
        "memory": {"total": 80 * GIB, "used": 2 * GIB, "is_unified_memory": False},
    } | more


def _worker(*devices: Any, name: str = "w1") -> dict[str, Any]:
    return {"name": name, "status": {"memory": {"total": 512 * GIB}, "gpu_devices": list(devices)}}


def _node(labels: dict[str, str], allocatable: dict[str, str], **capacity: str) -> dict[str, Any]:
    return {
        "kind": "Node",
        "metadata": {"name": "n1", "labels": labels},
        "status": {"allocatable": allocatable, "capacity": allocatable | capacity},
    }


NVIDIA_LABELS = {
    "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB",
    "nvidia.com/gpu.memory": "40960",
    "nvidia.com/gpu.count": "8",
    "nvidia.com/gpu.compute.major": "8",
    "nvidia.com/gpu.compute.minor": "0",
    "nvidia.com/cuda.driver.major": "550",
    "nvidia.com/cuda.driver.minor": "90",
    "nvidia.com/cuda.driver.rev": "07",
}


def test_a_workers_devices_become_cards_with_their_free_memory() -> None:
    (card,) = inventory_of(_worker(_device(driver_version="550.1", compute_capability="9.0"))).gpus
    assert (card.machine, card.profile, card.driver, card.free_gib) == ("w1", "h100-80gb", "550.1", 78.0)


@pytest.mark.parametrize("wrap", [lambda row: [row], lambda row: {"items": [row], "pagination": {}}])
def test_a_list_and_a_page_hold_the_same_workers(wrap: Any) -> None:
    assert inventory_of(wrap(_worker(_device()))) == inventory_of(_worker(_device()))


def test_devices_of_the_devices_list_name_their_worker() -> None:
    page = {"items": [_device(worker_name="w7", id="w7:cuda:0")]}
    (card,) = inventory_of(page).gpus
    assert (card.machine, card.profile) == ("w7", "h100-80gb")


def test_a_vendor_that_is_no_name_is_read_from_the_devices_type() -> None:
    (card,) = inventory_of(_worker(_device(vendor="12884901888"))).gpus
    assert card.vendor == "nvidia"


def test_a_vendor_without_profiles_keeps_its_name() -> None:
    (card,) = inventory_of(_worker(_device(name="MTT S4000", vendor="mthreads", type="musa"))).gpus
    assert (card.vendor, card.profile) == ("mthreads", None)


def test_a_device_without_a_name_is_reported_and_the_others_stay() -> None:
    found = inventory_of(_worker(_device(name=""), "nonsense", _device()))
    assert len(found.gpus) == 1
    assert found.problems == ("worker w1: device 0 has no name", "worker w1: device 1 has no name")


def test_workers_without_gpus_are_an_answer() -> None:
    found = inventory_of([_worker(), {"name": "w2", "status": None}])
    assert (found.gpus, found.note) == ((), "2 machines without a GPU")
    assert inventory_of({"items": []}).note == "it lists no machine"


def test_cards_of_a_file_are_not_said_to_be_this_machines(tmp_path: Path) -> None:
    path = tmp_path / "cards.json"
    path.write_text(json.dumps(_worker(_device())))
    assert read_inventory(path).place == str(path)


def test_a_node_has_as_many_cards_as_can_be_allocated() -> None:
    node = _node(NVIDIA_LABELS, {"nvidia.com/gpu": "6"}, **{"nvidia.com/gpu": "8"})
    found = inventory_of({"kind": "List", "items": [node]})
    assert {(gpu.profile, gpu.driver, gpu.compute_capability) for gpu in found.gpus} == {
        ("a100-40gb", "550.90.07", "8.0")
    }
    assert [gpu.index for gpu in found.gpus] == ["0", "1", "2", "3", "4", "5"]
    assert found.problems == ("node n1: 2 of 8 nvidia.com/gpu cannot be allocated",)


def test_mig_resources_of_a_node_are_instances() -> None:
    labels = NVIDIA_LABELS | {
        "nvidia.com/mig-3g.20gb.product": "NVIDIA-A100-SXM4-40GB-MIG-3g.20gb",
        "nvidia.com/mig-3g.20gb.memory": "19968",
    }
    found = inventory_of(_node(labels, {"nvidia.com/mig-3g.20gb": "2", "cpu": "64"}))
    assert [(gpu.profile, gpu.mig) for gpu in found.gpus] == [("a100-40gb-mig-3g.20gb", True)] * 2


def test_a_shared_card_is_the_card() -> None:
    labels = NVIDIA_LABELS | {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB-SHARED"}
    (card,) = inventory_of(_node(labels, {"nvidia.com/gpu.shared": "1"})).gpus
    assert card.profile == "a100-40gb"


def test_amd_nodes_are_told_by_product_or_by_device_id() -> None:
    named = {"amd.com/gpu.product-name": "AMD_Instinct_MI300X_OAM", "amd.com/gpu.vram": "192G"}
    numbered = {"amd.com/gpu.device-id": "74b5", "amd.com/gpu.vram": "191G"}
    for labels in (named, numbered):
        (card,) = inventory_of(_node(labels, {"amd.com/gpu": "1"})).gpus
        assert card.profile == "mi300x"


def test_ascend_and_cloud_labels_tell_the_card() -> None:
    (npu,) = inventory_of(
        _node({"node.kubernetes.io/npu.chip.name": "910B3"}, {"huawei.com/Ascend910": "1"})
    ).gpus
    (cloud,) = inventory_of(
        _node({"cloud.google.com/gke-accelerator": "nvidia-l4"}, {"nvidia.com/gpu": "1"})
    ).gpus
    assert (npu.profile, cloud.profile) == ("ascend-910b3-64gb", "l4")


def test_a_card_without_labels_is_custom_and_says_so() -> None:
    (card,) = inventory_of(_node({}, {"nvidia.com/gpu": "1"})).gpus
    assert (card.name, card.vendor, card.profile) == ("nvidia.com/gpu of an unlabelled node", "nvidia", None)


def test_a_labelled_node_without_allocatable_cards_is_reported() -> None:
    found = inventory_of(_node(NVIDIA_LABELS, {"cpu": "4"}))
    assert found.gpus == ()
    assert "no nvidia.com/gpu is allocatable" in found.problems[0]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(b"{", "is no JSON"), (b"3", "neither an object nor a list"), (b'{"a": 1}', "item 0 is neither")],
)
def test_other_files_are_refused_by_name(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "cards.json"
    path.write_bytes(content)
    with pytest.raises(FitInputError, match=complaint) as refused:
        read_inventory(path)
    assert str(path) in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FitInputError, match=r"none\.json cannot be read"):
        read_inventory(tmp_path / "none.json")


KEYS = st.sampled_from(
    ["items", "name", "status", "metadata", "labels", "gpu_devices", "memory", "total", "index", "vendor",
     "allocatable", "capacity", "nvidia.com/gpu", "nvidia.com/gpu.product", "amd.com/gpu.vram", "worker_name",
     "uuid"]
)  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers(-5, 3000) | st.floats() | st.text(max_size=8)


@settings(max_examples=200, deadline=None)
@given(st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=12))
def test_any_document_is_an_inventory_or_refused(document: Any) -> None:
    try:
        found = inventory_of(json.loads(json.dumps(document)))
    except FitInputError as refused:
        found = None
        message = str(refused)
    assert found is not None or message.startswith("from: ")
