"""What changed between two builds: tombstones, price history, and the list of differences."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from modelscan_catalog.records import Change, Deployment, Model, Offer, Provider, Record, Tombstone, Variant

if TYPE_CHECKING:
    from modelscan_catalog.merge.catalogue import Catalogue

_UNCOMPARED = frozenset(
    {"id", "observed_at", "offers", "deployments", "variants", "aliases", "downloads", "tags"}
)
"""Fields that follow from other records or move every day."""


@dataclass(frozen=True)
class PreviousBuild:
    """What the merge needs of the last published build; empty for the first."""

    models: Mapping[str, Model] = field(default_factory=dict)
    variants: Mapping[str, Variant] = field(default_factory=dict)
    offers: Mapping[str, Offer] = field(default_factory=dict)
    providers: Mapping[str, Provider] = field(default_factory=dict)
    deployments: Mapping[str, Deployment] = field(default_factory=dict)
    tombstones: tuple[Tombstone, ...] = ()
    price_history: tuple[Mapping[str, Any], ...] = ()
    sources: Mapping[str, str | None] = field(default_factory=dict)
    """When each source was last fetched."""


def previous_build(catalogue: "Catalogue") -> PreviousBuild:
    """A catalogue as the previous build of the next."""
    return PreviousBuild(
        models={m.id: m for m in catalogue.models},
        variants={v.id: v for v in catalogue.variants},
        offers={o.id: o for o in catalogue.offers},
        providers={p.id: p for p in catalogue.providers},
        deployments={d.id: d for d in catalogue.deployments},
        tombstones=catalogue.tombstones,
        price_history=catalogue.price_history,
        sources=catalogue.sources,
    )


def tombstones_of(catalogue: "Catalogue", before: PreviousBuild) -> tuple[Tombstone, ...]:
    """Tombstones of the last build that are still gone, and one for each record that vanished since.

    ``last_seen`` is when the record's source was last fetched with the record in it.
    """
    present = {record for record, _ in _named(previous_build(catalogue))}
    graves = {t.record: t for t in before.tombstones if t.record not in present}
    for name, record in _named(before):
        if name in present:
            continue
        source = source_of(record)
        model = record.id if isinstance(record, Model) else getattr(record, "model", None)
        graves[name] = Tombstone(
            record=name,
            last_seen=before.sources.get(source) or "unknown",
            model=model,
            reason=f"{source} no longer lists it",
        )
    return tuple(graves[name] for name in sorted(graves))


def source_of(record: Record) -> str:
    """The source whose listing a record depends on."""
    if isinstance(record, Variant):
        return record.hub
    return "gpustack" if isinstance(record, Deployment) else "models_dev"


def _named(build: PreviousBuild) -> Iterable[tuple[str, Any]]:
    kinds: tuple[tuple[str, Mapping[str, Any]], ...] = (
        ("model", build.models),
        ("variant", build.variants),
        ("offer", build.offers),
        ("provider", build.providers),
        ("deployment", build.deployments),
    )
    for kind, records in kinds:
        for identifier, record in records.items():
            yield f"{kind}:{identifier}", record


def price_history(offers: Sequence[Offer], before: PreviousBuild) -> tuple[Mapping[str, Any], ...]:
    """Former terms of offers: a row for each whose price, limits or status differ from the last build's.

    A row holds ``offer``, ``observed_at``, ``until``, ``price``, ``limits`` and ``status`` as they were.
    """
    rows = list(before.price_history)
    for offer in offers:
        former = before.offers.get(offer.id)
        if former is None or former.observed_at == offer.observed_at:
            continue
        rows.append(
            {
                "offer": offer.id,
                "observed_at": former.observed_at,
                "until": offer.observed_at,
                "price": former.price.model_dump(mode="json") if former.price else None,
                "limits": former.limits.model_dump(mode="json"),
                "status": former.status,
            }
        )
    return tuple(
        sorted(rows, key=lambda row: (str(row["offer"]), str(row["observed_at"]), str(row["until"])))
    )


def diff_catalogues(previous: PreviousBuild, current: "Catalogue") -> tuple[Change, ...]:
    """Every difference between two builds, sorted by record and field; ``observed_at`` is the fetch time of
    the source that changed. Nested records are compared field by field."""
    before, after = dict(_named(previous)), dict(_named(previous_build(current)))
    changes: list[Change] = []
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        record = new if new is not None else old
        when = current.sources.get(source_of(record)) if record is not None else None
        if old is None:
            changes.append(Change(record=name, change="added", observed_at=when))
        elif new is None:
            changes.append(Change(record=name, change="removed", observed_at=when))
        elif old != new:
            changes += _field_changes(name, old.model_dump(mode="json"), new.model_dump(mode="json"), when)
    return tuple(changes)


def _field_changes(
    name: str, old: Mapping[str, Any], new: Mapping[str, Any], when: str | None
) -> list[Change]:
    changes: list[Change] = []
    one, other = _flat(old), _flat(new)
    for path in sorted({*one, *other}):
        if path.split(".")[0] in _UNCOMPARED or one.get(path) == other.get(path):
            continue
        changes.append(
            Change(
                record=name,
                change="changed",
                field=path,
                before=one.get(path),
                after=other.get(path),
                observed_at=when,
            )
        )
    return changes


def _flat(plain: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in plain.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
