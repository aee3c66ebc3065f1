"""Offers and providers: a seller's terms as models.dev states them, and how to speak to the seller."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from modelscan_catalog.merge.identity import Identity
from modelscan_catalog.merge.model_claims import CAPABILITIES, STATUSES
from modelscan_catalog.merge.staged_tables import StagedTables
from modelscan_catalog.merge.tables import MergeTables
from modelscan_catalog.records import Capabilities, Offer, Provider
from modelscan_catalog.sources.staged import ModelsDevOffer

_OPENAI_SHAPES = frozenset({"completions", "responses"})


def build_providers(staged: StagedTables, tables: MergeTables) -> tuple[Provider, ...]:
    """One record for each seller, sorted by id."""
    counts = Counter(offer.provider for offer in staged.offers)
    return tuple(
        Provider(
            id=row.id,
            name=row.name,
            api_type=api_type(row.npm, None, tables) or "custom",
            base_url=row.api or _package(row.npm, tables).get("base_url"),
            npm=row.npm,
            env=row.env,
            doc=row.doc,
            offers=counts[row.id],
        )
        for row in staged.providers
    )


def api_type(npm: str | None, shape: str | None, tables: MergeTables) -> str | None:
    """The wire format that a client package or an endpoint shape implies; None when neither is given."""
    if npm is not None:
        known = _package(npm, tables).get("api_type")
        return str(known) if known else "custom"
    return "openai-compatible" if shape in _OPENAI_SHAPES else None


def _package(npm: str | None, tables: MergeTables) -> Mapping[str, Any]:
    return tables.provider_apis.get(npm or "", {})


def build_offers(
    staged: StagedTables,
    identity: Identity,
    tables: MergeTables,
    observed: str,
    previous: Mapping[str, Offer],
) -> tuple[Offer, ...]:
    """One record for each row of models.dev, sorted by id.

    ``observed`` dates new terms; an offer whose terms equal those of ``previous`` keeps its former date.
    """
    offers = [_offer(row, identity, tables, observed) for row in staged.offers]
    dated = [_keep_date(offer, previous.get(offer.id)) for offer in offers]
    return tuple(sorted(dated, key=lambda offer: offer.id))


def _keep_date(offer: Offer, before: Offer | None) -> Offer:
    if before is None or not same_terms(offer, before):
        return offer
    return offer.model_copy(update={"observed_at": before.observed_at})


def same_terms(one: Offer, other: Offer) -> bool:
    """Whether price, limits and status are the same."""
    return (one.price, one.limits, one.status) == (other.price, other.limits, other.status)


def _offer(row: ModelsDevOffer, identity: Identity, tables: MergeTables, observed: str) -> Offer:
    home = identity.offers.get((row.provider, row.id))
    return Offer(
        id=f"{row.provider}/{row.id}",
        provider=row.provider,
        provider_model=row.id,
        model=home.model if home else None,
        name=row.name,
        family=row.family,
        status=STATUSES.get(row.status or ""),
        price=row.price,
        capabilities=Capabilities(**{name: getattr(row, name) for name in CAPABILITIES}),
        modalities=row.modalities,
        limits=row.limits,
        open_weights=row.open_weights,
        reasoning_efforts=row.reasoning_efforts,
        release_date=row.release_date,
        last_updated=row.last_updated,
        knowledge=row.knowledge,
        api_type=api_type(row.provider_npm, row.provider_shape, tables),
        base_url=row.provider_api,
        observed_at=observed,
    )
