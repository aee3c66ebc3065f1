"""The catalogue as models.dev's ``api.json``: providers with their models, prices per million tokens.

Read by opencode (``OPENCODE_MODELS_URL``) and by Plano as a metrics source. Prose is left out.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from modelscan_catalog.merge.tables import MergeTables, load_tables
from modelscan_catalog.records import Offer, Price, Provider
from modelscan_catalog.sources.staged import ModelsDevOffer, ModelsDevProvider

_FLAGS = ("attachment", "reasoning", "tool_call", "structured_output", "temperature")
_REQUIRED_FLAGS = frozenset({"attachment", "reasoning", "tool_call"})
_STATUSES = {"experimental": "alpha", "beta": "beta", "deprecated": "deprecated"}
_COSTS = ("input", "output", "cache_read", "cache_write", "reasoning", "input_audio", "output_audio")


def models_dev_api(
    providers: Iterable[Provider],
    offers: Iterable[Offer],
    sellers: Mapping[str, ModelsDevProvider],
    origins: Mapping[str, ModelsDevOffer],
    tables: MergeTables | None = None,
) -> dict[str, Any]:
    """The document, by provider id and the seller's own model id.

    ``sellers`` and ``origins`` are the staged rows by provider and by offer id: they tell a stated address
    from a package's own and hold what an offer does not (a single model's client package, the lab's id).
    An unknown context or output length is 0, as that shape writes it.
    """
    known = tables or load_tables()
    rows: dict[str, dict[str, Any]] = {}
    for provider in providers:
        rows[provider.id] = _provider(provider, sellers.get(provider.id), known)
    for offer in offers:
        rows[offer.provider]["models"][offer.provider_model] = _model(offer, origins.get(offer.id))
    return rows


def _provider(provider: Provider, origin: ModelsDevProvider | None, tables: MergeTables) -> dict[str, Any]:
    default = tables.provider_apis.get(provider.npm or "", {}).get("base_url")
    row: dict[str, Any] = {"id": provider.id, "env": list(provider.env)}
    row |= _known(npm=provider.npm, doc=provider.doc)
    stated = origin is None or origin.api is not None
    if stated or provider.base_url != default:
        row |= _known(api=provider.base_url)
    return row | {"name": provider.name, "models": {}}


def _model(offer: Offer, origin: ModelsDevOffer | None) -> dict[str, Any]:
    row: dict[str, Any] = {"id": offer.provider_model, "name": offer.name}
    row |= _known(family=offer.family)
    for flag in _FLAGS:
        value = getattr(offer.capabilities, flag)
        if value is not None or flag in _REQUIRED_FLAGS:
            row[flag] = bool(value)
    row |= {
        "open_weights": bool(offer.open_weights),
        "modalities": {"input": list(offer.modalities.input), "output": list(offer.modalities.output)},
        "limit": {
            "context": offer.limits.context or 0,
            **_known(input=offer.limits.input),
            "output": offer.limits.output or 0,
        },
    }
    row |= _known(
        release_date=offer.release_date,
        last_updated=offer.last_updated,
        knowledge=offer.knowledge,
        status=_STATUSES.get(offer.status or ""),
    )
    if offer.reasoning_efforts:
        row["reasoning_options"] = [{"type": "effort", "values": list(offer.reasoning_efforts)}]
    if offer.price is not None:
        row["cost"] = _cost(offer.price)
    if origin is not None:
        row |= _known(canonical_model_id=origin.canonical_model_id)
        own = _known(npm=origin.provider_npm, api=origin.provider_api, shape=origin.provider_shape)
        if own:
            row["provider"] = own
    return row


def _cost(price: Price) -> dict[str, Any]:
    cost: dict[str, Any] = _known(**{name: getattr(price, name) for name in _COSTS})
    if price.tiers:
        cost["tiers"] = [
            tier.model_dump(exclude={"above_context_tokens"}, exclude_none=True)
            | {"tier": {"type": "context", "size": tier.above_context_tokens}}
            for tier in price.tiers
        ]
    return cost


def _known(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
