"""Search over the catalogue's models: names, makers, capabilities, tasks and bounds, ranked."""

from __future__ import annotations

import difflib
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

from modelscan_catalog.registry.files import VIEW, RegistryFiles, Row
from modelscan_catalog.registry.query import Query, asked_words, parse_query, words_of

_NAME, _FAMILY, _LAB, _ALIAS = 1.0, 0.7, 0.7, 0.4
_JOINED, _SPLIT, _PREFIX, _SPELLING = 0.9, 0.6, 0.5, 0.5
_LEAST_LIKENESS = 0.76
_LETTERS_DIGITS = re.compile(r"[a-z]+|\d+(?:\.\d+)?")
_PARTS_OF_NAMES = 2
"""A word that is split ('gpt5' is gpt and 5) has at least this many pieces."""


@dataclass(frozen=True)
class Hit:
    """A model that was found; ``usd_per_mtok`` is the cheapest seller's: three parts input, one output."""

    model: str
    name: str
    score: float
    category: str | None
    tags: tuple[str, ...]
    parameters: int | None
    context: int | None
    min_vram_gib: float | None
    usd_per_mtok: float | None
    open_weights: bool | None
    status: str | None


@dataclass(frozen=True)
class _Model:
    row: Row
    words: Mapping[str, float]
    """Pieces of its names and how much each counts."""
    name: tuple[str, ...]
    min_vram_gib: float | None
    prior: float
    """Between 0 and about 3: downloads, sellers, age, maker."""


