"""Claims about what engines take of a card by default, by version, card, ranks and kind of model."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.fit.architecture import Architecture, VisionTower
from modelscan_catalog.fit.architecture_parse import parse_architecture
from modelscan_catalog.fit.card_rules import card_rules, variant_utilization
from modelscan_catalog.fit.engine_rules import default_utilization, engine_rules, served_version
from modelscan_catalog.fit.evaluate import evaluate
from modelscan_catalog.fit.tables import table


@pytest.mark.parametrize(
    ("version", "total_gib", "ranks", "share"),
    [
        ("0.4.3", 79.6, 1, 0.88),
        ("0.4.3", 79.6, 8, 0.81),
        ("0.4.9", 79.6, 2, 0.868),
        ("0.4.9", 23.6, 1, 0.877),
        ("0.5.5", 79.6, 1, 0.835),
        ("0.5.5", 39.5, 1, 0.831),
        ("0.5.23", 79.6, 2, 0.828),
        ("0.5.23", 23.6, 1, 0.699),
        ("0.5.23", 178.0, 8, 0.848),
    ],
)
def test_sglangs_default_share_follows_version_card_and_ranks(
    version: str, total_gib: float, ranks: int, share: float
) -> None:
    found = default_utilization(engine_rules("sglang", version), total_gib, ranks)

    assert found == pytest.approx(share, abs=0.0011)


@given(
    version=st.sampled_from(["0.3.0", "0.4.3", "0.4.9", "0.5.5", "0.5.12", "0.5.23", ""]),
    total_gib=st.floats(7.0, 300.0),
    ranks=st.sampled_from([1, 2, 3, 4, 8, 16]),
    stages=st.sampled_from([1, 2, 4]),
)
def test_sglangs_default_share_is_a_share_that_more_ranks_never_raise(
    version: str, total_gib: float, ranks: int, stages: int
) -> None:
    rules = engine_rules("sglang", version)
    share = default_utilization(rules, total_gib, ranks, stages)

    assert 0 <= share < 1
    assert default_utilization(rules, total_gib, 2 * ranks, stages) <= share


def test_sglang_leaves_less_for_latent_attention_and_image_towers() -> None:
    card = card_rules(79.6, "H100", engine="sglang", version="0.5.23")
    tower = VisionTower(300_000_000, False, 1024, 576, 24, (), "test")
    plain = parse_architecture(
        table("fit/configs.json")["models"]["meta-llama/Llama-3.1-8B-Instruct"]["config"]
    )
    assert isinstance(plain, Architecture)

    assert variant_utilization(card, plain) == card.utilization
    assert variant_utilization(card, replace(plain, vision=tower)) == pytest.approx(0.95 * card.utilization)
    assert card.latent_cut == pytest.approx((1536 - 58 * 8) / 1024 / 79.6)
    assert card_rules(79.6, "H100").latent_cut == 0


@pytest.mark.parametrize(
    ("version", "gpu", "notebook", "served"),
    [
        ("0.8.5", "T4-16GB", False, "0.8.5 V0"),
        ("0.8.5", "RTX 2080Ti", False, "0.8.5 V0"),
        ("0.8.5", "H100", False, "0.8.5"),
        ("0.8.5", "A100-40GB", True, "0.8.5 V0"),
        ("0.8.5 V1", "T4-16GB", False, "0.8.5 V1"),
        ("0.11.0", "T4-16GB", False, "0.11.0"),
        ("no number", "T4-16GB", False, "no number"),
    ],
)
def test_old_cards_and_notebooks_were_served_by_v0(
    version: str, gpu: str, notebook: bool, served: str
) -> None:
    assert served_version("vllm", version, gpu, notebook=notebook) == served


@pytest.mark.parametrize(
    ("version", "counted"),
    [
        ("0.6.4", 0),
        ("0.6.6 V0", 1),
        ("0.7.0", 0),
        ("0.7.0 V1", 1),
        ("0.8.4", 1),
        ("0.8.4 V0", 0),
        ("0.9.1", 0),
    ],
)
def test_versions_that_count_cudas_context_log_more_non_torch_memory(version: str, counted: int) -> None:
    assert engine_rules("vllm", version).context_counted == bool(counted)


def test_smaller_card_has_a_smaller_context() -> None:
    small, large = (card_rules(size, "card", version="0.8.4") for size in (44.4, 79.2))

    assert small.non_torch_shift_gib < large.non_torch_shift_gib == 0


@pytest.mark.parametrize(("share", "verdict"), [(0.85, "fits"), (0.89, "tight")])
def test_share_beyond_what_unified_memory_has_free_is_tight(share: float, verdict: str) -> None:
    request = {"model": "meta-llama/Llama-3.1-8B-Instruct", "gpu": "GB10", "gpu_memory_utilization": share}

    assert evaluate({**request, "max_model_len": 8192})["verdict"] == verdict
