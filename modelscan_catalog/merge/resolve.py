"""Which model an id means, from the published crosswalk alone; an unknown id is an error with candidates."""

import difflib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelscan_catalog.errors import AmbiguousIdError, PublishError, UnknownIdError
from modelscan_catalog.merge.names import bare_name, hub_key, name_key, owner_of, sizes_of
from modelscan_catalog.merge.tables import MergeTables, load_tables

KINDS = ("huggingface", "modelscope", "models_dev", "gpustack")
MOST_CANDIDATES = 8
_LONGEST_SHOWN = 120
_LONGEST_ASKED = 500
"""Ids are shorter than this by far."""


@dataclass(frozen=True)
class Resolution:
    """The model that an id means, and how that is known."""

    query: str
    model: str
    kind: str | None
    """Whose id it is; None for the catalogue's own."""
    id: str
    """The id as it is spelled where it was found."""
    rule: str
    confidence: float
    evidence: str | None = None

    @property
    def explanation(self) -> str:
        """One sentence for a person."""
        whose = f"the {self.kind} id {self.id}" if self.kind else f"the model id {self.id}"
        because = f": {self.evidence}" if self.evidence else ""
        return f"{self.query} is {whose} of {self.model}, by the rule {self.rule}{because}"


@dataclass(frozen=True)
class _Link:
    kind: str
    id: str
    model: str
    rule: str
    confidence: float
    evidence: str | None


@dataclass
class CrosswalkIndex:
    """Look-ups over the crosswalk; build it once with ``read_index`` or ``index_of``."""

    models: frozenset[str]
    links: Mapping[str, Sequence[_Link]]
    """By lower-case id."""
    doubts: Mapping[str, Mapping[str, Any]]
    """Ambiguities by lower-case id."""
    tables: MergeTables
    _by_name: dict[str, set[str]] = field(default_factory=dict)
    _by_hub_key: dict[str, list[_Link]] = field(default_factory=dict)

    def named(self, key: str) -> set[str]:
        """Models whose own name has this ``name_key``."""
        if not self._by_name:
            names: dict[str, set[str]] = defaultdict(set)
            for model in self.models:
                names[name_key(bare_name(model))].add(model)
            self._by_name.update(names)
        return self._by_name.get(key, set())

    def copies(self, key: str) -> list[_Link]:
        """Hub repositories whose name has this ``hub_key``."""
        if not self._by_hub_key:
            found: dict[str, list[_Link]] = defaultdict(list)
            for links in self.links.values():
                for link in links:
                    if link.kind in ("huggingface", "modelscope"):
                        found[hub_key(bare_name(link.id), self.tables)].append(link)
            self._by_hub_key.update(found)
        return self._by_hub_key.get(key, [])


def read_index(published: Path, tables: MergeTables | None = None) -> CrosswalkIndex:
    """The index of a published registry: ``crosswalk.jsonl``, ``models.jsonl`` and ``ambiguities.jsonl``.

    Raises ``PublishError`` when the crosswalk is missing or a line of a file is not JSON.
    """
    return _index(
        _lines(published / "models.jsonl"),
        _lines(published / "crosswalk.jsonl"),
        _lines(published / "ambiguities.jsonl", may_lack=True),
        tables,
    )


def index_of(
    models: Iterable[Any],
    crosswalk: Iterable[Any],
    ambiguities: Iterable[Any],
    tables: MergeTables | None = None,
) -> CrosswalkIndex:
    """The index of records that are not published yet."""
    rows = [[row.model_dump() for row in table] for table in (models, crosswalk, ambiguities)]
    return _index(rows[0], rows[1], rows[2], tables)


def _index(
    models: Iterable[Mapping[str, Any]],
    crosswalk: Iterable[Mapping[str, Any]],
    ambiguities: Iterable[Mapping[str, Any]],
    tables: MergeTables | None,
) -> CrosswalkIndex:
    links: dict[str, list[_Link]] = defaultdict(list)
    for row in crosswalk:
        link = _Link(
            row["kind"], row["id"], row["model"], row["rule"], row["confidence"], row.get("evidence")
        )
        links[link.id.lower()].append(link)
    return CrosswalkIndex(
        frozenset(row["id"] for row in models),
        dict(links),
        {row["id"].lower(): row for row in ambiguities},
        tables or load_tables(),
    )


def _lines(path: Path, *, may_lack: bool = False) -> list[dict[str, Any]]:
    if may_lack and not path.exists():
        return []
    try:
        return [json.loads(line) for line in path.read_bytes().splitlines() if line]
    except (OSError, ValueError) as error:
        raise PublishError(
            f"{path}: cannot be read ({error}); run `modelscan build` to publish it anew"
        ) from error


