"""The order of models for a class: only those that can take it, and no weight is ignored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.router.config import CLASSES, RouterModel, Target, Weights
from modelscan_catalog.router.policy import class_order

EVEN = Weights(quality=1, price=1, latency=1)


def model(name, price=None, **fields):
    target = Target(provider="p", model=name, input_price=price, output_price=price)
    return RouterModel(id=name, targets=(target,), **fields)


@pytest.mark.parametrize(
    ("weights", "first"),
    [
        (Weights(quality=1, price=0, latency=0), "clever"),
        (Weights(quality=0, price=1, latency=0), "cheap"),
        (Weights(quality=0, price=0, latency=1), "quick"),
    ],
)
def test_given_one_weight_when_ordered_then_the_best_by_it_comes_first(weights, first):
    models = [
        model("cheap", 0.1, quality=0.1),
        model("clever", 9.0, quality=0.9),
        model("quick", 5.0, quality=0.5),
    ]
    seen = {"cheap": [2.0], "clever": [3.0, None], "quick": [9.0, 0.1]}
    assert class_order(models, "technical", weights, seen)[0].id == first


@pytest.mark.parametrize(
    ("query_class", "fields", "taken"),
    [
        ("simple", {}, True),
        ("simple", {"deprecated": True}, False),
        ("simple", {"task": "embedding"}, False),
        ("simple", {"output": ["audio"]}, False),
        ("multimedia", {"input": ["text"]}, False),
        ("multimedia", {"input": ["text", "image"]}, True),
        ("research", {}, False),
        ("research", {"context": 99_999}, False),
        ("research", {"context": 100_000}, True),
    ],
)
def test_given_a_model_when_ordered_then_it_is_there_only_if_it_can_take_the_class(
    query_class, fields, taken
):
    assert bool(class_order([model("m", 1.0, **fields)], query_class, EVEN, {})) is taken


@given(
    st.lists(st.tuples(st.none() | st.floats(0, 100), st.none() | st.floats(0, 1)), max_size=8),
    st.sampled_from(CLASSES),
    st.randoms(),
)
def test_given_any_models_when_ordered_then_the_order_does_not_depend_on_how_they_came(
    values, query_class, shuffler
):
    models = [
        model(f"m{number}", price, quality=quality, context=200_000, input=("text", "image"))
        for number, (price, quality) in enumerate(values)
    ]
    shuffled = models[:]
    shuffler.shuffle(shuffled)
    order = class_order(models, query_class, EVEN, {})
    assert order == class_order(shuffled, query_class, EVEN, {})
    assert sorted(one.id for one in order) == [one.id for one in models]