class SearchIndex:
    """An index over the models of a registry; build it once."""

    def __init__(self, models: Iterable[Row], checkpoints: Iterable[Row], view: Mapping[str, Row],
                 files: RegistryFiles | None = None) -> None:  # fmt: skip
        downloads: Counter[str] = Counter()
        memory: dict[str, float] = {}
        for row in checkpoints:
            downloads[row["model"]] = max(downloads[row["model"]], row.get("downloads") or 0)
            least = view.get(row["id"], {}).get("requirements", {}).get("min_vram_gb")
            if least is not None:
                memory[row["model"]] = min(least, memory.get(row["model"], math.inf))
        rows = list(models)
        sold = Counter[str]()
        for row in rows:
            sold[row["lab"]] += row.get("offers", 0)
        newest = max((row["release_date"] for row in rows if row.get("release_date")), default="")
        self._models = [
            _Model(
                row=row,
                words=_words(row),
                name=words_of(row["id"].partition("/")[2]),
                min_vram_gib=memory.get(row["id"]),
                prior=_prior(row, downloads[row["id"]], sold[row["lab"]], newest),
            )
            for row in rows
        ]
        self._places: dict[str, dict[int, float]] = {}
        """Of each known word the models that have it, and how much it counts there."""
        for place, model in enumerate(self._models):
            for word, share in model.words.items():
                self._places.setdefault(word, {})[place] = share
        self._files = files

    @classmethod
    def of(cls, files: RegistryFiles) -> SearchIndex:
        """The index of a published registry."""
        view = files.document(VIEW)["models"]
        return cls(files.rows("models.jsonl"), files.rows("variants.jsonl"), view, files)

    @cached_property
    def _prices(self) -> Mapping[str, float]:
        """Cheapest blended price of each model, USD per million tokens; zero means free of charge."""
        return cheapest_prices(self._files.offers() if self._files else ())

    def search(self, text: str, limit: int = 10) -> tuple[Hit, ...]:
        """The best ``limit`` models for ``text``; empty when nothing resembles it."""
        query = parse_query(text)
        found = self._rank(query)
        if query.wishes and not query.order and (query.words or not found):
            # "large" is a size in "large vision models" and a name in "mistral large".
            words = asked_words(text)
            spelled = [set(reading) for reading in self._readings(words)]
            named = [
                one
                for one in self._rank(Query(words, ()))
                if any(reading <= one[1].words.keys() for reading in spelled)
            ]
            ids = {model.row["id"] for _, model in named}
            found = named + [one for one in found if one[1].row["id"] not in ids]
        if not found and query.words:
            found = self._rank(Query(query.words, ()))
        return tuple(self._hit(model, score) for score, model in found[:limit])

    def everything(self) -> tuple[Hit, ...]:
        """Every model, the most used and newest first."""
        ordered = sorted(self._models, key=lambda model: (-model.prior, model.row["id"]))
        return tuple(self._hit(model, model.prior) for model in ordered)

    def _rank(self, query: Query) -> list[tuple[float, _Model]]:
        held = [place for place, model in enumerate(self._models) if _holds(model, query)]
        uses = [wish for wish in query.wishes if _is_use(wish)]
        # Of "rerank for rag" no model serves both uses; one is enough then.
        serving = [place for place in held if all(_serves(self._models[place], wish) for wish in uses)]
        held = serving or [
            place for place in held if any(_serves(self._models[place], wish) for wish in uses)
        ]
        readings = self._readings(query.words)
        known = {word: self._meanings(word) for word in {word for reading in readings for word in reading}}
        if query.asks_for_facts:
            # Beside a wish, a word that no name has ("documents") is talk; alone it finds nothing.
            talk = {word for word, meanings in known.items() if max(meanings.values(), default=0.0) < 1.0}
            readings = [tuple(word for word in reading if word not in talk) for reading in readings]
        shares = {word: self._shares(meanings) for word, meanings in known.items()}
        scored = [
            (score, self._models[place])
            for place in held
            if (
                score := max(
                    self._score(place, query, [shares[word] for word in reading]) for reading in readings
                )
            )
            > 0
        ]
        if query.order in ("price", "free"):
            priced = [
                (score, model)
                for score, model in scored
                if (price := self._prices.get(model.row["id"])) is not None
                and (price == 0) == (query.order == "free")
                and model.row.get("status") != "deprecated"
            ]
            if query.order == "price":
                return sorted(priced, key=lambda one: (self._prices[one[1].row["id"]], one[1].row["id"]))
            scored = priced
        if query.order == "newest":
            return sorted(
                scored, key=lambda one: (one[1].row.get("release_date") or "", one[0]), reverse=True
            )
        return sorted(scored, key=lambda one: (-one[0], one[1].row["id"]))

    def _readings(self, words: tuple[str, ...]) -> list[tuple[str, ...]]:
        """``words`` as they are, and with two of them as the start of one name: "smol lm" is smollm."""
        joined = [words]
        for place, pair in enumerate(pairwise(words)):
            whole = "".join(pair)
            if any(known.startswith(whole) for known in self._places):
                joined.append((*words[:place], whole, *words[place + 2 :]))
        return joined

    def _meanings(self, word: str) -> Mapping[str, float]:
        """Known words that ``word`` may mean, each with its share: itself, its start, its likely spelling."""
        meanings = {known: _PREFIX for known in self._places if len(word) > 1 and known.startswith(word)}
        if word in self._places:
            return meanings | {word: 1.0}
        if meanings:
            return meanings
        near = difflib.get_close_matches(word, self._places, n=4, cutoff=_LEAST_LIKENESS)
        return dict.fromkeys(near, _SPELLING)

    def _shares(self, meanings: Mapping[str, float]) -> Mapping[int, float]:
        """How well a word of these meanings is met by each model that meets it, rare words more."""
        best: dict[int, float] = {}
        for word, share in meanings.items():
            rarity = math.log(1 + len(self._models) / len(self._places[word]))
            for place, counts in self._places[word].items():
                best[place] = max(best.get(place, 0.0), share * counts * rarity)
        return best

    def _score(self, place: int, query: Query, words: Sequence[Mapping[int, float]]) -> float:
        model = self._models[place]
        if not words:
            return 1.0 + model.prior
        met = [one[place] for one in words if place in one]
        if not met:
            return 0.0
        coverage = len(met) / len(words)
        left_over = sum(word not in query.words for word in model.name)
        return (sum(met) * coverage**2) * (1 - 0.04 * min(left_over, 10)) + model.prior * coverage**2

    def _hit(self, model: _Model, score: float) -> Hit:
        row = model.row
        return Hit(
            model=row["id"],
            name=row["name"],
            score=round(score, 3),
            category=row.get("category"),
            tags=tuple(row.get("tags", ())),
            parameters=row.get("parameters", {}).get("total"),
            context=row.get("limits", {}).get("context"),
            min_vram_gib=model.min_vram_gib,
            usd_per_mtok=self._prices.get(row["id"]),
            open_weights=row.get("open_weights"),
            status=row.get("status"),
        )


