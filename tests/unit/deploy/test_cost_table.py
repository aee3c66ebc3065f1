"""Own cards against sellers: each row's figures follow from each other, and free sellers are no yardstick."""

import json

import pytest
from deployment_plan_samples import MODEL, publish

from modelscan_catalog.fit.profiles import find_profile
from modelscan_catalog.registry.cost_table import CostRow, cost_rows


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[CostRow]:
    root = publish(tmp_path_factory.mktemp("published"))
    free = {"id": f"gift/{MODEL}", "provider": "gift", "provider_model": MODEL, "model": MODEL,
            "observed_at": "2026-09-30T00:00:00Z", "price": {"input": 0.0, "output": 0.0}}  # fmt: skip
    (root / "offers" / "gift.jsonl").write_text(json.dumps(free, separators=(",", ":")) + "\n")
    return list(cost_rows(root))


def test_only_sold_models_on_cards_with_a_price_are_compared(rows: list[CostRow]) -> None:
    assert {row.model for row in rows} == {MODEL}
    assert len({row.gpu for row in rows}) == len(rows) > 5
    assert all(find_profile(row.gpu).price_usd_per_hour for row in rows)


def test_the_yardstick_is_the_cheapest_seller_that_asks_for_money(rows: list[CostRow]) -> None:
    # The cheap one asks 0.2 in and 0.4 out; each output token brings three of input.
    assert {(row.seller, round(row.seller_usd_per_mtok, 9)) for row in rows} == {("cheap", 1.0)}


def test_a_days_break_even_is_where_the_seller_costs_what_the_cards_cost(rows: list[CostRow]) -> None:
    for row in rows:
        bill = row.break_even_tokens_per_day / 1e6 * row.seller_usd_per_mtok
        assert bill == pytest.approx(24 * row.usd_per_hour)
        assert row.break_even_load == pytest.approx(
            row.break_even_tokens_per_day / (row.tokens_per_s * 86_400)
        )
        assert row.own_usd_per_mtok == pytest.approx(row.usd_per_hour / (row.tokens_per_s * 3600) * 1e6)
        assert row.own_usd_per_mtok_low <= row.own_usd_per_mtok <= row.own_usd_per_mtok_high
        assert row.context == 8192
