"""Every way to serve each class of a workload, or why not: sellers of the router, and plans on own cards."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from modelscan_catalog.errors import FitInputError, ModelScanError
from modelscan_catalog.fit.cost import own_cost, usual_context
from modelscan_catalog.fit.plan import plan
from modelscan_catalog.fit.profiles import find_profile
from modelscan_catalog.fit.published import PublishedRegistry
from modelscan_catalog.registry.optimize import Mix, Option, Own, cheapest_mix, replicas_of
from modelscan_catalog.registry.planning import why_not
from modelscan_catalog.registry.registry import Registry
from modelscan_catalog.registry.workload import Cards, ClassLoad, Seen, Workload, workload_json
from modelscan_catalog.router.config import QueryClass, RouterConfig, RouterModel, Target

_DAY_S = 86_400
_LOCAL = "local/"


@dataclass(frozen=True, slots=True)
class Refused:
    """What was looked at for a class and does not serve it."""

    query_class: str
    model: str
    where: str
    reason: str


@dataclass
class Options:
    """All options a class, and what was refused."""

    classes: dict[QueryClass, list[Option]] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)


def optimized(
    registry: Registry,
    config: RouterConfig,
    workload: Workload,
    seen: Seen | None,
    *,
    with_free: bool = False,
) -> dict[str, Any]:
    """The cheapest mix with what it was chosen from, as one document; ``mix`` is null where none is possible.

    ``chains`` is a document for ``modelscan router --chains``. Raises ``UnknownIdError`` for a model,
    ``FitInputError`` for cards that nobody knows or too many combinations.
    """
    pools = _pools(workload.cards)
    found = serving_options(registry, config, workload, seen, with_free=with_free)
    try:
        best = cheapest_mix(list(found.classes.values()), pools)
    except ValueError as error:
        raise FitInputError(f"workload: {error}", field="classes") from error
    sellers = [
        min((o.usd_per_day for o in options if o.own is None), default=None)
        for options in found.classes.values()
    ]
    sold = None if None in sellers else sum(usd for usd in sellers if usd is not None)
    return {
        "workload": workload_json(workload),
        "mix": None if best is None else _told(best, found),
        "usd_per_day_at_sellers_alone": None if sold is None else round(sold, 4),
        "options": {
            name: [_row(option) for option in sorted(options, key=lambda o: (_alone(o), o.model, o.where))]
            for name, options in found.classes.items()
        },
        "refused": [asdict(one) for one in found.refused],
        "chains": None if best is None else _chains(best, found),
    }


def serving_options(
    registry: Registry,
    config: RouterConfig,
    workload: Workload,
    seen: Seen | None,
    *,
    with_free: bool = False,
) -> Options:
    """The options of each class in the workload's order; raises as ``optimized`` does."""
    routed = {model.id: model for model in config.models}
    found = Options()
    wanted: dict[QueryClass, list[str]] = {}
    for name, load in workload.classes.items():
        wanted[name] = _models(registry, routed, load)
        options = found.classes.setdefault(name, [])
        for model in wanted[name]:
            if model not in routed:
                found.refused.append(Refused(name, model, "sellers", "the router has no seller of it"))
                continue
            for target in routed[model].targets:
                taken = _sold(routed[model], target, load, seen, with_free)
                if isinstance(taken, Option):
                    options.append(taken)
                elif taken is not None:
                    where = f"{target.provider}/{target.model}"
                    found.refused.append(Refused(name, model, where, taken))
    published = PublishedRegistry(registry.published)
    for model in dict.fromkeys(model for models in wanted.values() for model in models):
        loads = {name: workload.classes[name] for name, models in wanted.items() if model in models}
        for cards in workload.cards:
            for taken_or_not in _owned(published, model, cards, loads, workload.used_share):
                if isinstance(taken_or_not, Refused):
                    found.refused.append(taken_or_not)
                else:
                    query_class, option = taken_or_not
                    found.classes[query_class].append(option)
    return found


def _pools(cards: Sequence[Cards]) -> dict[str, int]:
    """How many cards of each profile there are; raises as ``optimized`` does."""
    pools: dict[str, int] = {}
    for one in cards:
        gpu = find_profile(one.gpu).id
        if gpu in pools:  # what one costs would hold for the other's too
            raise FitInputError(
                f"cards: {gpu} is there twice; give its whole count and one price", field="cards"
            )
        pools[gpu] = one.count
    return pools


def _models(registry: Registry, routed: Mapping[str, RouterModel], load: ClassLoad) -> list[str]:
    """The models that will do, by name or by the operator's measurement."""
    named = [registry.model_id(model) for model in load.models] or list(routed)
    if load.min_quality is None:
        return list(dict.fromkeys(named))
    least = load.min_quality
    good = {one.id for one in routed.values() if one.quality is not None and one.quality >= least}
    return [model for model in dict.fromkeys(named) if model in good]