def resolve(index: CrosswalkIndex, query: str) -> Resolution:
    """The model that ``query`` means.

    ``query`` is a model id or an id of any source; ``kind:id`` (such as ``huggingface:Qwen/Qwen3-8B``) asks
    for one source's. Tried in this order: the model's own id, an id of the crosswalk, the same in another
    case, a copy under an owner's alias on the other hub, a name that only one model bears.

    Raises ``AmbiguousIdError`` when several models could be meant, ``UnknownIdError`` when none; both carry
    candidates.
    """
    kind, text = _kind_of(query.strip())
    links = [link for link in index.links.get(text.lower(), ()) if kind in (None, link.kind)]
    spelled = [link for link in links if link.id == text]
    if kind is None and (text in index.models or (not spelled and text.lower() in index.models)):
        return Resolution(query, text.lower(), None, text.lower(), "model_id", 1.0)
    if links:
        return _one(query, spelled or links)
    doubt = index.doubts.get(text.lower())
    if doubt is not None and kind in (None, doubt["kind"]) and doubt["candidates"]:
        raise AmbiguousIdError(
            f"{_shown(query)}: {doubt['reason']}; name one of {', '.join(doubt['candidates'])}",
            doubt["candidates"],
        )
    if len(text) > _LONGEST_ASKED:  # nothing is like it, and to find that out would take seconds
        raise UnknownIdError(f"{_shown(query)}: no model of the catalogue has this id")
    found = (_by_alias(index, query, text) if kind in (None, "huggingface", "modelscope") else None) or (
        _by_name(index, query, text) if kind is None and doubt is None and "/" not in text else None
    )
    if found is not None:
        return found
    near = near_ids(index, text)
    hint = f"; did you mean {', '.join(near)}?" if near else ""
    known = f" ({doubt['reason']})" if doubt is not None else ""
    raise UnknownIdError(f"{_shown(query)}: no model of the catalogue has this id{known}{hint}", near)


def _shown(query: str) -> str:
    """An id as an error repeats it: cut where it is longer than any id is, control characters escaped."""
    text = query if len(query) <= _LONGEST_SHOWN else f"{query[:_LONGEST_SHOWN]}..."
    return text if text.strip() and text.isprintable() else repr(text)


def _kind_of(query: str) -> tuple[str | None, str]:
    kind, colon, rest = query.partition(":")
    return (kind, rest) if colon and kind in KINDS else (None, query)


def _one(query: str, links: Sequence[_Link]) -> Resolution:
    models = sorted({link.model for link in links})
    if len(models) > 1:
        candidates = [f"{link.kind}:{link.id}" for link in links]
        raise AmbiguousIdError(
            f"{query}: an id of {' and of '.join(models)}; name one of {', '.join(candidates)}", candidates
        )
    link = max(links, key=lambda link: (link.confidence, link.kind))
    return Resolution(query, link.model, link.kind, link.id, link.rule, link.confidence, link.evidence)


def _by_alias(index: CrosswalkIndex, query: str, text: str) -> Resolution | None:
    """A repository of the other hub that bears the name under an alias of the owner."""
    if text.count("/") != 1:
        return None
    owner = owner_of(text).lower()
    aliases = index.tables.owner_aliases
    owners = {alias.huggingface.lower() for alias in aliases.get(owner, ())}
    owners |= {ms for ms, rows in aliases.items() if any(row.huggingface.lower() == owner for row in rows)}
    links = [
        link
        for link in index.copies(hub_key(bare_name(text), index.tables))
        if owner_of(link.id).lower() in owners and sizes_of(bare_name(link.id)) == sizes_of(bare_name(text))
    ]
    if not links:
        return None
    found = _one(query, links)
    evidence = f"{owner_of(text)} and {owner_of(found.id)} publish the same repositories on the two hubs"
    return Resolution(query, found.model, found.kind, found.id, "owner_alias_same_name", 0.9, evidence)


def _by_name(index: CrosswalkIndex, query: str, text: str) -> Resolution | None:
    models = sorted(index.named(name_key(text)))
    if len(models) > 1:
        raise AmbiguousIdError(
            f"{query}: several models bear this name; name one of {', '.join(models[:MOST_CANDIDATES])}",
            models,
        )
    if not models:
        return None
    return Resolution(query, models[0], None, models[0], "unique_name", 0.9, "the only model of this name")


def near_ids(index: CrosswalkIndex, text: str) -> tuple[str, ...]:
    """Up to eight ids that resemble ``text``: models first, by shared words and then by spelling."""
    words = Counter(name_key(bare_name(text)).split("-"))
    scored: list[tuple[int, str]] = []
    for model in index.models:
        shared = (words & Counter(name_key(bare_name(model)).split("-"))).total()
        if shared:
            same_owner = owner_of(model) == index.tables.lab_of(owner_of(text)) if "/" in text else False
            scored.append((2 * shared + same_owner, model))
    best = sorted(scored, key=lambda item: (-item[0], item[1]))[:60]
    ranked = sorted(best, key=lambda item: (-item[0], -_likeness(text, item[1]), item[1]))
    return tuple(model for _, model in ranked[:MOST_CANDIDATES])


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, bare_name(one).lower(), bare_name(other)).ratio()
