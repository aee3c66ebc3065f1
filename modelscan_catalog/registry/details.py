"""Everything the registry holds of one model, in one document."""

from __future__ import annotations

from typing import Any

from modelscan_catalog.fit.published import PublishedRegistry
from modelscan_catalog.registry.files import Row
from modelscan_catalog.registry.registry import Registry


def blended_usd_per_mtok(offer: Row) -> float | None:
    """Price of three input tokens and one output token, USD per million; None where one is not stated."""
    price = offer.get("price") or {}
    if "input" not in price or "output" not in price:
        return None
    return round((3 * float(price["input"]) + float(price["output"])) / 4, 6)


def by_price(offers: list[Row]) -> list[Row]:
    """Offers with a price first, cheapest first; then by id."""

    def key(offer: Row) -> tuple[bool, float, str]:
        price = blended_usd_per_mtok(offer)
        return (price is None, price or 0.0, offer["id"])

    return sorted(offers, key=key)


def model_details(registry: Registry, query: str) -> dict[str, Any]:
    """Facts, checkpoints, offers, recipes, plans and conflicts of the model that ``query`` means.

    ``checkpoints`` are the view's entries of the weights. Raises ``UnknownIdError`` or ``AmbiguousIdError``
    with candidates, ``PublishError`` naming a damaged file.
    """
    model = registry.model_id(query)
    published = PublishedRegistry(registry.published)
    row = next(published.rows("models.jsonl", "id", model))
    variants = list(published.rows("variants.jsonl", "model", model))
    return {
        "model": row,
        "variants": variants,
        "checkpoints": [registry.row(one["id"]) for one in variants if registry.has(one["id"])],
        "offers": by_price([dict(offer) for offer in published.offers(model)]) if row.get("offers") else [],
        "deployments": list(published.rows("deployments.jsonl", "model", model)),
        "plans": list(published.rows("plans.jsonl", "model", model)),
        "conflicts": list(published.rows("conflicts.jsonl", "record", f"model:{model}")),
    }
