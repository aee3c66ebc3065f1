"""Claims about the cost of a load at an offer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.errors import FitInputError
from modelscan_catalog.registry.costs import Load, offer_cost

TIERED = {
    "price": {
        "input": 1.0,
        "output": 4.0,
        "cache_read": 0.1,
        "tiers": [{"above_context_tokens": 200_000, "input": 2.0, "output": 6.0}],
    }
}


def test_a_tier_holds_only_above_its_bound() -> None:
    assert offer_cost(TIERED, Load(1, 1, 0, 200_000)) == 5.0
    assert offer_cost(TIERED, Load(1, 1, 0, 200_001)) == 8.0


def test_cached_input_costs_the_cache_price_or_the_inputs() -> None:
    assert offer_cost(TIERED, Load(1, 0, 1.0)) == pytest.approx(0.1)
    assert offer_cost({"price": {"input": 1.0, "output": 1.0}}, Load(1, 0, 1.0)) == 1.0


def test_an_unstated_price_that_is_needed_is_no_price() -> None:
    assert offer_cost({}, Load()) is None
    assert offer_cost({"price": {"input": 1.0}}, Load(1, 1)) is None
    assert offer_cost({"price": {"input": 1.0}}, Load(1, 0)) == 1.0


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1))
def test_caching_never_costs_more_where_the_cache_is_cheaper(into: float, out: float, share: float) -> None:
    cached, fresh = offer_cost(TIERED, Load(into, out, share)), offer_cost(TIERED, Load(into, out))
    assert cached is not None
    assert fresh is not None
    assert cached <= fresh + 1e-6


@pytest.mark.parametrize("load", [(-1, 1, 0), (1, float("nan"), 0), (1, 1, 1.5), (1, 1, 0, 0)])
def test_an_impossible_load_is_refused(load: tuple[float, ...]) -> None:
    with pytest.raises(FitInputError):
        Load(*load)  # type: ignore[arg-type]
