"""Cost: own cards against sellers' prices, with the load from which they pay."""

from dataclasses import replace

import pytest
from fit_plan_samples import LLAMA, MOE
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.errors import FitInputError
from modelscan_catalog.fit.candidates import Placement, judge
from modelscan_catalog.fit.cost import OfferPrice, OwnCost, compare, own_cost
from modelscan_catalog.fit.profiles import find_profile

H100 = find_profile("h100-80gb")
SERVED = judge(LLAMA, Placement(H100, 1, 8192), "vllm")
COST = own_cost(SERVED, H100)


def known(cost: OwnCost | None) -> OwnCost:
    """The cost, which must be known."""
    assert cost is not None
    return cost


def test_the_cost_follows_from_the_profiles_price_and_the_throughput() -> None:
    cost = known(COST)
    assert cost.usd_per_hour == H100.price_usd_per_hour
    assert cost.price_source == "runpod_secure"
    assert cost.usd_per_mtok.low < cost.usd_per_mtok.point < cost.usd_per_mtok.high
    assert cost.usd_per_mtok.point == pytest.approx(cost.usd_per_hour / 3600 / cost.tokens_per_s.point * 1e6)
    assert SERVED.throughput_tok_s is not None
    assert cost.tokens_per_s.point < SERVED.throughput_tok_s.point


def test_all_cards_of_the_split_are_paid_for() -> None:
    two = judge(MOE, Placement(H100, 2, 8192), "vllm")
    assert known(own_cost(two, H100)).usd_per_hour == pytest.approx(2 * (H100.price_usd_per_hour or 0))
    assert known(own_cost(two, H100, usd_per_hour=1.5)).usd_per_hour == 3.0


def test_without_a_price_or_a_speed_the_cost_is_unknown_not_zero() -> None:
    assert own_cost(SERVED, replace(H100, price_usd_per_hour=None)) is None
    assert own_cost(replace(SERVED, throughput_tok_s=None), H100) is None


def test_an_offer_is_matched_at_the_break_even_load() -> None:
    cost = known(COST)
    dear, cheap = OfferPrice("dear", 10.0, 30.0), OfferPrice("cheap", 0.0001, 0.0002)
    free = OfferPrice("free", 0.0, 0.0)
    compared = compare(cost, [dear, cheap, free])
    assert [one.offer.seller for one in compared] == ["free", "cheap", "dear"]
    assert compared[0].break_even_load is None
    never, load = compared[1].break_even_load, compared[2].break_even_load
    assert never is not None
    assert load is not None
    assert load.point < 1 < never.point
    assert load.low < load.point < load.high
    at_break_even = cost.usd_per_hour / 3600 / (cost.tokens_per_s.point * load.point) * 1e6
    assert at_break_even == pytest.approx(compared[2].offer_usd_per_mtok)


@given(st.floats(min_value=0.01, max_value=100), st.floats(min_value=0.0, max_value=50))
def test_more_input_never_makes_output_cheaper(usd_per_hour: float, ratio: float) -> None:
    less = known(own_cost(SERVED, H100, usd_per_hour, ratio))
    more = known(own_cost(SERVED, H100, usd_per_hour, ratio + 1))
    assert more.usd_per_mtok.point >= less.usd_per_mtok.point


@pytest.mark.parametrize(
    ("name", "arguments"), [("usd_per_hour", (-1.0, None)), ("input_per_output", (1.0, -2.0))]
)
def test_a_negative_amount_names_its_field(name: str, arguments: tuple[float, float | None]) -> None:
    with pytest.raises(FitInputError, match=name):
        own_cost(SERVED, H100, *arguments)
