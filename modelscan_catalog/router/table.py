"""A configuration ready to serve: names resolved, keys read, orders and request heads worked out."""

import hashlib
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit
from zlib import crc32

from modelscan_catalog.errors import SettingsError, UnknownIdError
from modelscan_catalog.router.config import (
    QueryClass,
    RouterConfig,
    RouterModel,
    RouterProvider,
    Target,
    TargetTier,
)
from modelscan_catalog.router.health import TargetHealth
from modelscan_catalog.router.keys import Key, KeyRing
from modelscan_catalog.router.policy import class_order
from modelscan_catalog.router.runtime import RuntimeState
from modelscan_catalog.router.splits import Split
from modelscan_catalog.router.upstream import Address
from modelscan_catalog.secret_refs import resolve_secret

BYTES_PER_TOKEN = 4
"""Of English text; only used to try larger models first, never to refuse."""


@dataclass(frozen=True, eq=False)
class Route:
    """One target under one configuration: where, as which model, with whose keys, at what price."""

    model: RouterModel
    target: Target
    provider: RouterProvider
    address: Address
    base_path: str
    name: str
    """``provider/model``, as it is called there."""
    keys: KeyRing | None = field(repr=False)
    health: TargetHealth = field(repr=False)
    marks: dict[str, str] = field(default_factory=dict, repr=False)
    """Headers that tell the client which target answered."""
    _heads: dict[tuple[str, str | None], bytes] = field(default_factory=dict, repr=False)
    """Request heads by path and secret: everything up to the length of the body. Never printed."""

    @property
    def context(self) -> int | None:
        """Tokens that fit; null while unknown."""
        return self.target.context or self.model.context

    def head(self, path: str, key: Key | None) -> bytes:
        """The head of a POST to ``path`` below the provider's base URL, but for the body's length."""
        secret = key.secret if key else None
        head = self._heads.get((path, secret))
        if head is None:
            lines = [
                f"POST {self.base_path}{path} HTTP/1.1",
                f"Host: {self.address.authority}",
                "Content-Type: application/json",
                "Accept-Encoding: identity",
                "User-Agent: modelscan-router",
            ]
            if secret:
                named = "x-api-key: " if self.provider.format == "anthropic" else "Authorization: Bearer "
                lines.append(f"{named}{secret}")
            head = ("\r\n".join(lines) + "\r\nContent-Length: ").encode()
            self._heads[path, secret] = head
        return head

    def cost_usd(self, prompt: int, cached: int, completion: int) -> float | None:
        """What the provider asks for these tokens, by its tiers; null while a price is unknown."""
        tier: Target | TargetTier = self.target
        if self.target.tiers:
            passed = [one for one in self.target.tiers if prompt > one.above_tokens]
            tier = max(passed, key=lambda one: one.above_tokens, default=self.target)
        if tier.input_price is None or tier.output_price is None:
            return None
        cached_price = tier.input_price if tier.cached_input_price is None else tier.cached_input_price
        fresh = prompt - cached
        return (fresh * tier.input_price + cached * cached_price + completion * tier.output_price) / 1e6


class Needs(NamedTuple):
    """What a request asks of a model besides text."""

    modalities: frozenset[str] = frozenset()
    text_bytes: int = 0
    max_output_tokens: int = 0
    max_cost_usd: float | None = None
    session: str | None = None
    openai_only: bool = False
    exact: bool = False
    """The model that is named answers or none: no split, no other model."""


