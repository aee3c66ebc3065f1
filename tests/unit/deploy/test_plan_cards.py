"""Cards to plan on: named, chosen by index, or found; unlike ones count as the smallest."""

from pathlib import Path
from typing import Any

import pytest
from deployment_plan_samples import MODEL, publish

from modelscan_catalog.deploy.detect.mapping import observed
from modelscan_catalog.deploy.gpu import DetectedGpu, Detection
from modelscan_catalog.deploy.plan import DeploymentPlan, PlanRequest
from modelscan_catalog.deploy.plan_cards import choose_cards
from modelscan_catalog.deploy.planner import make_plan
from modelscan_catalog.errors import FitInputError, UnknownIdError


def _h100(index: int, free: float = 79.0) -> DetectedGpu:
    return observed(str(index), "NVIDIA H100 80GB HBM3", total_gib=79.6, free_gib=free, uuid=f"GPU-{index}")


def _l4(index: int) -> DetectedGpu:
    return observed(str(index), "NVIDIA L4", total_gib=22.5, free_gib=22.0)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish(tmp_path_factory.mktemp("published"))


def _plan(published: Path, *gpus: DetectedGpu, **asked: Any) -> DeploymentPlan:
    return make_plan(published, PlanRequest(model=MODEL, **asked), lambda: Detection(gpus))


def _request(**asked: Any) -> PlanRequest:
    return PlanRequest(model=MODEL, **asked)


def test_a_found_machine_gives_no_more_cards_than_serve_as_well(published: Path) -> None:
    plan = _plan(published, *(_h100(i) for i in range(8)))
    assert (plan.gpu_count, plan.tensor_parallel, plan.detected) == (1, 1, True)
    assert "1 of the 8 cards hold it as well, so the others stay free" in plan.reasons


def test_the_cards_with_the_most_free_memory_are_taken(published: Path) -> None:
    plan = _plan(published, _h100(0, free=3.0), _h100(1), _h100(2, free=40.0))
    assert plan.gpu_ids == ("1",)
    assert plan.warnings == ()
    assert plan.device_env() == {"CUDA_VISIBLE_DEVICES": "1"}


def test_a_busy_card_is_warned_of(published: Path) -> None:
    plan = _plan(published, _h100(0, free=10.0))
    assert plan.warnings[0].startswith("GPU 0 has 10.0 GiB free and the engine reserves 72.8")


def test_named_cards_are_all_taken(published: Path) -> None:
    plan = _plan(published, gpu="h100-80gb:4")
    assert (plan.gpu_count, plan.tensor_parallel, plan.gpu_ids, plan.detected) == (4, 4, (), False)
    assert plan.device_env() == {}


def test_indices_choose_among_named_cards() -> None:
    cards = choose_cards(_request(gpu="rtx-4090:4", gpu_ids=("0", "2")))
    assert (cards.count, cards.ids) == (2, ("0", "2"))


def test_unlike_cards_count_as_the_smallest() -> None:
    found = Detection((_h100(0), _l4(1)))
    cards = choose_cards(_request(gpu_ids=("0", "1")), lambda: found)
    assert (cards.profile.id, cards.count) == ("l4", 2)
    assert "planned as the smallest, l4" in cards.remarks[0]


def test_without_indices_one_kind_is_taken_and_the_others_are_named() -> None:
    cards = choose_cards(_request(), lambda: Detection((_l4(0), _h100(1), _h100(2))))
    assert (cards.profile.id, cards.count) == ("h100-80gb", 2)
    assert "left out, being other cards: 0 (NVIDIA L4)" in cards.remarks[0]


def test_a_mig_instance_is_chosen_by_its_uuid() -> None:
    instance = observed("0:1", "NVIDIA H100 80GB HBM3 MIG 3g.40gb", uuid="MIG-1", mig=True)
    cards = choose_cards(_request(gpu_ids=("MIG-1",)), lambda: Detection((_h100(1), instance)))
    assert cards.profile.id == "h100-80gb-mig-3g.40gb"


def test_mig_instances_are_used_one_at_a_time(published: Path) -> None:
    name = "NVIDIA H100 80GB HBM3 MIG 3g.40gb"
    slices = [
        observed(f"0:{i}", name, mig=True, total_gib=39.5, free_gib=39.0 + i, uuid=f"MIG-{i}")
        for i in range(2)
    ]
    plan = _plan(published, *slices)
    assert (plan.verdict, plan.gpu_count, plan.gpu_ids) == ("fits", 1, ("MIG-1",))
    assert any("cannot work as one" in reason for reason in plan.reasons)


def test_a_board_with_unified_memory_is_planned_by_it(published: Path) -> None:
    board = observed(
        "0", "Orin (nvgpu)", vendor="nvidia", total_gib=61.3, unified=True, compute_capability="8.7"
    )
    plan = _plan(published, board)
    assert (plan.verdict, plan.expected.card_gib) == ("fits", 61.3)
    assert any("unified memory" in reason for reason in plan.reasons)


def test_a_custom_card_is_planned_and_said_to_be_one(published: Path) -> None:
    card = observed("0", "Quantum Abacus", vendor="nvidia", total_gib=48.0, compute_capability="9.0")
    plan = _plan(published, card)
    assert (plan.verdict, plan.gpu_profile_id) == ("fits", "custom-quantum-abacus-48gb")
    assert plan.expected.decode_tok_s is None
    assert any("no card of the catalogue" in reason for reason in plan.reasons)


@pytest.mark.parametrize(
    ("asked", "gpus", "complaint"),
    [
        ({}, (), "this machine has no GPU"),
        ({"gpu_ids": ("7",)}, (0,), "this machine has no card 7; it has 0"),
        ({"gpu_ids": ("0", "0")}, (0,), "names a card twice"),
        ({"gpu": "h100-80gb:2", "gpu_ids": ("2",)}, (), "there is no card 2 among 2 x h100-80gb"),
        ({"gpu": "h100-80gb", "gpu_ids": ("x",)}, (), "'x' is no index"),
    ],
)
def test_cards_that_are_not_there_are_named(
    asked: dict[str, Any], gpus: tuple[int, ...], complaint: str
) -> None:
    found = Detection(tuple(_h100(number) for number in gpus), "no driver")
    with pytest.raises(FitInputError, match=complaint):
        choose_cards(_request(**asked), lambda: found)


def test_cards_of_two_vendors_serve_no_engine_together() -> None:
    found = Detection((_h100(0), observed("1", "AMD Instinct MI300X")))
    with pytest.raises(FitInputError, match="several vendors"):
        choose_cards(_request(gpu_ids=("0", "1")), lambda: found)


def test_a_card_of_which_nothing_is_known_says_so() -> None:
    found = Detection((observed("0", "Quantum Abacus", vendor="nvidia"),))
    with pytest.raises(FitInputError, match="its memory is not known"):
        choose_cards(_request(), lambda: found)


def test_an_unknown_name_has_candidates() -> None:
    with pytest.raises(UnknownIdError, match="rtx-4090"):
        choose_cards(_request(gpu="rtx-409"))
