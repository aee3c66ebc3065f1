"""The order of models for a class of query: modality first, then quality, price and latency by weights."""

import math
from collections.abc import Mapping, Sequence

from modelscan_catalog.router.config import QueryClass, RouterModel, Weights

OUTPUT_SHARE = 0.25
"""Share of output tokens in the price that models and targets are ordered by."""
_UNKNOWN = 0.5
"""A model whose quality, price or latency nobody knows ranks in the middle on it."""
_RESEARCH_CONTEXT = 100_000
"""Tokens that a research model must hold: a few papers at once."""


def usual_cost(input_price: float | None, output_price: float | None) -> float:
    """USD for a million tokens of usual traffic; infinite while unknown."""
    if input_price is None or output_price is None:
        return math.inf
    return (1 - OUTPUT_SHARE) * input_price + OUTPUT_SHARE * output_price


def class_order(
    models: Sequence[RouterModel],
    query_class: QueryClass,
    weights: Weights,
    first_byte_s: Mapping[str, Sequence[float | None]],
) -> tuple[RouterModel, ...]:
    """``models`` that can take a query of ``query_class``, best first.

    Each of quality (given), price (cheapest target) and latency (fastest target seen) becomes a rank between
    0 and 1 among the candidates; the weighted sum of ranks decides, then the id. Deprecated models and
    those that do not write text are left out.
    """
    candidates = [model for model in models if _can_take(model, query_class)]
    prices: dict[str, float | None] = {}
    latencies: dict[str, float | None] = {}
    for model in candidates:
        price = min(usual_cost(target.input_price, target.output_price) for target in model.targets)
        prices[model.id] = None if math.isinf(price) else -price
        seen = [seconds for seconds in first_byte_s.get(model.id, ()) if seconds is not None]
        latencies[model.id] = -min(seen) if seen else None
    ranks = (
        (weights.quality, _ranks({model.id: model.quality for model in candidates})),
        (weights.price, _ranks(prices)),
        (weights.latency, _ranks(latencies)),
    )
    return tuple(
        sorted(
            candidates, key=lambda model: (-sum(weight * rank[model.id] for weight, rank in ranks), model.id)
        )
    )


def _can_take(model: RouterModel, query_class: QueryClass) -> bool:
    if model.deprecated or model.task != "chat" or (model.output and "text" not in model.output):
        return False
    if query_class == "multimedia":
        return bool({*model.input} - {"text"})
    if query_class == "research":
        return model.context is not None and model.context >= _RESEARCH_CONTEXT
    return True


def _ranks(values: Mapping[str, float | None]) -> dict[str, float]:
    """1 for the highest value, 0 for the lowest, equal values alike, ``_UNKNOWN`` for null."""
    distinct = sorted({value for value in values.values() if value is not None})
    steps = max(len(distinct) - 1, 1)
    position = {value: index / steps if len(distinct) > 1 else 1.0 for index, value in enumerate(distinct)}
    return {name: _UNKNOWN if value is None else position[value] for name, value in values.items()}
