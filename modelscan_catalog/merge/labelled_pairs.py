"""Pairs of ModelScope and HuggingFace ids that other projects state; owner aliases are learned from them."""

import csv
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelscan_catalog.errors import RecordError
from modelscan_catalog.merge.names import bare_name, hub_key, name_key, owner_of
from modelscan_catalog.merge.tables import MERGE_TABLES_DIR, MergeTables, OwnerAlias
from modelscan_catalog.store import read_jsonl

PAIRS_FILE = MERGE_TABLES_DIR / "modelscope_pairs.jsonl"


@dataclass(frozen=True)
class LabelledPair:
    """A ModelScope id, its HuggingFace id (None where the source gives none) and who says so."""

    modelscope: str
    huggingface: str | None
    source: str
    doubt: str | None = None
    """Why the pair is not used, where something speaks against it."""

    @property
    def usable(self) -> bool:
        """Whether the pair states a twin and nothing speaks against it."""
        return self.huggingface is not None and self.doubt is None

    @property
    def held_out(self) -> bool:
        """Whether the pair belongs to the half that nothing is learned from when quality is measured."""
        return is_held_out(f"{self.modelscope}\t{self.huggingface}")


def is_held_out(key: str) -> bool:
    """Whether a labelled thing is kept for measuring; half of them are.

    Decided by a hash of its key, so that the split is the same everywhere and for any order of rows.
    """
    return hashlib.sha256(key.encode()).digest()[0] % 2 == 1


def read_pairs(path: Path = PAIRS_FILE) -> tuple[LabelledPair, ...]:
    """The labelled pairs of a JSON Lines file, or of a ``.tsv`` with the columns ``modelscope_id``,
    ``huggingface_id`` and ``source``; raises ``RecordError`` naming the bad line."""
    rows = _tsv_rows(path) if path.suffix == ".tsv" else read_jsonl(path)
    return tuple(
        _pair(row, path, number) for number, row in enumerate(rows, 1) if row.get("modelscope") != ""
    )


def _tsv_rows(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            return [
                {
                    "modelscope": row["modelscope_id"],
                    "huggingface": row["huggingface_id"] or None,
                    "source": row.get("source") or path.name,
                }
                for row in csv.DictReader(lines, delimiter="\t")
            ]
    except (OSError, KeyError, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: not a table of pairs: {error}") from error


def _pair(row: dict[str, Any], path: Path, number: int) -> LabelledPair:
    try:
        return LabelledPair(row["modelscope"], row["huggingface"], row["source"], row.get("doubt"))
    except KeyError as error:
        raise RecordError(f"{path}:{number}: a labelled pair lacks {error}") from error


def learn_owner_aliases(pairs: Iterable[LabelledPair], tables: MergeTables) -> tuple[OwnerAlias, ...]:
    """The owner aliases that pairs of the same name under two owners show, with up to three of them each."""
    seen: dict[tuple[str, str], list[str]] = defaultdict(list)
    for pair in pairs:
        if not pair.usable or pair.huggingface is None:
            continue
        one, other = owner_of(pair.modelscope), owner_of(pair.huggingface)
        if one.lower() == other.lower():
            continue
        names = bare_name(pair.modelscope), bare_name(pair.huggingface)
        if name_key(names[0]) == name_key(names[1]) or hub_key(names[0], tables) == hub_key(names[1], tables):
            seen[one, other].append(f"{pair.source}: {pair.modelscope} = {pair.huggingface}")
    return tuple(
        OwnerAlias(one, other, len(rows), tuple(sorted(rows)[:3]))
        for (one, other), rows in sorted(seen.items())
    )


def grouped_aliases(aliases: Sequence[OwnerAlias]) -> dict[str, tuple[OwnerAlias, ...]]:
    """Aliases by ModelScope owner in lower case."""
    grouped: dict[str, list[OwnerAlias]] = defaultdict(list)
    for alias in aliases:
        grouped[alias.modelscope.lower()].append(alias)
    return {owner: tuple(rows) for owner, rows in grouped.items()}


def stated_twins(pairs: Iterable[LabelledPair]) -> dict[str, tuple[str, str]]:
    """ModelScope id -> (HuggingFace id, source) of usable pairs; ids paired with two others are left out."""
    stated: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for pair in pairs:
        if pair.usable and pair.huggingface is not None:
            stated[pair.modelscope].add((pair.huggingface, pair.source))
    return {
        one: sorted(others)[0]
        for one, others in sorted(stated.items())
        if len({other for other, _ in others}) == 1
    }
