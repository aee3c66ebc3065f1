"""How good the crosswalk is: precision and recall on pairs it was not taught, and on pairs that are none."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from modelscan_catalog.merge.facts import RepoFacts
from modelscan_catalog.merge.identity import identify
from modelscan_catalog.merge.labelled_pairs import (
    LabelledPair,
    grouped_aliases,
    is_held_out,
    learn_owner_aliases,
    read_pairs,
)
from modelscan_catalog.merge.staged_tables import read_staged
from modelscan_catalog.merge.tables import MergeTables, load_tables
from modelscan_catalog.merge.twins import Hub, Twin, TwinLinker
from modelscan_catalog.records import Ambiguity


def crosswalk_quality(
    huggingface: Mapping[str, RepoFacts | None],
    modelscope: Mapping[str, RepoFacts | None],
    *,
    pairs: Sequence[LabelledPair] | None = None,
    asked: Sequence[LabelledPair] | None = None,
    tables: MergeTables | None = None,
) -> dict[str, Any]:
    """Measure the ModelScope links on the held-out half of the labelled pairs, or on ``asked``.

    ``huggingface`` and ``modelscope`` give facts by repository id, where they are known; ids that only the
    pairs name count as repositories without facts. Owner aliases are learned from the other half alone (from
    all other pairs when ``asked`` is given), and no stated pair is used. Every ModelScope id is offered all
    HuggingFace ids, so a wrong link has a chance.

    Returns ``pairs``, ``linked``, ``right``, ``wrong``, ``missed``, ``precision``, ``recall``, the same by
    kind of pair (``same_id``, ``other_case``, ``other_owner``, ``other_name``) and by rule, and up to 50
    ``errors`` as texts. Precision and recall are null where there is nothing to divide by.
    """
    tables = tables or load_tables()
    labelled = read_pairs() if pairs is None else tuple(pairs)
    if asked is None:
        taught = [pair for pair in labelled if not pair.held_out]
        asked = [pair for pair in labelled if pair.held_out]
    else:
        hidden = {(pair.modelscope, pair.huggingface) for pair in asked}
        taught = [pair for pair in labelled if (pair.modelscope, pair.huggingface) not in hidden]
        labelled = (*labelled, *asked)
    questions = list({(p.modelscope, p.huggingface): p for p in asked if p.usable}.values())
    learned = replace(tables, owner_aliases=grouped_aliases(learn_owner_aliases(taught, tables)))
    named: dict[str, RepoFacts | None] = {p.huggingface: None for p in labelled if p.huggingface and p.usable}
    linker = TwinLinker(
        Hub({**named, **huggingface}),
        Hub({**{p.modelscope: None for p in labelled}, **modelscope}),
        learned,
    )
    acceptable: dict[str, set[str]] = {}
    for pair in labelled:
        if pair.usable and pair.huggingface:
            acceptable.setdefault(pair.modelscope, set()).add(pair.huggingface.lower())
    outcomes = [(pair, linker.link(pair.modelscope)) for pair in questions]
    negatives = [
        found
        for pair in questions
        if isinstance(
            found := linker.link(
                pair.modelscope, _spellings(acceptable[pair.modelscope], named, huggingface)
            ),
            Twin,
        )
    ]
    return _score(outcomes, acceptable) | {
        "without_twin": {
            "asked": len(questions),
            "linked": len(negatives),
            "links": sorted(f"{t.modelscope} = {t.huggingface} by {t.rule}" for t in negatives)[:50],
        },
        "taught_pairs": len(taught),
        "learned_aliases": sum(len(rows) for rows in learned.owner_aliases.values()),
    }


def _spellings(lowered: set[str], *hubs: Iterable[str]) -> frozenset[str]:
    return frozenset(identifier for hub in hubs for identifier in hub if identifier.lower() in lowered)


def offer_quality(staged: Mapping[str, Sequence[Any]], tables: MergeTables | None = None) -> dict[str, Any]:
    """Measure the links of offers on the half of models.dev's own ``canonical_model_id``s that is hidden.

    ``staged`` holds the staged tables. An offer counts as right when the rules link it to the canonical model
    that models.dev states. models.dev is not of one mind about snapshots and ``-latest`` names, so a part of
    what counts as wrong is another choice rather than a mistake. Returns the same keys as
    ``crosswalk_quality``, by rule instead of by kind.
    """
    tables = tables or load_tables()
    rows = read_staged(staged)
    stated = identify(rows, tables, ()).canonical
    hidden = {
        (offer.provider, offer.id): stated[offer.canonical_model_id]
        for offer in rows.offers
        if offer.canonical_model_id is not None and is_held_out(f"{offer.provider}/{offer.id}")
    }
    blind = replace(
        rows,
        offers=tuple(
            offer.model_copy(update={"canonical_model_id": None})
            if (offer.provider, offer.id) in hidden
            else offer
            for offer in rows.offers
        ),
    )
    found = identify(blind, tables, ()).offers
    rules: dict[str, Counter[str]] = {}
    errors: list[str] = []
    counts = Counter[str]()
    for key, model in sorted(hidden.items()):
        home = found.get(key)
        outcome = "missed" if home is None else "right" if home.model == model else "wrong"
        counts[outcome] += 1
        if home is not None:
            rules.setdefault(home.rule, Counter())[outcome] += 1
        if home is not None and outcome == "wrong":
            errors.append(f"wrong {'/'.join(key)} = {home.model} by {home.rule}, not {model}")
    return {
        **_ratio(counts["right"], counts["wrong"], counts["missed"]),
        "by_rule": {rule: dict(sorted(row.items())) for rule, row in sorted(rules.items())},
        "errors": errors[:50],
    }


def _score(
    outcomes: Iterable[tuple[LabelledPair, Twin | Ambiguity | None]], acceptable: Mapping[str, set[str]]
) -> dict[str, Any]:
    right, wrong, missed = Counter[str](), Counter[str](), Counter[str]()
    rules: dict[str, Counter[str]] = {}
    errors: list[str] = []
    for pair, found in outcomes:
        kind = kind_of(pair)
        if not isinstance(found, Twin):
            missed[kind] += 1
            why = f"ambiguous: {', '.join(found.candidates)}" if found else "no candidate"
            errors.append(f"missed {pair.modelscope} = {pair.huggingface} ({why})")
            continue
        hit = found.huggingface.lower() in acceptable[pair.modelscope]
        (right if hit else wrong)[kind] += 1
        rules.setdefault(found.rule, Counter())["right" if hit else "wrong"] += 1
        if not hit:
            errors.append(
                f"wrong {pair.modelscope} = {found.huggingface} by {found.rule}, not {pair.huggingface}"
            )
    total = {kind: _ratio(right[kind], wrong[kind], missed[kind]) for kind in sorted(right | wrong | missed)}
    return {
        **_ratio(right.total(), wrong.total(), missed.total()),
        "by_kind": total,
        "by_rule": {rule: dict(sorted(counts.items())) for rule, counts in sorted(rules.items())},
        "errors": sorted(errors)[:50],
    }


def _ratio(right: int, wrong: int, missed: int) -> dict[str, Any]:
    linked, pairs = right + wrong, right + wrong + missed
    return {
        "pairs": pairs,
        "linked": linked,
        "right": right,
        "wrong": wrong,
        "missed": missed,
        "precision": round(right / linked, 4) if linked else None,
        "recall": round(right / pairs, 4) if pairs else None,
    }


def kind_of(pair: LabelledPair) -> str:
    """How the two ids of a pair differ."""
    one, other = pair.modelscope, pair.huggingface or ""
    if one == other:
        return "same_id"
    if one.lower() == other.lower():
        return "other_case"
    same_name = one.rsplit("/", 1)[-1].lower() == other.rsplit("/", 1)[-1].lower()
    return "other_owner" if same_name else "other_name"
