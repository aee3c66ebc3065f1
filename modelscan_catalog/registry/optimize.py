"""The cheapest way to serve a workload: each class at a seller or on own cards, exact over all mixes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MAX_MIXES = 2_000_000
"""More combinations of options are refused rather than searched in part."""


@dataclass(frozen=True, slots=True)
class Own:
    """A replica of a model on cards of one kind; more of them serve more."""

    model: str
    gpu: str
    cards: int
    """Of one replica."""
    usd_per_day: float
    """Of one replica, busy or not."""
    context: int | None = None
    """Tokens of a request that it is planned for."""


@dataclass(frozen=True, slots=True)
class Option:
    """One way to serve one class: at a seller, whose price is the class's own, or a share of ``own``."""

    model: str
    where: str
    usd_per_day: float = 0.0
    """At a seller; own cards are paid by the replica."""
    own: Own | None = None
    replicas: float = 0.0
    """Replicas of ``own`` that this class keeps as busy as is allowed; not whole."""
    first_token_s: float | None = None


@dataclass(frozen=True, slots=True)
class Mix:
    """An option a class, the whole replicas that they need together, and what all costs a day."""

    options: tuple[Option, ...]
    replicas: Mapping[Own, int]
    usd_per_day: float


def replicas_of(options: Sequence[Option]) -> dict[Own, int]:
    """Whole replicas: classes of the same model on the same cards share them."""
    busy: dict[Own, float] = {}
    for option in options:
        if option.own is not None:
            busy[option.own] = busy.get(option.own, 0.0) + option.replicas
    return {own: max(1, math.ceil(share - 1e-9)) for own, share in busy.items()}


def mix_of(options: Sequence[Option], cards: Mapping[str, int]) -> Mix | None:
    """The mix of these options; None where the cards do not suffice."""
    replicas = replicas_of(options)
    needed: dict[str, int] = {}
    for own, count in replicas.items():
        needed[own.gpu] = needed.get(own.gpu, 0) + count * own.cards
    if any(count > cards.get(gpu, 0) for gpu, count in needed.items()):
        return None
    usd = math.fsum(option.usd_per_day for option in options)
    usd += math.fsum(own.usd_per_day * count for own, count in replicas.items())
    return Mix(tuple(options), replicas, usd)


def cheapest_mix(classes: Sequence[Sequence[Option]], cards: Mapping[str, int]) -> Mix | None:
    """The cheapest of all mixes of one option a class, of equals the first; None where none is possible.

    ``cards`` is how many of each kind there are. Branch and bound: what is chosen only adds cost and cards.
    Of sellers only a class's cheapest is searched, as they do not share anything. Raises ``ValueError`` for
    more than ``MAX_MIXES`` combinations.
    """
    searched = [_without_dearer_sellers(options) for options in classes]
    if math.prod(len(options) for options in searched) > MAX_MIXES:
        raise ValueError(f"more than {MAX_MIXES:,} mixes: name fewer models or kinds of cards")
    best: Mix | None = None

    def look(chosen: tuple[Option, ...]) -> None:
        nonlocal best
        mix = mix_of(chosen, cards)
        if mix is None or (best is not None and mix.usd_per_day >= best.usd_per_day - 1e-9):
            return
        if len(chosen) == len(searched):
            best = mix
            return
        for option in searched[len(chosen)]:
            look((*chosen, option))

    look(())
    return best


def _without_dearer_sellers(options: Sequence[Option]) -> list[Option]:
    sellers = [option for option in options if option.own is None]
    cheapest = min(sellers, key=lambda option: option.usd_per_day, default=None)
    return [option for option in options if option.own is not None or option is cheapest]
