"""Sellers' offers of a model, and open models that can do what a closed one can."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from modelscan_catalog.deploy.plan import ApiRoute, PlanAlternative, PlanRequest
from modelscan_catalog.deploy.plan_cards import Cards
from modelscan_catalog.fit.candidates import Candidate
from modelscan_catalog.fit.plan import plan
from modelscan_catalog.fit.published import PublishedRegistry, Row
from modelscan_catalog.registry.details import by_price

MOST_ROUTES = 5
MOST_OPEN_MODELS = 5
MOST_SMALLER = 3
_TRIED = 60
"""Open models that are planned at most: the most downloaded of those that have the capabilities."""
_CAPABILITIES = ("tool_call", "structured_output", "reasoning", "attachment")


def api_routes(
    registry: PublishedRegistry, model: Row, limit: int = MOST_ROUTES
) -> tuple[tuple[ApiRoute, ...], int]:
    """The cheapest offers of a model by blended price, and how many there are."""
    if not model.get("offers"):
        return (), 0
    offers = by_price([dict(offer) for offer in registry.offers(model["id"])])
    sellers = {row["id"]: row for row in registry.table("providers.jsonl")}
    return tuple(_route(offer, sellers.get(offer["provider"], {})) for offer in offers[:limit]), len(offers)


def _route(offer: Row, seller: Row) -> ApiRoute:
    price = offer.get("price") or {}
    return ApiRoute(
        provider=offer["provider"],
        provider_model=offer.get("provider_model", model_of(offer)),
        api_type=offer.get("api_type") or seller.get("api_type"),
        base_url=offer.get("base_url") or seller.get("base_url"),
        env=tuple(seller.get("env") or ()),
        input_usd_per_mtok=price.get("input"),
        output_usd_per_mtok=price.get("output"),
        context=(offer.get("limits") or {}).get("context"),
        observed_at=offer.get("observed_at"),
    )


def model_of(offer: Row) -> str:
    """The seller's own name of the model: the offer's id without the seller."""
    return str(offer.get("id", "")).partition("/")[2] or str(offer["model"])


def open_alternatives(
    registry: PublishedRegistry, wanted: Row, request: PlanRequest, cards: Cards | None
) -> tuple[PlanAlternative, ...]:
    """Open models with every stated capability and input of `wanted`, those that run on the cards first.

    Of equals the one with more of the context, then the most downloaded. Without cards none is planned.
    """
    ranked = _capable(registry, wanted)[:_TRIED]
    if cards is None:
        found = [_alternative(row, request, None, None) for row, _ in ranked]
        return tuple(found[:MOST_OPEN_MODELS])
    found = list(islice(_running(registry, ranked, request, cards), MOST_OPEN_MODELS))
    if found and len(found) < MOST_OPEN_MODELS:
        of_the_lab = _capable(registry, wanted, less_of_the_lab=True)
        found += islice(_running(registry, of_the_lab, request, cards), MOST_OPEN_MODELS - len(found))
    return tuple(found)


def smaller_models(
    registry: PublishedRegistry, wanted: Row, request: PlanRequest, cards: Cards
) -> tuple[PlanAlternative, ...]:
    """Models that the cards do hold instead of a larger one: those that bear its name, the largest first.

    Such are its distillations and smaller sizes; they may be able to do less, which their line tells.
    """
    checkpoints = _checkpoints(registry)
    named = [
        row
        for row in registry.table("models.jsonl")
        if row["id"].startswith(f"{wanted['id']}-") and row["id"] in checkpoints
    ]
    size = {row["id"]: (row.get("parameters") or {}).get("total") or 0 for row in named}
    named.sort(key=lambda row: (-size[row["id"]], row["id"]))
    ranked = [(row, checkpoints[row["id"]]) for row in named]
    return tuple(islice(_running(registry, ranked, request, cards), MOST_SMALLER))


def _running(
    registry: PublishedRegistry,
    ranked: Iterable[tuple[Row, list[Row]]],
    request: PlanRequest,
    cards: Cards,
) -> Iterator[PlanAlternative]:
    """Of models with their checkpoints those that start on the cards, in order."""
    for row, variants in ranked:
        inputs = [registry.fit_input(one)[0] for one in variants]
        best = plan(inputs, cards.profile, cards.count, goal=request.goal, with_alternatives=False).chosen
        if best is not None and best.starts:
            yield _alternative(row, request, best, cards)


def _checkpoints(registry: PublishedRegistry) -> dict[str, list[Row]]:
    """Of each model the checkpoints whose architecture could be known."""
    found: dict[str, list[Row]] = {}
    for row in registry.table("variants.jsonl"):
        if row.get("has_config") or row.get("weights_bytes") or row.get("parameters"):
            found.setdefault(row["model"], []).append(row)
    return found


def _capable(
    registry: PublishedRegistry, wanted: Row, *, less_of_the_lab: bool = False
) -> list[tuple[Row, list[Row]]]:
    """Open models with checkpoints whose architecture could be known, best first.

    With `less_of_the_lab` only those of the same lab that lack something that `wanted` can.
    """
    needed = {name for name in _CAPABILITIES if (wanted.get("capabilities") or {}).get(name)}
    modes = wanted.get("modalities") or {}
    inputs, outputs = set(modes.get("input", ())) - {"pdf"}, set(modes.get("output", ()))
    context = (wanted.get("limits") or {}).get("context") or 0
    checkpoints = _checkpoints(registry)

    def downloads(row: Row) -> int:
        return max((one.get("downloads") or 0 for one in checkpoints[row["id"]]), default=0)

    def matches(row: Row) -> bool:
        able = {name for name, value in (row.get("capabilities") or {}).items() if value}
        modes = row.get("modalities") or {}
        as_able = needed <= able and inputs <= set(modes.get("input", ()))
        return (
            row["id"] in checkpoints
            and row.get("open_weights") is True
            and row.get("status") != "deprecated"
            and outputs <= set(modes.get("output", ()))
            and (row.get("lab") == wanted.get("lab") and not as_able if less_of_the_lab else as_able)
        )

    def order(row: Row) -> tuple[bool, int, str]:
        return ((row.get("limits") or {}).get("context") or 0) < context, -downloads(row), row["id"]

    found = sorted((row for row in registry.table("models.jsonl") if matches(row)), key=order)
    return [(row, checkpoints[row["id"]]) for row in found]


def _alternative(
    row: Row, request: PlanRequest, best: Candidate | None, cards: Cards | None
) -> PlanAlternative:
    limits: dict[str, Any] = row.get("limits") or {}
    modes = row.get("modalities") or {}
    able = [name for name in _CAPABILITIES if (row.get("capabilities") or {}).get(name)]
    words = [f"reads {', '.join(modes.get('input', ()))}", *(name.replace("_", " ") for name in able)]
    where = f", up to {limits['context']:,} tokens" if limits.get("context") else ""
    if best is not None and cards is not None:
        where = (
            f": {best.verdict} on {best.tp * best.pp} x {cards.profile.id} with {best.engine} as "
            f"{best.variant.variant_id}, {best.context or 0:,} tokens"
        )
    return PlanAlternative(
        change="model",
        text=f"{row['id']} ({', '.join(words)}){where}",
        request=PlanRequest(model=row["id"], gpu=request.gpu, gpu_ids=request.gpu_ids, goal=request.goal),
    )
