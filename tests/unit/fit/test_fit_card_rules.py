"""Claims about what engines take of a card by default, by version, card, ranks and kind of model."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.fit.architecture import Architecture, VisionTower
from modelscan_catalog.fit.architecture_parse import parse_architecture
from modelscan_catalog.fit.card_rules import card_rules, variant_utilization
from modelscan_catalog.fit.engine_rules import default_utilization, engine_rules
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
