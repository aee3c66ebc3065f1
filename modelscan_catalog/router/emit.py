"""The catalogue's offers and launch plans as a router configuration."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from modelscan_catalog.key_hosts import KeyHosts, reviewed_key_hosts
from modelscan_catalog.manifests.engines import canonical_engine, default_port
from modelscan_catalog.records import Model, Offer, Provider
from modelscan_catalog.router.chains import computed_chains
from modelscan_catalog.router.config import (
    DirectRouting,
    Policy,
    RouterConfig,
    RouterModel,
    RouterProvider,
    Routing,
    Target,
    TargetTier,
    Unroutable,
)
from modelscan_catalog.router.lint import is_loopback, lost_by
from modelscan_catalog.router.parts import HttpUrl
from modelscan_catalog.router.policy import usual_cost
from modelscan_catalog.settings import REPOSITORY_ROOT

ROUTER_DATA = REPOSITORY_ROOT / "registry" / "router"

_ROUTED_CATEGORIES = {"llm", "vlm", "embedding", None}
_FORMATS: dict[str, Literal["openai", "anthropic"]] = {
    "openai-compatible": "openai",
    "anthropic-compatible": "anthropic",
}
_KEY_VARIABLE = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*?(KEY|TOKEN|PAT|SECRET)$")
"""Of a seller's variables, those that hold a key under a name that a shell can set."""
_COMPARABLE_PRICE_RATIO = 3.0
"""A fallback that costs this many times more or less is another class of model."""


class LocalPlan(Protocol):
    """What the router needs to know of a launch plan."""

    @property
    def model_id(self) -> str: ...
    @property
    def engine(self) -> str: ...
    @property
    def served_model_name(self) -> str: ...
    @property
    def max_model_len(self) -> int | None: ...


def router_config(
    providers: Iterable[Provider],
    offers: Iterable[Offer],
    models: Iterable[Model],
    plans: Iterable[LocalPlan] = (),
    *,
    default_model: str | None = None,
    key_hosts: KeyHosts | None = None,
) -> RouterConfig:
    """Everything that can be routed directly: each model with its sellers and its planned deployments.

    A planned deployment is listed but not enabled: nobody has started it yet. Sellers that speak another
    protocol, need account variables in their address or have no known key variable are listed apart,
    with the reason; so is an address for which nobody has confirmed the key (``key_hosts``, the reviewed
    table without it). Deprecated offers are left out; the cheapest seller comes first.
    """
    policy = default_policy()
    models = sorted(models, key=lambda model: model.id)
    allowed = key_hosts or reviewed_key_hosts()
    sellers, unroutable = _sellers(providers, allowed)
    targets: dict[str, list[Target]] = {}
    extra: dict[str, RouterProvider] = {}
    refused: dict[str, Unroutable] = {}
    for offer in sorted(offers, key=lambda offer: offer.id):
        seller = sellers.get(offer.provider)
        if seller is None or offer.model is None or not _is_text(offer):
            continue
        own = _own_address(offer, seller)
        if own is None:
            continue
        if own is not seller and own.name not in extra:
            refusal = allowed.refusal(str(own.key), own.base_url)
            if refusal is not None:
                refused[own.name] = Unroutable(provider=own.name, reason=refusal)
                continue
            extra[own.name] = own
        targets.setdefault(offer.model, []).append(_target(offer, own.name))
    local = _local_providers(plans, targets)
    routed = [
        _routed(model, targets[model.id])
        for model in models
        if model.id in targets and model.category in _ROUTED_CATEGORIES
    ]
    chains, refiners = computed_chains(routed, models)
    used = {target.provider for model in routed for target in model.targets}
    return RouterConfig(
        routing=Routing(
            direct=DirectRouting(
                providers=tuple(
                    provider
                    for _, provider in sorted({**sellers, **extra, **local}.items())
                    if provider.name in used
                )
            )
        ),
        models=tuple(_with_aliases(_with_fallbacks(routed, models, policy.max_fallbacks_per_model), models)),
        default_model=default_model,
        chains=chains,
        refiners=refiners,
        policy=policy,
        unroutable=tuple(sorted([*unroutable, *refused.values()], key=lambda one: one.provider)),
    )


