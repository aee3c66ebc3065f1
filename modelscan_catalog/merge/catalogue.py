"""The one entry of the merge: staged tables in, a checked and dated catalogue out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelscan_catalog.merge.changes import PreviousBuild, price_history, tombstones_of
from modelscan_catalog.merge.claims import Witness
from modelscan_catalog.merge.deployments import build_deployments
from modelscan_catalog.merge.identity import identify
from modelscan_catalog.merge.labelled_pairs import LabelledPair, read_pairs
from modelscan_catalog.merge.models import ModelBuilder, Parts, Witnesses
from modelscan_catalog.merge.offers import build_offers, build_providers
from modelscan_catalog.merge.overrides import StaleOverride, apply_overrides
from modelscan_catalog.merge.staged_tables import SourceDocument, read_staged
from modelscan_catalog.merge.tables import MergeTables, load_tables
from modelscan_catalog.merge.variants import build_variants
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
    SourceName,
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
    witnesses, fetched = _witnesses(documents)
    observed = witnesses.of("sellers").fetched_at or UNDATED
    table = build_variants(rows, identity, tables)
    variants = table.variants
    offers = build_offers(rows, identity, tables, observed, before.offers)
    deployments = build_deployments(rows, table)
    builder = ModelBuilder(rows, identity, tables, Parts(variants, offers, deployments), witnesses)
    built = [builder.build(model) for model in builder.ids]
    provenance = [row for _, book in built for row in book.provenance()]
    provenance += _own_provenance(variants, deployments, witnesses)
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


_RANKS: Mapping[str, SourceName] = {
    "models_dev_lab": "models_dev",
    "first_party": "models_dev",
    "sellers": "models_dev",
    "gpustack": "gpustack",
    "huggingface": "huggingface",
    "modelscope": "modelscope",
    "identity": "models_dev",
}
_LAB_DOCUMENT = "models.json"


def _witnesses(documents: Sequence[SourceDocument]) -> tuple[Witnesses, dict[str, str | None]]:
    """Witnesses with their documents, and the latest fetch time of each source."""
    ordered = sorted(documents, key=lambda d: (d.source, d.record or "", d.url))
    fetched: dict[str, str | None] = {}
    for document in ordered:
        times = [t for t in (fetched.get(document.source), document.fetched_at) if t]
        fetched[document.source] = max(times) if times else None
    general: dict[str, Witness] = {}
    for rank, source in _RANKS.items():
        mine = [d for d in ordered if d.source == source and d.record is None]
        if rank == "models_dev_lab":
            mine = [d for d in mine if d.url.endswith(_LAB_DOCUMENT)] or mine
        elif source == "models_dev":
            mine = [d for d in mine if not d.url.endswith(_LAB_DOCUMENT)] or mine
        chosen = mine[0] if mine else None
        general[rank] = Witness(
            rank,
            source,
            chosen.url if chosen else None,
            chosen.fetched_at if chosen else fetched.get(source),
            chosen.sha256 if chosen else None,
        )
    made: dict[tuple[str, str], Witness] = {
        (document.source, document.record): Witness(
            document.source, document.source, document.url, document.fetched_at, document.sha256
        )
        for document in ordered
        if document.record is not None
    }
    return Witnesses(made, general), fetched


def _own_provenance(
    variants: Sequence[Variant], deployments: Sequence[Deployment], witnesses: Witnesses
) -> list[Provenance]:
    """Variants by their hub's document, recipes by their catalogue's; offers share the one document of
    models.dev and so one row (``offer:*``)."""
    rows = [_row("offer:*", "*", witnesses.of("sellers"), "as the seller's row says")]
    rows += [_row("provider:*", "*", witnesses.of("sellers"), "as the seller's row says")]
    for catalogue in sorted({d.catalogue for d in deployments}):
        rows.append(
            _row(
                f"deployment:gpustack/{catalogue}/*",
                "*",
                witnesses.of("gpustack", catalogue),
                "as the recipe says",
            )
        )
    for variant in variants:
        witness = witnesses.of(variant.hub, variant.repo)
        rule = (
            "as the hub says"
            if variant.revision or variant.model_type or variant.has_config
            else "named by a recipe"
        )
        rows.append(_row(f"variant:{variant.id}", "*", witness, rule))
        if variant.quantization is not None and variant.quantization.evidence == "recipe":
            rows.append(
                _row(f"variant:{variant.id}", "quantization", witnesses.of("gpustack"), "label of the recipe")
            )
    return rows


def _row(record: str, name: str, witness: Witness, rule: str) -> Provenance:
    return Provenance(
        record=record,
        field=name,
        source=witness.source,
        url=witness.url,
        fetched_at=witness.fetched_at,
        document_sha256=witness.sha256,
        rule=rule,
    )


def _provenance_key(row: Provenance) -> tuple[str, bool, str]:
    return (row.record, row.field != "*", row.field)
