"""Which models could follow the ones that a router serves: younger ones of the same lab and family."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from modelscan_catalog.router.config import RouterConfig, RouterModel


@dataclass(frozen=True, slots=True)
class UpgradeCandidate:
    """``candidate`` could follow ``route``; the reasons are facts of the catalogue, not a judgement."""

    route: str
    candidate: str
    released: date
    reasons: tuple[str, ...]


def upgrade_candidates(
    config: RouterConfig, models: Mapping[str, Mapping[str, Any]]
) -> list[UpgradeCandidate]:
    """Successors for each model of ``config``, the youngest first; ``models`` are records by id.

    Same lab and family, released later, context and modalities not less, not deprecated and not in
    preview, with a seller or deployment in the configuration. A field that is unknown excludes.
    """
    families: dict[tuple[str, str], list[RouterModel]] = {}
    for model in config.models:
        family = _family(models.get(model.id))
        if family is not None and model.task == "chat":
            families.setdefault(family, []).append(model)
    found = []
    for members in families.values():
        for model in members:
            found += [
                UpgradeCandidate(model.id, other.id, released, reasons)
                for other in members
                if (judged := _successor(model, other, models)) is not None
                for released, reasons in [judged]
            ]
    return sorted(found, key=lambda one: (one.route, -one.released.toordinal(), one.candidate))


def _successor(
    model: RouterModel, other: RouterModel, models: Mapping[str, Mapping[str, Any]]
) -> tuple[date, tuple[str, ...]] | None:
    before, after = _released(models[model.id]), _released(models[other.id])
    if before is None or after is None or after <= before or other.deprecated:
        return None
    if models[other.id].get("status") in ("alpha", "beta", "deprecated", "experimental"):
        return None
    if model.context is None or other.context is None or other.context < model.context:
        return None
    if not set(model.input) <= set(other.input) or not set(model.output) <= set(other.output):
        return None
    if _variant_words(model.id) != _variant_words(other.id):
        return None
    reasons: Sequence[str] = [
        f"released {after.isoformat()}, after {before.isoformat()}",
        f"context {other.context:,} tokens, not below {model.context:,}",
        "takes and gives the same kinds of content",
    ]
    return after, tuple(reasons)


def _family(record: Mapping[str, Any] | None) -> tuple[str, str] | None:
    if record is None or not record.get("family"):
        return None
    return str(record["id"]).partition("/")[0], str(record["family"])


def _released(record: Mapping[str, Any]) -> date | None:
    try:
        return date.fromisoformat(str(record.get("release_date")))
    except ValueError:  # a year or a month alone does not tell which came later
        return None


def _variant_words(model_id: str) -> frozenset[str]:
    """The words of a name without numbers: ``mini`` is not followed by ``codex``."""
    name = model_id.partition("/")[2]
    return frozenset(word for word in name.split("-") if word.isalpha())
