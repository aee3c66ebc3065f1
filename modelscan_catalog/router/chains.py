"""Chains of models for each class of query, and the refiners: from the catalogue, or a user's own file.

The rules with their reasons are data (``registry/router/chains.json``). A chain loses nothing on its way: no
model holds less context or reads fewer modalities than the one before it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.records import Model
from modelscan_catalog.router.config import QueryClass, RouterConfig, RouterModel, changed
from modelscan_catalog.router.lint import RouterFault, chain_faults, lost_by
from modelscan_catalog.router.overlay_files import told
from modelscan_catalog.router.parts import Part
from modelscan_catalog.router.policy import usual_cost
from modelscan_catalog.settings import REPOSITORY_ROOT

_RULES = REPOSITORY_ROOT / "registry" / "router" / "chains.json"
_MAX_FILE_BYTES = 1024 * 1024


class ChainRule(Part):
    """Which models may stand in a chain, and in which order; prices in USD per million usual tokens."""

    reason: str
    capabilities: tuple[str, ...] = ()
    without: tuple[str, ...] = Field(default=(), description="capabilities that rule a model out")
    input: tuple[str, ...] = ()
    min_context: int
    max_usual_price: float
    order: Literal["most_offered", "cheapest"]
    released_within_months: int | None = None
    released_within_months_reason: str | None = None


class ChainRules(Part):
    """The whole of ``chains.json``."""

    source: str
    chain_length: int = Field(ge=1)
    chain_length_reason: str
    min_sellers: int = Field(ge=1)
    min_sellers_reason: str
    released_within_months: int
    released_within_months_reason: str
    classes: dict[QueryClass, ChainRule]
    refiners: ChainRule


class ChainsFile(Part):
    """A user's own orders, instead of the computed ones."""

    source: str | None = None
    chains: dict[QueryClass, tuple[str, ...]] = Field(default_factory=dict)
    refiners: tuple[str, ...] = ()


@cache
def chain_rules() -> ChainRules:
    """The committed rules."""
    return ChainRules.model_validate_json(_RULES.read_bytes())


def computed_chains(
    routed: Sequence[RouterModel], models: Iterable[Model]
) -> tuple[dict[QueryClass, tuple[str, ...]], tuple[str, ...]]:
    """The chain of each class, and the refiners, by the committed rules; absent where nobody qualifies."""
    rules = chain_rules()
    records = {model.id: model for model in models}
    months = [_months(record.release_date) for record in records.values()]
    newest = max((one for one in months if one is not None), default=None)
    chains: dict[QueryClass, tuple[str, ...]] = {}
    for name, rule in sorted(rules.classes.items()):
        chain = _chain(_candidates(routed, records, rule, rules, newest), records, rules.chain_length)
        if chain:
            chains[name] = chain
    refiners = _candidates(routed, records, rules.refiners, rules, newest)
    return chains, _chain(refiners, records, rules.chain_length)


def read_chains(path: Path) -> ChainsFile:
    """The orders in the file at ``path``; raises ``SettingsError`` with the field and the fault."""
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise SettingsError(f"{path}: larger than {_MAX_FILE_BYTES} bytes: not a file of chains")
        return ChainsFile.model_validate(json.loads(path.read_bytes()))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise SettingsError(f"{path}: {told(error)}") from None
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: not JSON: {error}") from error


def with_chains(config: RouterConfig, orders: ChainsFile, name: str) -> RouterConfig:
    """``config`` with ``orders`` before its own; raises ``SettingsError`` for a name that is not routed."""
    faults = [fault for fault in lint_chains(config, orders) if fault.code == "unknown_model"]
    if faults:
        raise SettingsError(f"{name}: {faults[0].where}: {faults[0].message}")
    return changed(config, chains=config.chains | orders.chains, refiners=orders.refiners or config.refiners)