class RouteTable:
    """One configuration with its keys, immutable once built; a reload builds another."""

    def __init__(
        self,
        config: RouterConfig,
        state: RuntimeState | None = None,
        *,
        draw: random.Random | None = None,
    ) -> None:
        self.config = config
        self.fingerprint = hashlib.sha256(config.model_dump_json().encode()).hexdigest()[:16]
        self.state = state or RuntimeState()
        self._draw = draw or random.Random()  # noqa: S311 - spreads load, guards nothing
        self._rings: dict[str, KeyRing | None] = {}
        self.unusable: dict[str, str] = {}
        """Providers that cannot be called now, and what is missing."""
        for provider in config.routing.direct.providers:
            self._prepare(provider)
        self._models: dict[str, RouterModel] = {}
        direct: dict[str, tuple[RouterModel, Target]] = {}
        for model in config.models:
            for target in model.targets:
                direct.setdefault(f"{target.provider}/{target.model}", (model, target))
        for model in config.models:
            for alias in model.aliases:
                self._models.setdefault(alias, model)
        self._models.update({model.id: model for model in config.models})
        self._groups = {model.id: self._grouped(model) for model in config.models}
        self._chains = {
            model.id: (model, *(self._models[other] for other in model.fallbacks)) for model in config.models
        }
        self._direct = {
            name: (self._route(*found),) if found[1].provider in self._rings else ()
            for name, found in direct.items()
        }
        self._smallest_context = min(
            (route.context for route in self.routes() if route.context is not None), default=0
        )
        self._orders: dict[QueryClass, tuple[RouterModel, ...]] = {}
        self.successors: dict[str, str] = {}
        """Who answers for models that are gone: their split gave everything to another before they went."""
        self.splits: dict[str, Split] = {}
        self.idle_splits: dict[str, str] = {}
        """Models whose split cannot be followed, and why: a new catalogue may have dropped its model."""
        for name, split in config.splits.items():
            self._prepare_split(name, split)

    def _prepare_split(self, name: str, split: Split) -> None:
        arms = [arm.model for arm in (split.canary, split.shadow) if arm is not None]
        missing = [arm for arm in arms if arm not in self._models and arm not in self._direct]
        if name not in self._groups:
            successor = self._successor(name)
            if successor is None:
                self.idle_splits[name] = "no model has this id"
                return
            self.splits[name] = split
            for gone in (name, name.partition("/")[2]):
                if gone and gone not in self._models and gone not in self._direct:
                    self.successors[gone] = successor
        elif missing:
            self.idle_splits[name] = f"no model or provider/model is called {missing[0]!r}"
        elif arms:
            self.splits[name] = split

    def _successor(self, name: str) -> str | None:
        """Who took ``name`` over altogether and is served, whoever else did so in between; null without."""
        seen: set[str] = set()
        while name not in seen and (split := self.config.splits.get(name)) is not None:
            seen.add(name)
            if split.canary is None or split.canary.share < 1:
                return None
            name = split.canary.model
            if name in self._models or name in self._direct:
                return name
        return None

    def _prepare(self, provider: RouterProvider) -> None:
        if not provider.enabled:
            self.unusable[provider.name] = "it is not enabled"
            return
        references = [*([provider.key] if provider.key else []), *provider.keys]
        secrets, problems = [], []
        for reference in dict.fromkeys(references):
            try:
                secrets.append(_sendable(reference, resolve_secret(reference)))
            except SettingsError as error:
                problems.append(str(error))
        if references and not secrets:
            self.unusable[provider.name] = problems[0]
            return
        keys = [Key(secret, self.state.key(secret, provider.name)) for secret in dict.fromkeys(secrets)]
        self._rings[provider.name] = (
            KeyRing(keys, provider.key_selection, provider.key_limits, self.state.clock) if keys else None
        )

    def _grouped(self, model: RouterModel) -> tuple[tuple[Route, ...], ...]:
        """The model's callable targets, one group a priority."""
        usable = [target for target in model.targets if target.provider in self._rings]
        ordered = sorted(usable, key=lambda target: target.priority)
        return tuple(
            tuple(self._route(model, target) for target in group)
            for _, group in groupby(ordered, key=lambda target: target.priority)
        )

    def _route(self, model: RouterModel, target: Target) -> Route:
        provider = self.config.providers[target.provider]
        name = f"{provider.name}/{target.model}"
        return Route(
            model,
            target,
            provider,
            Address.of(provider.base_url),
            urlsplit(provider.base_url).path.rstrip("/"),
            name,
            self._rings[provider.name],
            self.state.health.of(name),
            {"X-ModelScan-Target": name.encode("ascii", "replace").decode()},
        )

    @cached_property
    def secret_files(self) -> list[Path]:
        """Files that hold keys: a rotated key is taken up when its file has changed."""
        references = {
            reference
            for provider in self.config.routing.direct.providers
            if provider.enabled
            for reference in (provider.key, *provider.keys)
        }
        return sorted(Path(one[5:]).expanduser() for one in references if one and one.startswith("file:"))

    def usable_models(self) -> list[RouterModel]:
        """Models with at least one provider that can be called now."""
        return [model for model in self.config.models if self._groups[model.id]]

    def routes(self) -> Iterator[Route]:
        """Every callable target."""
        for groups in self._groups.values():
            for group in groups:
                yield from group

    def model_id(self, name: str) -> str:
        """The id of the model that ``name`` means; ``name`` itself when none is known."""
        model = self._models.get(name) or self._models.get(name.lower())
        return name if model is None else model.id

    def is_seller(self, name: str) -> bool:
        """Whether ``name`` asks for one seller's model and nothing else."""
        return name in self._direct and name not in self._models and name.lower() not in self._models

    def drawn(self) -> float:
        """A number between 0 and 1 that decides what happens to one request."""
        return self._draw.random()

    def attempts(self, name: str, needs: Needs | None = None, *, fallbacks: bool = True) -> list[Route]:
        """Upstream calls to try for a request that asks for ``name``, in order.

        ``name`` is a model id, an alias, or ``provider/model`` for one seller only. Without ``fallbacks``
        only targets of that model count. Raises
        ``UnknownIdError`` for another name, ``SettingsError`` when no provider of it can be called.
        """
        model = self._models.get(name) or self._models.get(name.lower())
        if model is not None:
            chain = self._chains[model.id] if fallbacks else (model,)
            return self.chain_attempts(chain, needs or _NO_NEEDS, name)
        if fallbacks and name in self.successors:
            return self.attempts(self.successors[name], needs)
        if name not in self._direct:
            raise UnknownIdError(f"no model, alias or provider/model is called {name!r}: see /v1/models")
        if not self._direct[name]:
            provider = name.partition("/")[0]
            raise SettingsError(f"{name!r} cannot be called: {self.unusable.get(provider, 'see /health')}")
        return self._fit(list(self._direct[name]), needs or _NO_NEEDS, name)

    def chain_attempts(self, chain: Sequence[RouterModel], needs: Needs, name: str) -> list[Route]:
        """Upstream calls for ``chain``, in order; raises ``SettingsError`` when none of it can be called."""
        routes: list[Route] = []
        for model in chain:
            for group in self._groups[model.id]:
                routes += group if len(group) == 1 else self._drawn(group, needs.session)
        if not routes:
            missing = sorted(
                {
                    f"{target.provider}: {self.unusable[target.provider]}"
                    for model in chain
                    for target in model.targets
                }
            )
            raise SettingsError(f"no provider of {name!r} can be called: {'; '.join(missing[:5])}")
        return self._fit(routes, needs, name)

    def class_chain(self, query_class: QueryClass) -> tuple[RouterModel, ...]:
        """Models for a class: those of the configured chain that can be called, else all by its weights."""
        order = self._orders.get(query_class)
        if order is None:
            named = self.config.chains.get(query_class, ())
            order = tuple(self._models[name] for name in named if self._groups[name])
            if not order:
                weights = self.config.policy.classes[query_class].weights
                seen = {
                    model.id: [r.health.first_byte_s for group in self._groups[model.id] for r in group]
                    for model in self.usable_models()
                }
                order = class_order(self.usable_models(), query_class, weights, seen)
            self._orders[query_class] = order
        return order

    def forget_orders(self) -> None:
        """Compute the orders of classes anew when next asked: latencies have changed."""
        self._orders = {}

    def refiner_chain(self) -> tuple[RouterModel, ...]:
        """The configured refiners."""
        return tuple(self._models[name] for name in self.config.refiners)

    def _drawn(self, group: Sequence[Route], session: str | None) -> list[Route]:
        """A weighted draw without replacement; the same one each time for a session."""
        if session is None and len(group) == 2:
            first, second = group
            weight = first.target.weight
            drawn = self._draw.random() * (weight + second.target.weight) < weight
            return [first, second] if drawn else [second, first]
        if session is None:
            return sorted(group, key=lambda r: self._draw.random() ** (1 / r.target.weight), reverse=True)

        def score(route: Route) -> float:
            share = (crc32(f"{session}\0{route.name}".encode()) + 1) / (2**32 + 1)
            return math.log(share) / route.target.weight

        return sorted(group, key=score, reverse=True)

    def _fit(self, routes: list[Route], needs: Needs, name: str) -> list[Route]:
        """Routes that can take the request: those that rest or seem too small come last."""
        if needs.openai_only:
            routes = [route for route in routes if route.provider.format == "openai"]
            if not routes:
                raise SettingsError(f"no provider of {name!r} has this endpoint")
        if needs.modalities:
            routes = [r for r in routes if not r.model.input or needs.modalities <= {*r.model.input}]
            if not routes:
                raise RequestRefusedError(
                    "unsupported_modality", f"{name!r} cannot read {', '.join(sorted(needs.modalities))}"
                )
        if needs.max_cost_usd is not None:
            routes = [r for r in routes if _within(r, needs)]
            if not routes:
                raise RequestRefusedError(
                    "max_cost", f"no target of {name!r} is known to cost at most {needs.max_cost_usd:g} USD"
                )
        if len(routes) > 1:
            tokens = needs.text_bytes // BYTES_PER_TOKEN
            now = self.state.clock()
            if tokens > self._smallest_context or self.state.health.last_rest_ends > now:
                routes.sort(
                    key=lambda r: (
                        r.health.resting_until > now,
                        r.context is not None and r.context < tokens,
                    )
                )
        return routes[: self.config.policy.max_attempts]


class RequestRefusedError(Exception):
    """The request asks for what none of the model's targets offers."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


_NO_NEEDS = Needs()


def estimated_cost_usd(route: Route, needs: Needs) -> float | None:
    """From the length of the text and the output asked for, roughly; null while a price is unknown."""
    return route.cost_usd(needs.text_bytes // BYTES_PER_TOKEN + 1, 0, needs.max_output_tokens)


def _within(route: Route, needs: Needs) -> bool:
    cost = estimated_cost_usd(route, needs)
    return cost is not None and needs.max_cost_usd is not None and cost <= needs.max_cost_usd


def _sendable(reference: str, secret: str) -> str:
    if not secret.isascii() or not secret.isprintable():
        raise SettingsError(f"{reference}: it holds characters that no HTTP header can carry")
    return secret
