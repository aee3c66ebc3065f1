"""The one entry of the merge: staged tables in, a checked and dated catalogue out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelscan_catalog.merge.changes import PreviousBuild, price_history, tombstones_of
from modelscan_catalog.merge.deployments import build_deployments
from modelscan_catalog.merge.documents import SourceDocument, fetch_times
from modelscan_catalog.merge.identity import identify
from modelscan_catalog.merge.labelled_pairs import LabelledPair, read_pairs
from modelscan_catalog.merge.models import ModelBuilder, Parts
from modelscan_catalog.merge.offers import build_offers, build_providers
from modelscan_catalog.merge.overrides import StaleOverride, apply_overrides
from modelscan_catalog.merge.provenance import record_provenance
from modelscan_catalog.merge.staged_tables import read_staged
from modelscan_catalog.merge.tables import MergeTables, load_tables
from modelscan_catalog.merge.variants import build_variants
from modelscan_catalog.merge.witnesses import Witnesses
from modelscan_catalog.records import (
    Ambiguity,
    Conflict,
    CrosswalkLink,
    Deployment,
    Model,
    Offer,
    Override,
    Provenance,
    Provider,
    Reject,
    Tombstone,
    Variant,
)

UNDATED = "1970-01-01T00:00:00Z"
"""When a build knows no fetch time of models.dev (rows made by hand in a test)."""


@dataclass(frozen=True)
class Catalogue:
    """Everything that the merge publishes; each tuple is sorted by id."""

    models: tuple[Model, ...] = ()
    variants: tuple[Variant, ...] = ()
    offers: tuple[Offer, ...] = ()
    providers: tuple[Provider, ...] = ()
    deployments: tuple[Deployment, ...] = ()
    crosswalk: tuple[CrosswalkLink, ...] = ()
    ambiguities: tuple[Ambiguity, ...] = ()
    provenance: tuple[Provenance, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    tombstones: tuple[Tombstone, ...] = ()
    rejects: tuple[Reject, ...] = ()
    stale_overrides: tuple[StaleOverride, ...] = ()
    price_history: tuple[Mapping[str, Any], ...] = ()
    sources: Mapping[str, str | None] = field(default_factory=dict)
    """When each source was fetched."""


def merge_catalogue(
    staged: Mapping[str, Sequence[Any]],
    overrides: Sequence[Override] = (),
    previous: PreviousBuild | None = None,
    *,
    documents: Sequence[SourceDocument] = (),
    pairs: Sequence[LabelledPair] | None = None,
    tables: MergeTables | None = None,
) -> Catalogue:
    """Join the staged tables into one catalogue; the same rows in any order give the same result.

    ``staged`` holds lists of staged rows by table name. ``documents`` says where each source's rows come from
    (``record`` narrows one to a repository). ``previous`` is the last published build: its dates of unchanged
    offers, its price history and its tombstones are carried over. ``pairs`` are stated ModelScope twins, by
    default those of ``registry/merge``.

    Raises ``OverrideError`` for an override of a field that does not exist or cannot hold its value.
    """
    tables = tables or load_tables()
    before = previous or PreviousBuild()
    rows = read_staged(staged)
    identity = identify(rows, tables, read_pairs() if pairs is None else pairs)
    witnesses, fetched = Witnesses(documents), fetch_times(documents)
    observed = witnesses.of("sellers").fetched_at or UNDATED
    table = build_variants(rows, identity, tables)
    variants = table.variants
    offers = build_offers(rows, identity, tables, observed, before.offers)
    deployments = build_deployments(rows, table)
    builder = ModelBuilder(rows, identity, tables, Parts(variants, offers, deployments), witnesses)
    built = [builder.build(model) for model in builder.ids]
    provenance = [row for _, book in built for row in book.provenance()]
    provenance += record_provenance(table, deployments, witnesses)
    conflicts = [row for _, book in built for row in book.conflicts()]

    merged = apply_overrides(
        overrides,
        {
            "model": {m.id: m for m, _ in built},
            "variant": {v.id: v for v in variants},
            "offer": {o.id: o for o in offers},
            "deployment": {d.id: d for d in deployments},
        },
    )
    catalogue = Catalogue(
        models=merged.sorted("model"),
        variants=merged.sorted("variant"),
        offers=merged.sorted("offer"),
        deployments=merged.sorted("deployment"),
        providers=build_providers(rows, tables),
        crosswalk=identity.links,
        ambiguities=identity.ambiguities,
        provenance=tuple(sorted((*provenance, *merged.provenance), key=_provenance_key)),
        conflicts=tuple(
            sorted(
                (*conflicts, *merged.conflicts),
                key=lambda c: (c.record, c.field, c.other_source, repr(c.other)),
            )
        ),
        rejects=tuple(sorted(rows.rejects, key=lambda r: (r.source, r.table, r.record, r.reason))),
        stale_overrides=merged.stale,
        sources=fetched,
    )
    return _with_history(catalogue, before)


def _with_history(catalogue: Catalogue, before: PreviousBuild) -> Catalogue:
    fields = {name: getattr(catalogue, name) for name in Catalogue.__dataclass_fields__}
    fields["tombstones"] = tombstones_of(catalogue, before)
    fields["price_history"] = price_history(catalogue.offers, before)
    return Catalogue(**fields)


def _provenance_key(row: Provenance) -> tuple[str, bool, str]:
    return (row.record, row.field != "*", row.field)