def cheapest_prices(offers: Iterable[Row]) -> dict[str, float]:
    """The lowest price above zero of each model, three parts input and one output; zero where it is free."""
    cheapest: dict[str, float] = {}
    for offer in offers:
        price = offer.get("price") or {}
        model = offer.get("model")
        if (
            model is None
            or "input" not in price
            or "output" not in price
            or offer.get("status") == "deprecated"
        ):
            continue
        blended = round((3 * price["input"] + price["output"]) / 4, 6)
        before = cheapest.get(model)
        if before is None or before == 0 or 0 < blended < before:
            cheapest[model] = blended or before or 0.0
    return cheapest


def _words(row: Row) -> dict[str, float]:
    lab, _, bare = row["id"].partition("/")
    sources = [
        (bare, _NAME),
        (row["name"], _NAME),
        (row.get("family") or "", _FAMILY),
        (lab, _LAB),
        *((alias["id"].rpartition("/")[2], _ALIAS) for alias in row.get("aliases", ())),
    ]
    words: dict[str, float] = {}
    for text, weight in sources:
        pieces = words_of(text)
        joined = [first + second for first, second in pairwise(pieces)]
        split = [part for piece in pieces if len(parts := _LETTERS_DIGITS.findall(piece)) >= _PARTS_OF_NAMES
                 for part in parts]  # fmt: skip
        shares = ((pieces, 1.0), (joined, _JOINED), (split, _SPLIT))
        for word, share in ((word, share) for some, share in shares for word in some):
            words[word] = max(words.get(word, 0.0), weight * share)
    return words


def _prior(row: Row, downloads: int, lab_offers: int, newest: str) -> float:
    """How likely a model is meant, whatever is asked: its use, its age, and how much its maker's are sold.

    The last tells a maker from those who upload others' weights again.
    """
    age_years = 5.0
    if newest and row.get("release_date"):
        age_years = _months(newest) / 12 - _months(row["release_date"]) / 12
    used = math.log10(1 + downloads) / 8 + math.log10(1 + row.get("offers", 0)) / 2
    maker = 0.15 * math.log10(1 + lab_offers)
    return max(0.0, used + maker - 0.15 * min(age_years, 5.0) + 0.75) * (
        0.2 if row.get("status") == "deprecated" else 1
    )


def _months(date: str) -> int:
    return int(date[:4]) * 12 + int(date[5:7] or 6)


def _holds(model: _Model, query: Query) -> bool:
    row = model.row
    parameters = row.get("parameters", {}).get("total")
    bounds = (
        (query.most_memory_gib, model.min_vram_gib, 1),
        (query.most_parameters, parameters, 1),
        (query.least_parameters, parameters, -1),
        (query.least_context, row.get("limits", {}).get("context"), -1),
    )
    for bound, value, sign in bounds:
        if bound is not None and (value is None or sign * value > sign * bound):
            return False
    named = {category for wish in query.wishes for category in wish.get("category", ())}
    return all(_grants(model, wish, named) for wish in query.wishes)


def _is_use(wish: Mapping[str, Any]) -> bool:
    """Whether it asks for what a model is for."""
    return "category" in wish or "name_words" in wish


def _serves(model: _Model, wish: Mapping[str, Any]) -> bool:
    by_category = model.row.get("category") in wish.get("category", ())
    return by_category or any(word in model.words for word in wish.get("name_words", ()))


def _grants(model: _Model, wish: Mapping[str, Any], named: Set[str]) -> bool:
    """Whether it has what one wish asks for; ``named`` are the categories that another wish asks for."""
    row = model.row
    if row.get("category") in wish.get("not_category", ()) and row.get("category") not in named:
        return False
    if "tag" in wish and wish["tag"] not in row.get("tags", ()):
        return False
    return "open_weights" not in wish or row.get("open_weights") is wish["open_weights"]
