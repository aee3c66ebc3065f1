"""What would run where the asked plan does not: other checkpoint, fp8 cache, shorter context, other cards."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from modelscan_catalog.fit.candidates import Candidate, Placement, judge, scheme_name
from modelscan_catalog.fit.matrix_terms import FitVariant, resident_gib
from modelscan_catalog.fit.profiles import load_profiles
from modelscan_catalog.fit.tables import table

MACHINE = 8
"""Cards of one machine; beyond, the network between machines sets the pace."""
Change = Literal["variant", "kv_cache_dtype", "context", "count", "card", "offload"]


@dataclass(frozen=True, slots=True)
class Alternative:
    """One change that makes the model start, smallest changes first; `candidate` holds the arithmetic."""

    change: Change
    profile_id: str
    count: int
    candidate: Candidate

    @property
    def text(self) -> str:
        """The change as a line a person can act on."""
        found = self.candidate
        where = f"{found.variant.variant_id} on {self.count} x {self.profile_id}"
        if self.change == "offload":
            return f"{where} with {found.engine}, {found.host_gib:.0f} GiB of it in system memory"
        where += ", more than one machine" if self.count > MACHINE else ""
        cache = f", {found.kv_cache_dtype} KV cache" if found.kv_cache_dtype != "auto" else ""
        split = f"TP {found.tp}" + (f" x PP {found.pp}" if found.pp > 1 else "")
        return f"{where} ({split}, {found.context} tokens{cache}, {found.engine}): {found.verdict}"


def alternatives(
    variants: Sequence[FitVariant],
    place: Placement,
    engines: Sequence[str],
    version: str | None = None,
    *,
    rank: Callable[[str], int],
    limit: int = 12,
) -> tuple[Alternative, ...]:
    """Changes that make one of the model's checkpoints start, at most one of each kind and card.

    `rank` orders formats by fidelity. Tried in order: another checkpoint on the same cards, an fp8 KV cache,
    a shorter context, more of the same cards, the cards of `policy.json` with the fewest that do, and system
    memory for GGUF files.
    """
    rules = table("fit/policy.json")["alternatives"]
    free, name = replace(place, tp=None, pp=None), place.profile.id
    asked = place.context or max((variant.declared_context or 0 for variant in variants), default=0)
    more = [count for count in rules["counts"] if count > place.count]
    steps: list[tuple[Change, str, list[Placement]]] = [("variant", name, [place])]
    if place.kv_cache_dtype == "auto":
        steps.append(("kv_cache_dtype", name, [replace(place, kv_cache_dtype="fp8")]))
    declared = {variant.declared_context for variant in variants if variant.declared_context}
    shorter = sorted((size for size in {*rules["contexts"], *declared} if size < asked), reverse=True)
    steps.append(("context", name, [replace(place, context=size) for size in shorter]))
    steps.append(("count", name, [replace(free, count=count) for count in more]))
    profiles = load_profiles()
    for card in rules["cards"]:
        if card != name:
            same = [replace(free, profile=profiles[card], count=count) for count in rules["counts"]]
            steps.append(("card", card, same))
    found = [
        Alternative(change, card, candidate.tp * candidate.pp, candidate)
        for change, card, places in steps
        for candidate in _first_start(variants, places, engines, version, rank)
    ]
    return (*found[: limit - 1], *_offloads(variants, place))


def _first_start(
    variants: Sequence[FitVariant],
    places: Iterable[Placement],
    engines: Sequence[str],
    version: str | None,
    rank: Callable[[str], int],
) -> Iterator[Candidate]:
    """The highest-fidelity candidate of the first placement where any starts, or nothing.

    GGUF files are left to the last line where the model has other checkpoints.
    """
    servers = [variant for variant in variants if scheme_name(variant) != "gguf"] or list(variants)
    for place in places:
        starting = [
            candidate
            for variant in servers
            if _could_hold(variant, place)
            for engine in engines
            if (candidate := judge(variant, place, engine, version)).starts
        ]
        if starting:
            yield min(
                starting, key=lambda one: (one.verdict != "fits", rank(one.scheme), engines.index(one.engine))
            )
            return


def _could_hold(variant: FitVariant, place: Placement) -> bool:
    """False where the files alone exceed all the cards' memory, which spares the arithmetic."""
    size = resident_gib(variant)
    return math.isnan(size) or size * 0.9 <= place.profile.memory.high_gib * place.count


def _offloads(variants: Sequence[FitVariant], place: Placement) -> Iterator[Alternative]:
    """The GGUF file that leaves least in system memory."""
    unasked = replace(place, host_memory_gib=None)
    shown = [judge(variant, unasked, "llama.cpp") for variant in variants]
    partial = [one for one in shown if one.host_gib is not None and one.support.runs]
    if partial:
        least = min(partial, key=lambda one: one.host_gib or 0.0)
        yield Alternative("offload", place.profile.id, place.count, least)
