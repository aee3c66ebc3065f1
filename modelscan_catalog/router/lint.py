"""Checks of a router configuration that its schema cannot express."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal
from urllib.parse import urlsplit

from modelscan_catalog.router.config import RouterConfig, RouterModel

_LOCAL_SUFFIXES = (".local", ".internal", ".lan", ".home.arpa", ".svc")
"""Of names that public name servers do not give out (RFC 6762, RFC 8375, Kubernetes services)."""


@dataclass(frozen=True, order=True)
class RouterFault:
    """One fault; an error must not be published."""

    severity: Literal["error", "warning"]
    code: str
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.where}: {self.message} [{self.code}]"


def lint_router(config: RouterConfig) -> list[RouterFault]:
    """Faults of ``config``, errors first.

    A fallback, in a chain too, never holds less context or fewer modalities than what it stands in for
    unless marked,
    nothing deprecated is a default, a fallback or an arm of a split, and every seller has a key reference.
    """
    return sorted([*_providers(config), *_models(config), *_names(config), *_splits(config)])


def lost_by(primary: RouterModel, fallback: RouterModel) -> str | None:
    """What a request made for ``primary`` could lose on ``fallback``; null when nothing known."""
    if primary.context is not None and (fallback.context is None or fallback.context < primary.context):
        return f"context {fallback.context} after {primary.context} tokens"
    missing = {*primary.input} - {*fallback.input} or {*primary.output} - {*fallback.output}
    return f"no {', '.join(sorted(missing))}" if missing else None


def chain_faults(where: str, chain: Sequence[RouterModel]) -> list[RouterFault]:
    """What is wrong with models that are tried one after the other: deprecated ones, and what gets lost."""
    faults = [
        RouterFault("error", "deprecated", where, f"{model.id} is deprecated: remove it")
        for model in chain
        if model.deprecated
    ]
    for model, other in pairwise(chain):
        lost = lost_by(model, other)
        if lost and other.id not in model.lossy_fallbacks:
            told = f"{other.id} after {model.id} has {lost}: reorder them, or mark it in lossy_fallbacks"
            faults.append(RouterFault("error", "lossy_chain", where, told))
    return faults


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_private(host: str) -> bool:
    """Whether ``host`` names this machine, a private address or a name that only a local network resolves."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_private
    except ValueError:
        name = host.lower().rstrip(".")
        return "." not in name or name.endswith(_LOCAL_SUFFIXES)


def _providers(config: RouterConfig) -> list[RouterFault]:
    faults = []
    for provider in config.routing.direct.providers:
        where = f"provider {provider.name}"
        url = urlsplit(provider.base_url)
        here = is_loopback(url.hostname or "")
        has_key = provider.key is not None or bool(provider.keys)
        if provider.type == "api" and not has_key:
            faults.append(
                RouterFault("error", "no_key", where, "a seller needs a key reference: add key env:NAME")
            )
        if url.scheme == "http" and not here and has_key:
            own_network = provider.type == "local" and is_private(url.hostname or "")
            faults.append(
                RouterFault(
                    "warning" if own_network else "error",
                    "key_in_clear",
                    where,
                    "would send its key unencrypted: use https",
                )
            )
    return faults


def _models(config: RouterConfig) -> list[RouterFault]:
    models = {model.id: model for model in config.models}
    faults = []
    for model in config.models:
        where = f"model {model.id}"
        for name in model.fallbacks:
            fallback = models[name]
            lost = lost_by(model, fallback)
            if lost and name not in model.lossy_fallbacks:
                faults.append(
                    RouterFault(
                        "error",
                        "lossy_fallback",
                        where,
                        f"fallback {name} has {lost}: remove it or list it in lossy_fallbacks",
                    )
                )
            if fallback.deprecated:
                faults.append(
                    RouterFault("error", "deprecated", where, f"fallback {name} is deprecated: remove it")
                )
    for name, names in config.chains.items():
        faults += chain_faults(f"chain {name}", [models[one] for one in names])
    faults += chain_faults("refiners", [models[one] for one in config.refiners])
    default = models.get(config.default_model or "")
    if default and default.deprecated:
        faults.append(RouterFault("error", "deprecated", "default_model", f"{default.id} is deprecated"))
    return faults


def _names(config: RouterConfig) -> list[RouterFault]:
    owners: dict[str, set[str]] = {}
    for model in config.models:
        for name in (model.id, *model.aliases):
            owners.setdefault(name, set()).add(model.id)
    return [
        RouterFault("error", "ambiguous_name", f"name {name}", f"means {' and '.join(sorted(ids))}")
        for name, ids in owners.items()
        if len(ids) > 1
    ]


def _splits(config: RouterConfig) -> list[RouterFault]:
    models = {model.id: model for model in config.models}
    named = {name: model for model in config.models for name in (*model.aliases, model.id)}
    named |= {f"{t.provider}/{t.model}": model for model in config.models for t in model.targets}
    faults = []
    for name, split in config.splits.items():
        where = f"split {name}"
        if name not in models:
            if split.canary is not None and split.canary.share == 1 and split.canary.model in named:
                told = f"no model has this id any more: {split.canary.model} answers for it"
                faults.append(RouterFault("warning", "retired_route", where, told))
            else:
                faults.append(RouterFault("error", "unknown_model", where, "no model has this id"))
            continue
        for role, arm in (("canary", split.canary), ("shadow", split.shadow)):
            if arm is None:
                continue
            model = named.get(arm.model)
            if model is None:
                told = f"{role}: no model or provider/model is called {arm.model!r}"
                faults.append(RouterFault("error", "unknown_model", where, told))
            elif model.deprecated:
                faults.append(RouterFault("error", "deprecated", where, f"{role} {arm.model} is deprecated"))
            elif role == "canary" and (lost := lost_by(models[name], model)):
                told = f"canary {arm.model} has {lost}: requests that need it stay with the primary"
                faults.append(RouterFault("warning", "lossy_canary", where, told))
    return faults