@cache
def default_policy() -> Policy:
    """The committed policy."""
    return Policy.model_validate_json((ROUTER_DATA / "policy.json").read_bytes())


@cache
def _known_addresses() -> Mapping[str, Any]:
    return dict(json.loads((ROUTER_DATA / "base_urls.json").read_text("utf-8"))["base_urls"])


def _sellers(
    providers: Iterable[Provider], allowed: KeyHosts
) -> tuple[dict[str, RouterProvider], list[Unroutable]]:
    sellers: dict[str, RouterProvider] = {}
    unroutable = []
    for provider in sorted(providers, key=lambda provider: provider.id):
        known = _known_addresses().get(provider.id)
        base_url = known["base_url"] if known else provider.base_url
        keys = [f"env:{name}" for name in provider.env if _KEY_VARIABLE.search(name)]
        refusals = {key: allowed.refusal(key, base_url or "") for key in keys}
        key = next((key for key in keys if refusals[key] is None), None)
        reason = None
        if not known and provider.api_type not in _FORMATS:
            reason = f"its interface is {provider.api_type}"
        elif base_url is None:
            reason = "its address is not known"
        elif "$" in base_url:
            reason = "its address depends on account variables"
        elif not _is_callable(base_url):
            reason = "its address is not a plain https one"
        elif key is None and keys:
            reason = refusals[keys[0]]
        elif key is None:
            reason = "no usable environment variable is known for its key"
        if reason:
            unroutable.append(Unroutable(provider=provider.id, reason=reason))
        elif base_url is not None:
            sellers[provider.id] = RouterProvider(
                name=provider.id,
                type="api",
                base_url=base_url,
                format="openai" if known else _FORMATS[provider.api_type],
                key=key,
            )
    return sellers, unroutable


def _is_callable(base_url: str) -> bool:
    try:
        url = TypeAdapter(HttpUrl).validate_python(base_url)
    except ValidationError:
        return False
    return url.startswith("https://") or is_loopback(urlsplit(url).hostname or "")


def _is_text(offer: Offer) -> bool:
    return offer.status != "deprecated" and (not offer.modalities.output or "text" in offer.modalities.output)


def _own_address(offer: Offer, seller: RouterProvider) -> RouterProvider | None:
    """The seller, or its other address when this one offer has its own; null when not routable."""
    if offer.api_type is not None and _FORMATS.get(offer.api_type) != seller.format:
        return None
    if offer.base_url is None or offer.base_url.rstrip("/") == seller.base_url:
        return seller
    if not _is_callable(offer.base_url):
        return None
    path = re.sub(r"[^a-z0-9]+", "-", offer.base_url.removeprefix("https://").lower()).strip("-")
    return seller.model_copy(update={"name": f"{seller.name}@{path}", "base_url": offer.base_url.rstrip("/")})


def _target(offer: Offer, provider: str) -> Target:
    price = offer.price
    return Target(
        provider=provider,
        model=offer.provider_model,
        context=offer.limits.context,
        input_price=price.input if price else None,
        output_price=price.output if price else None,
        cached_input_price=price.cache_read if price else None,
        tiers=tuple(
            TargetTier(
                above_tokens=tier.above_context_tokens,
                input_price=tier.input,
                output_price=tier.output,
                cached_input_price=tier.cache_read,
            )
            for tier in (price.tiers if price else ())
            if tier.input is not None and tier.output is not None
        ),
    )