def lint_chains(
    config: RouterConfig, orders: ChainsFile, statuses: Mapping[str, str | None] | None = None
) -> list[RouterFault]:
    """What is wrong with ``orders`` under ``config``, errors first.

    ``statuses`` are those of all models of the catalogue, routed or not: they tell a withdrawn model from
    a name that nobody ever bore.
    """
    models = {model.id: model for model in config.models}
    statuses = statuses or {}
    faults: list[RouterFault] = []
    for where, names in _orders(orders):
        for name in names:
            if name in models:
                continue
            if statuses.get(name) == "deprecated":
                message = f"{name} is deprecated: no seller that still offers it is routed"
            elif name in statuses:
                message = f"{name} has no seller that is routed"
            else:
                near = get_close_matches(name, sorted({*models, *statuses}), n=3, cutoff=0.5)
                message = f"no model is called {name}" + (f"; near: {', '.join(near)}" if near else "")
            faults.append(RouterFault("error", "unknown_model", where, message))
        faults += chain_faults(where, [models[name] for name in names if name in models])
    return sorted(set(faults))


def catalogue_statuses(path: Path) -> dict[str, str | None]:
    """The status of each model in a published ``models.jsonl``; empty where there is none."""
    if not path.exists():
        return {}
    with path.open(encoding="utf-8") as lines:
        return {row["id"]: row.get("status") for row in map(json.loads, lines)}


def _orders(orders: ChainsFile) -> list[tuple[str, tuple[str, ...]]]:
    return [(f"chain {name}", names) for name, names in orders.chains.items()] + [
        ("refiners", orders.refiners)
    ]


def _candidates(
    routed: Sequence[RouterModel],
    records: Mapping[str, Model],
    rule: ChainRule,
    rules: ChainRules,
    newest: int | None,
) -> list[RouterModel]:
    """Models that ``rule`` admits, best first; equals the newer first, then by id."""
    within = rule.released_within_months or rules.released_within_months
    found = []
    for model in routed:
        record = records[model.id]
        has = {name for name, value in record.capabilities if value}
        lacks = {name for name, value in record.capabilities if value is False}
        released = _months(record.release_date)
        price = _price(model)
        if (
            model.task == "chat"
            and not model.deprecated
            and record.status in (None, "stable")
            and "text" in model.output
            and {"text", *rule.input} <= {*model.input}
            and {*rule.capabilities} <= has
            and {*rule.without} <= lacks
            and (model.context or 0) >= rule.min_context
            and price is not None
            and price <= rule.max_usual_price
            and _sellers(model) >= rules.min_sellers
            and released is not None
            and newest is not None
            and newest - released <= within
        ):
            found.append((model, record.release_date or "", price))
    found.sort(key=lambda one: one[0].id)
    found.sort(key=lambda one: one[1], reverse=True)
    found.sort(key=lambda one: one[2] if rule.order == "cheapest" else -_sellers(one[0]))
    return [model for model, _, _ in found]


def _chain(candidates: Sequence[RouterModel], records: Mapping[str, Model], length: int) -> tuple[str, ...]:
    """The first candidate that others of other labs can stand in for, and those; the longest there is."""
    best: list[RouterModel] = []
    for at, first in enumerate(candidates):
        chain, labs = [first], {records[first.id].lab}
        for other in (*candidates[at + 1 :], *candidates[:at]):
            if len(chain) == length:
                break
            if records[other.id].lab not in labs and lost_by(chain[-1], other) is None:
                chain.append(other)
                labs.add(records[other.id].lab)
        if len(chain) > len(best):
            best = chain
        if len(best) == length:
            break
    return tuple(model.id for model in best)


def _price(model: RouterModel) -> float | None:
    """The median seller's, as the cheapest may be a trial; null without prices."""
    prices = sorted(
        price
        for target in model.targets
        if 0 < (price := usual_cost(target.input_price, target.output_price)) < float("inf")
    )
    return prices[len(prices) // 2] if prices else None


def _sellers(model: RouterModel) -> int:
    return len({t.provider for t in model.targets if not t.provider.startswith("local/")})


def _months(date: str | None) -> int | None:
    """Months since year 0 of a date such as 2026-06-30 or 2026-06; null for less."""
    if date is None or len(date) < 7:
        return None
    return int(date[:4]) * 12 + int(date[5:7])
