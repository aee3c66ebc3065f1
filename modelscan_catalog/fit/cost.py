"""What a million tokens cost on one's own cards, and from which load on that is below a seller's price."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from modelscan_catalog.errors import FitInputError
from modelscan_catalog.fit.candidates import Candidate
from modelscan_catalog.fit.matrix_terms import FitVariant
from modelscan_catalog.fit.profiles import GpuProfile
from modelscan_catalog.fit.speed import Band, blended_usd_per_mtok, break_even_load, usd_per_mtok
from modelscan_catalog.fit.tables import table


@dataclass(frozen=True, slots=True)
class OfferPrice:
    """A seller's price of a model, USD per million tokens."""

    seller: str
    input_usd_per_mtok: float
    output_usd_per_mtok: float


@dataclass(frozen=True, slots=True)
class OwnCost:
    """Cost on own cards at full load, per million output tokens with their input; low is cheap."""

    usd_per_hour: float
    price_source: str
    """The profile's source key, or `given`."""
    input_per_output: float
    tokens_per_s: Band
    """Output tokens a second at full load, prefill of their input included."""
    usd_per_mtok: Band


@dataclass(frozen=True, slots=True)
class Comparison:
    """An offer against own cards."""

    offer: OfferPrice
    offer_usd_per_mtok: float
    """Of a million output tokens with their input."""
    break_even_load: Band | None
    """Share of full load from which own cards cost less; above 1 they never do. None for a free offer."""


def usual_context(variants: Iterable[FitVariant]) -> int:
    """Tokens of a request where nobody says how long they are: `policy.json`'s, or the declared if less.

    At the declared context hardly a request runs beside another, and no card looks worth its price.
    """
    usual = int(table("fit/policy.json")["request_tokens"])
    return min(usual, max((one.declared_context or 0 for one in variants), default=0) or usual)


def own_cost(
    candidate: Candidate,
    profile: GpuProfile,
    usd_per_hour: float | None = None,
    input_per_output: float | None = None,
) -> OwnCost | None:
    """The cost of a candidate that starts; None where the price or the speed is not known.

    `usd_per_hour` is one card's price, by default the profile's. Each output token brings `input_per_output`
    input tokens (default in `policy.json`), prefilled at the speed of one prompt of the planned context.
    Raises FitInputError for a negative price or ratio.
    """
    ratio = input_per_output
    if ratio is None:
        ratio = float(table("fit/policy.json")["input_tokens_per_output_token"])
    for name, value in (("usd_per_hour", usd_per_hour), ("input_per_output", ratio)):
        if value is not None and not 0 <= value < math.inf:
            raise FitInputError(f"{name}: {value} is no amount; give 0 or more", field=name)
    price = profile.price_usd_per_hour if usd_per_hour is None else usd_per_hour
    output, first, context = candidate.throughput_tok_s, candidate.ttft_s, candidate.context
    if price is None or output is None or first is None or not context:
        return None
    hourly = price * candidate.tp * candidate.pp

    def rate(tokens_per_s: float, first_s: float) -> float:
        return 1.0 / (1.0 / tokens_per_s + ratio * first_s / context)

    tokens = Band(rate(output.low, first.high), rate(output.point, first.point), rate(output.high, first.low))
    low, point, high = (
        float(usd_per_mtok(hourly, speed)) for speed in (tokens.high, tokens.point, tokens.low)
    )
    source = profile.sources.get("price_usd_per_hour", "given") if usd_per_hour is None else "given"
    return OwnCost(hourly, source, ratio, tokens, Band(low, point, high))


def compare(cost: OwnCost, offers: Iterable[OfferPrice]) -> list[Comparison]:
    """Offers against own cards, the cheapest first."""
    compared = []
    for offer in offers:
        price = float(
            blended_usd_per_mtok(offer.input_usd_per_mtok, offer.output_usd_per_mtok, cost.input_per_output)
        )
        load = None
        if price > 0:
            speeds = cost.tokens_per_s
            low, point, high = (
                float(break_even_load(cost.usd_per_hour, speed, price))
                for speed in (speeds.high, speeds.point, speeds.low)
            )
            load = Band(low, point, high)
        compared.append(Comparison(offer, price, load))
    return sorted(compared, key=lambda one: (one.offer_usd_per_mtok, one.offer.seller))