def _local_providers(
    plans: Iterable[LocalPlan], targets: dict[str, list[Target]]
) -> dict[str, RouterProvider]:
    """One provider a planned deployment, added to its model's targets; the first plan of a name counts.

    Plans of an engine whose port is not recorded are left out: no manifest starts them.
    """
    local: dict[str, RouterProvider] = {}
    for plan in plans:
        name = f"local/{plan.served_model_name}/{plan.engine}"
        engine = canonical_engine(plan.engine)
        if engine is None or name in local:
            continue
        local[name] = RouterProvider(
            name=name,
            type="local",
            base_url=f"http://127.0.0.1:{default_port(engine)}/v1",
            model=plan.model_id,
            enabled=False,
        )
        target = Target(provider=name, model=plan.served_model_name, context=plan.max_model_len)
        targets.setdefault(plan.model_id, []).append(target)
    return local


def _routed(model: Model, targets: Sequence[Target]) -> RouterModel:
    """Local first, then the cheapest; sellers without a price last."""
    ordered = sorted(
        targets, key=lambda t: (not t.provider.startswith("local/"), _cost(t), t.provider, t.model)
    )
    contexts = [target.context for target in targets if target.context is not None]
    return RouterModel(
        id=model.id,
        task="embedding" if model.category == "embedding" else "chat",
        context=model.limits.context or (min(contexts) if contexts else None),
        input=model.modalities.input,
        output=model.modalities.output,
        deprecated=model.status == "deprecated",
        targets=tuple(target.model_copy(update={"priority": rank}) for rank, target in enumerate(ordered)),
    )


def _with_fallbacks(routed: Sequence[RouterModel], models: Iterable[Model], limit: int) -> list[RouterModel]:
    """Each model with up to ``limit`` of its lab's same family that lose nothing and cost about as much.

    Price stands in for ability, which nobody has measured: where it is unknown no fallback is chosen.
    """
    records = {model.id: model for model in models}
    families: dict[tuple[str, str], list[RouterModel]] = {}
    for one in routed:
        record = records[one.id]
        if record.family is not None:
            families.setdefault((record.lab, record.family), []).append(one)
    chains: dict[str, tuple[str, ...]] = {}
    for family in families.values():
        for one in family:
            near = [
                (ratio, other.id)
                for other in family
                if other.id != one.id
                and not other.deprecated
                and other.task == one.task
                and lost_by(one, other) is None
                and _keeps_capabilities(records[one.id], records[other.id])
                and (ratio := _price_ratio(one, other)) is not None
                and ratio <= _COMPARABLE_PRICE_RATIO
            ]
            chains[one.id] = tuple(name for _, name in sorted(near)[:limit])
    return [one.model_copy(update={"fallbacks": chains.get(one.id, ())}) for one in routed]


def _keeps_capabilities(one: Model, other: Model) -> bool:
    needed = {name for name, has in one.capabilities if has}
    return needed <= {name for name, has in other.capabilities if has}


def _price_ratio(one: RouterModel, other: RouterModel) -> float | None:
    """How many times the dearer of the two costs of the cheaper; null when a price is unknown.

    A price of zero is a subscription's or a trial's and says nothing of the model: others' prices count.
    """
    costs = [
        min((cost for target in model.targets if (cost := _cost(target)) > 0), default=math.inf)
        for model in (one, other)
    ]
    return max(costs) / min(costs) if max(costs) < math.inf else None


def _cost(target: Target) -> float:
    """USD for a million tokens of usual traffic; infinite while unknown."""
    return usual_cost(target.input_price, target.output_price)


def _with_aliases(routed: Iterable[RouterModel], models: Iterable[Model]) -> list[RouterModel]:
    """Hub names and bare names as aliases, where exactly one routed model bears them."""
    routed = list(routed)
    ids = {model.id for model in routed}
    bearers: dict[str, set[str]] = {}
    for model in models:
        if model.id in ids:
            names = {alias.id for alias in model.aliases if alias.kind in ("huggingface", "modelscope")}
            for name in names | {model.id.partition("/")[2]}:
                bearers.setdefault(name, set()).add(model.id)
    own: dict[str, list[str]] = {}
    for name, bearing in bearers.items():
        if len(bearing) == 1 and name not in ids:
            own.setdefault(next(iter(bearing)), []).append(name)
    return [model.model_copy(update={"aliases": tuple(sorted(own.get(model.id, ())))}) for model in routed]
