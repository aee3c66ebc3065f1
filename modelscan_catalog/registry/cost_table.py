"""Every sold open model on rented cards against its cheapest seller: USD a million tokens, break-even."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelscan_catalog.fit.candidates import Candidate
from modelscan_catalog.fit.cost import Comparison, OfferPrice, OwnCost, compare, own_cost, usual_context
from modelscan_catalog.fit.matrix_terms import FitVariant
from modelscan_catalog.fit.plan import plan
from modelscan_catalog.fit.profiles import GpuProfile
from modelscan_catalog.fit.published import PublishedRegistry, Row
from modelscan_catalog.manifests.launch import Machine, representative_machines
from modelscan_catalog.manifests.representative import read_catalogue


@dataclass(frozen=True, slots=True)
class CostRow:
    """A model on the fewest of one card that hold it; tokens are output tokens, each with its input.

    USD per million output tokens with their input; `low` is cheap. Speeds are estimates of the fit unless
    `speed_basis` says that they were measured.
    """

    model: str
    checkpoint: str
    gpu: str
    gpu_count: int
    engine: str
    context: int | None
    usd_per_hour: float
    price_source: str
    input_per_output: float
    tokens_per_s_low: float
    tokens_per_s: float
    tokens_per_s_high: float
    speed_basis: str
    own_usd_per_mtok_low: float
    own_usd_per_mtok: float
    own_usd_per_mtok_high: float
    seller: str
    seller_usd_per_mtok: float
    """The cheapest seller that asks for money; who sells for nothing has limits that no price tells."""
    break_even_tokens_per_day: float
    """From so many on, every day, the cards cost less than the seller."""
    break_even_load: float
    """The same as a share of what the cards can do; above 1 the seller stays cheaper."""


def cost_rows(published: Path) -> Iterator[CostRow]:
    """Rows by model and card, for models with a priced offer and cards with a known price.

    Raises ``PublishError`` naming a file that is missing or damaged.
    """
    registry, catalogue = PublishedRegistry(published), read_catalogue(published)
    machines = {
        name: found
        for name, found in representative_machines().items()
        if found[0].profile.price_usd_per_hour
    }
    sold = _prices(registry)
    for model in sorted(catalogue.inputs.keys() & sold.keys()):
        for found in machines.values():
            chosen = _fewest(catalogue.inputs[model], found)
            row = None if chosen is None else _row(chosen, found[0].profile, sold[model])
            if row is not None:
                yield row


def _fewest(variants: Sequence[FitVariant], machines: Sequence[Machine]) -> Candidate | None:
    """The model on the first of `machines` that holds it with requests of a usual length."""
    context = usual_context(variants)
    for machine in machines:
        found = plan(
            variants, machine.profile, machine.count, context=context, engine="vllm", with_alternatives=False
        )
        if found.chosen is not None and found.chosen.verdict == "fits":
            return found.chosen
    return None


def _prices(registry: PublishedRegistry) -> dict[str, list[OfferPrice]]:
    """Offers with both prices, by model; those for nothing are left out."""
    found: dict[str, list[OfferPrice]] = {}
    for path in sorted((registry.root / "offers").glob("*.jsonl")):
        for offer in registry.table(f"offers/{path.name}"):
            price = _both(offer)
            if price is not None and any(price) and offer.get("model"):
                found.setdefault(offer["model"], []).append(OfferPrice(offer["provider"], *price))
    return found


def _both(offer: Row) -> tuple[float, float] | None:
    price: Mapping[str, Any] = offer.get("price") or {}
    if offer.get("status") == "deprecated" or not {"input", "output"} <= price.keys():
        return None
    return float(price["input"]), float(price["output"])


def _row(chosen: Candidate, profile: GpuProfile, offers: list[OfferPrice]) -> CostRow | None:
    cost: OwnCost | None = own_cost(chosen, profile)
    if cost is None:
        return None
    best: Comparison = compare(cost, offers)[0]
    if best.break_even_load is None:
        return None
    speed, price = cost.tokens_per_s, cost.usd_per_mtok
    return CostRow(
        model=chosen.variant.model_id,
        checkpoint=chosen.variant.variant_id,
        gpu=profile.id,
        gpu_count=chosen.tp * chosen.pp,
        engine=chosen.engine,
        context=chosen.context,
        usd_per_hour=cost.usd_per_hour,
        price_source=cost.price_source,
        input_per_output=cost.input_per_output,
        tokens_per_s_low=speed.low,
        tokens_per_s=speed.point,
        tokens_per_s_high=speed.high,
        speed_basis=chosen.throughput_tok_s.basis if chosen.throughput_tok_s else speed.basis,
        own_usd_per_mtok_low=price.low,
        own_usd_per_mtok=price.point,
        own_usd_per_mtok_high=price.high,
        seller=best.offer.seller,
        seller_usd_per_mtok=best.offer_usd_per_mtok,
        break_even_tokens_per_day=cost.usd_per_hour * 24 / best.offer_usd_per_mtok * 1e6,
        break_even_load=best.break_even_load.point,
    )