def _sold(
    model: RouterModel, target: Target, load: ClassLoad, seen: Seen | None, with_free: bool
) -> Option | str | None:
    """The option, or why it is none; None for an engine of this machine, which is on own cards."""
    if target.provider.startswith(_LOCAL):
        return None
    if model.deprecated:
        return "the model is deprecated"
    longest = target.context or model.context
    if load.context is not None and (longest is None or longest < load.context):
        return "its context is unknown" if longest is None else f"its context is {longest:,} tokens"
    tier = max(
        (one for one in target.tiers if (load.context or 0) > one.above_tokens),
        key=lambda one: one.above_tokens,
        default=None,
    )
    priced = tier or target
    if priced.input_price is None or priced.output_price is None:
        return "its price is unknown"
    if not priced.input_price + priced.output_price and not with_free:
        return "it is free, so a trial with limits; --free takes it"
    where = f"{target.provider}/{target.model}"
    first_s = None if seen is None else seen.first_token_s.get((model.id, where))
    if load.max_first_token_s is not None and (first_s is None or first_s > load.max_first_token_s):
        return (
            "its first token was not measured often enough; --usage reads a router's figures"
            if first_s is None
            else f"its first token takes {first_s:.2g} s"
        )
    cached = priced.input_price if priced.cached_input_price is None else priced.cached_input_price
    price_in = (1 - load.cached) * priced.input_price + load.cached * cached
    usd = load.input_mtok_per_day * price_in + load.output_mtok_per_day * priced.output_price
    return Option(model.id, where, usd, first_token_s=first_s)


def _owned(
    published: PublishedRegistry,
    model: str,
    cards: Cards,
    loads: Mapping[QueryClass, ClassLoad],
    used_share: float,
) -> Iterator[tuple[QueryClass, Option] | Refused]:
    """Replicas on one, two, four … cards of a kind; the slow end of each estimate counts."""
    profile = find_profile(cards.gpu)
    try:
        variants = published.find(model).variants
    except ModelScanError as error:
        yield from (Refused(name, model, cards.gpu, str(error)) for name in loads)
        return
    stated = [load.context for load in loads.values() if load.context is not None]
    context = max(stated, default=usual_context(variants))
    sizes = [size for size in (1, 2, 4, 8, 16) if size <= cards.count]
    started = set()
    refusal = ""
    for size in sizes:
        planned = plan(variants, profile, size, context=context, with_alternatives=False)
        chosen = planned.chosen
        if chosen is None or not chosen.starts:
            refusal = why_not(planned)
            continue
        used = chosen.tp * chosen.pp
        if used in started:
            continue
        started.add(used)
        for name, load in loads.items():
            label = f"{used} x {profile.id}"
            if not load.output_mtok_per_day:
                yield Refused(name, model, label, "the speed of reading alone is not estimated")
                continue
            ratio = load.input_mtok_per_day / load.output_mtok_per_day
            cost = own_cost(chosen, profile, cards.usd_per_hour, ratio)
            if cost is None:
                yield Refused(name, model, label, "its price or its speed is not known; give usd_per_hour")
                continue
            first = chosen.ttft_s
            first_s = None if first is None else float(first.high)
            limit = load.max_first_token_s
            if limit is not None and (first_s is None or first_s > limit):
                yield Refused(name, model, label, f"its first token takes up to {first_s:.2g} s")
                continue
            a_day = float(cost.tokens_per_s.low) * _DAY_S * used_share / 1e6
            own = Own(model, profile.id, used, cost.usd_per_hour * 24, context)
            share = load.output_mtok_per_day / a_day
            yield name, Option(model, label, own=own, replicas=share, first_token_s=first_s)
    if not started:
        where = f"{sizes[-1]} x {profile.id}"
        yield from (Refused(name, model, where, refusal) for name in loads)


def _alone(option: Option) -> float:
    """What a class costs with this option and nothing shared."""
    return option.usd_per_day + sum(own.usd_per_day * count for own, count in replicas_of([option]).items())


def _row(option: Option) -> dict[str, Any]:
    return {
        "model": option.model,
        "where": option.where,
        "usd_per_day_alone": round(_alone(option), 4),
        "replicas_busy": round(option.replicas, 4) if option.own is not None else None,
        "first_token_s": None if option.first_token_s is None else round(option.first_token_s, 3),
    }


def _told(best: Mix, found: Options) -> dict[str, Any]:
    return {
        "usd_per_day": round(best.usd_per_day, 4),
        "classes": {name: _row(option) for name, option in zip(found.classes, best.options, strict=True)},
        "deployments": [
            {
                "model": own.model,
                "gpu": own.gpu,
                "cards": own.cards,
                "context": own.context,
                "replicas": count,
                "usd_per_day": round(own.usd_per_day * count, 4),
                "busy_share": round(sum(o.replicas for o in best.options if o.own == own) / count, 4),
            }
            for own, count in best.replicas.items()
        ],
    }


def _chains(best: Mix, found: Options) -> dict[str, Any]:
    """The chosen model first, then the cheapest other one that some seller has, for when it fails."""
    chains = {}
    for (name, options), chosen in zip(found.classes.items(), best.options, strict=True):
        others: Sequence[Option] = [o for o in options if o.own is None and o.model != chosen.model]
        spare = min(others, key=lambda o: (o.usd_per_day, o.model), default=None)
        chains[name] = [chosen.model, *([spare.model] if spare is not None else [])]
    return {"source": "modelscan optimize", "chains": chains}
