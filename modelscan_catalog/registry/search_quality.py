"""How well search does on labelled queries: rank of the first right answer, share of right ones in five."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from modelscan_catalog.registry.files import RegistryFiles
from modelscan_catalog.registry.query import VOCABULARY
from modelscan_catalog.registry.search import Hit, SearchIndex

LABELLED = VOCABULARY.with_name("labelled_queries.json")
_TOP = 5


@dataclass(frozen=True)
class QueryScore:
    """One labelled query; ``rank`` is the first right answer's of ten, None where there is none."""

    query: str
    tuned: bool
    rank: int | None
    right_in_top: float
    """Share of right ones among the first five, or among as many as there are answers."""
    first: str | None


def search_quality(published: Path, labelled: Path = LABELLED) -> list[QueryScore]:
    """The score of each labelled query on a published registry.

    A label that no model of the registry answers to is left out: no search could find one.
    """
    files = RegistryFiles(published)
    index = SearchIndex.of(files)
    models = {row["id"]: row for row in files.rows("models.jsonl")}
    everything = index.everything()
    scores = []
    for label in json.loads(labelled.read_text("utf-8"))["queries"]:
        if not any(_is_right(hit, models[hit.model], label) for hit in everything):
            continue
        hits = index.search(label["query"], 10)
        right = [_is_right(hit, models[hit.model], label) for hit in hits]
        scores.append(
            QueryScore(
                query=label["query"],
                tuned=label.get("tuned", False),
                rank=right.index(True) + 1 if True in right else None,
                right_in_top=sum(right[:_TOP]) / min(_TOP, len(right)) if right else 0.0,
                first=hits[0].model if hits else None,
            )
        )
    return scores


def summary(scores: list[QueryScore]) -> dict[str, float]:
    """Queries, first answer right, mean reciprocal rank, found among ten."""
    count = len(scores) or 1
    return {
        "queries": len(scores),
        "first_is_right": sum(score.rank == 1 for score in scores) / count,
        "mean_reciprocal_rank": sum(1 / score.rank for score in scores if score.rank) / count,
        "found_in_ten": sum(score.rank is not None for score in scores) / count,
    }


def _is_right(hit: Hit, row: Mapping[str, Any], label: Mapping[str, Any]) -> bool:
    if "models" in label and not any(fnmatchcase(hit.model, pattern) for pattern in label["models"]):
        return False
    facts = label.get("facts", {})
    checks: dict[str, Callable[[Any], bool]] = {
        "tag": lambda wanted: wanted in hit.tags,
        "category": lambda wanted: hit.category == wanted,
        "open_weights": lambda wanted: hit.open_weights is wanted,
        "most_memory_gib": lambda most: hit.min_vram_gib is not None and hit.min_vram_gib <= most,
        "most_usd_per_mtok": lambda most: hit.usd_per_mtok is not None and hit.usd_per_mtok <= most,
        "most_parameters": lambda most: hit.parameters is not None and hit.parameters <= most,
        "least_context": lambda least: hit.context is not None and hit.context >= least,
        "released_since": lambda since: (row.get("release_date") or "") >= since,
    }
    return all(checks[name](value) for name, value in facts.items())
