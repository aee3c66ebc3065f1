"""What a load of tokens costs: at each seller by its tiers, and on cards of one's own at full load."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from modelscan_catalog.errors import FitInputError
from modelscan_catalog.registry.details import model_details
from modelscan_catalog.registry.files import Row
from modelscan_catalog.registry.registry import Registry


@dataclass(frozen=True)
class Load:
    """Million tokens in and out, the share of input that a cache holds, and the length of a request."""

    input_mtok: float = 3.0
    output_mtok: float = 1.0
    cached: float = 0.0
    context_tokens: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("input", self.input_mtok), ("output", self.output_mtok)):
            if not 0 <= value < math.inf:
                raise FitInputError(f"{name}: {value} is no amount of tokens; give 0 or more", field=name)
        if not 0 <= self.cached <= 1:
            raise FitInputError(f"cached: {self.cached} is no share; give 0 to 1", field="cached")
        if self.context_tokens is not None and self.context_tokens < 1:
            raise FitInputError(f"context: {self.context_tokens} is below 1", field="context")


def offer_cost(offer: Row, load: Load) -> float | None:
    """USD of ``load`` at one offer; None where a price that it needs is not stated.

    Cached input costs the cache's price, or the input's where the seller names none. Of tiers, the one with
    the largest bound below the request's length holds.
    """
    price = _tier_price(offer.get("price") or {}, load.context_tokens)
    if ("input" not in price and load.input_mtok) or ("output" not in price and load.output_mtok):
        return None
    paid_in, paid_out = float(price.get("input", 0)), float(price.get("output", 0))
    cache = float(price.get("cache_read", paid_in))
    fresh = load.input_mtok * (1 - load.cached)
    return round(fresh * paid_in + load.input_mtok * load.cached * cache + load.output_mtok * paid_out, 6)


def _tier_price(price: Row, context_tokens: int | None) -> Row:
    reached = [
        tier for tier in price.get("tiers", ()) if (context_tokens or 0) > tier["above_context_tokens"]
    ]
    if not reached:
        return price
    highest: Row = max(reached, key=lambda tier: int(tier["above_context_tokens"]))
    return price | highest


def model_costs(
    registry: Registry,
    query: str,
    load: Load,
    gpu_profile: str | None = None,
    usd_per_hour: float | None = None,
) -> dict[str, Any]:
    """Each seller's cost of ``load``, cheapest first, and that of named cards at full load.

    ``own_cards`` is None without ``gpu_profile`` and where the cards cannot serve the model, which
    ``own_cards_refused`` explains. Raises ``UnknownIdError``, ``AmbiguousIdError`` or ``FitInputError``.
    """
    found = model_details(registry, query)
    rows = []
    for offer in found["offers"]:
        usd = offer_cost(offer, load)
        longest = offer.get("limits", {}).get("context")
        if usd is None or (load.context_tokens and longest and longest < load.context_tokens):
            continue
        price = _tier_price(offer["price"], load.context_tokens)
        rows.append(
            {
                "provider": offer["provider"],
                "provider_model": offer["provider_model"],
                "usd": usd,
                "input_usd_per_mtok": price.get("input"),
                "output_usd_per_mtok": price.get("output"),
                "context": longest,
                "observed_at": offer["observed_at"],
                "status": offer.get("status"),
            }
        )
    own, refused = None, None
    if gpu_profile is not None:
        own, refused = _own_cards(registry, found, load, gpu_profile, usd_per_hour)
    return {
        "model": found["model"]["id"],
        "input_mtok": load.input_mtok,
        "output_mtok": load.output_mtok,
        "offers": sorted(rows, key=lambda row: (row["usd"], row["provider"])),
        "own_cards": own,
        "own_cards_refused": refused,
    }


def _own_cards(
    registry: Registry, found: dict[str, Any], load: Load, gpu_profile: str, usd_per_hour: float | None
) -> tuple[dict[str, Any] | None, str | None]:
    from modelscan_catalog.fit.cost import OfferPrice, compare, own_cost, usual_context
    from modelscan_catalog.fit.plan import plan
    from modelscan_catalog.fit.profiles import resolve_gpu
    from modelscan_catalog.fit.published import PublishedRegistry
    from modelscan_catalog.registry.planning import why_not

    profile, count = resolve_gpu(gpu_profile)
    try:
        model = PublishedRegistry(registry.published).find(found["model"]["id"])
    except FitInputError as error:
        return None, str(error)
    context = load.context_tokens or usual_context(model.variants)
    planned = plan(model.variants, profile, count, context=context, with_alternatives=False)
    chosen = planned.chosen
    if chosen is None or not chosen.starts:
        return None, f"{model.id} on {gpu_profile}: {why_not(planned)}"
    ratio = load.input_mtok / load.output_mtok if load.output_mtok else None
    cost = own_cost(chosen, profile, usd_per_hour, ratio)
    if cost is None:
        return None, f"{profile.id}: its price or its speed is not known; give --gpu-price"
    offers = [
        OfferPrice(offer["provider"], offer["price"]["input"], offer["price"]["output"])
        for offer in found["offers"]
        if {"input", "output"} <= (offer.get("price") or {}).keys()
    ]
    return {
        "gpu": f"{chosen.tp * chosen.pp} x {profile.name}",
        "checkpoint": chosen.variant.variant_id,
        "usd_per_hour": cost.usd_per_hour,
        "price_source": cost.price_source,
        "context": chosen.context,
        "usd_per_mtok": [cost.usd_per_mtok.low, cost.usd_per_mtok.high],
        "break_even": [
            {
                "seller": one.offer.seller,
                "usd_per_mtok": one.offer_usd_per_mtok,
                "load": one.break_even_load.point if one.break_even_load else None,
            }
            for one in compare(cost, offers)
            if one.offer_usd_per_mtok > 0
        ],
    }, None
