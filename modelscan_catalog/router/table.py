"""A configuration ready to serve: names resolved, keys read, the order of attempts worked out."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from modelscan_catalog.errors import SettingsError, UnknownIdError
from modelscan_catalog.router.config import RouterConfig, RouterModel, RouterProvider, Target
from modelscan_catalog.secret_refs import resolve_secret


@dataclass(frozen=True)
class Attempt:
    """One upstream call: where, as which model, with which key."""

    provider: str
    model: str
    url: str
    key: str | None = field(repr=False)
    """The secret itself: never printed, logged or sent anywhere but ``url``."""

    @property
    def name(self) -> str:
        return f"{self.provider}/{self.model}"


class RouteTable:
    """One configuration with its keys, immutable once built; a reload builds another."""

    def __init__(self, config: RouterConfig, *, draw: random.Random | None = None) -> None:
        self.config = config
        self._draw = draw or random.Random()  # noqa: S311 - spreads load, guards nothing
        self._keys: dict[str, str | None] = {}
        self.unusable: dict[str, str] = {}
        """Providers that cannot be called now, and what is missing."""
        for provider in config.routing.direct.providers:
            self._prepare(provider)
        self._models: dict[str, RouterModel] = {}
        self._direct: dict[str, tuple[RouterModel, Target]] = {}
        for model in config.models:
            for target in model.targets:
                self._direct.setdefault(f"{target.provider}/{target.model}", (model, target))
        for model in config.models:
            for alias in model.aliases:
                self._models.setdefault(alias, model)
        self._models.update({model.id: model for model in config.models})

    def _prepare(self, provider: RouterProvider) -> None:
        if not provider.enabled:
            self.unusable[provider.name] = "it is not enabled"
            return
        try:
            self._keys[provider.name] = None if provider.key is None else resolve_secret(provider.key)
        except SettingsError as error:
            self.unusable[provider.name] = str(error)

    def usable_models(self) -> list[RouterModel]:
        """Models with at least one provider that can be called now."""
        return [
            model
            for model in self.config.models
            if any(target.provider in self._keys for target in model.targets)
        ]

    def attempts(self, name: str) -> list[Attempt]:
        """Upstream calls to try for a request that asks for ``name``, in order.

        ``name`` is a model id, an alias, or ``provider/model`` for one seller only. Raises
        ``UnknownIdError`` for another name, ``SettingsError`` when no provider of it can be called.
        """
        model = self._models.get(name) or self._models.get(name.lower())
        if model is not None:
            chain = [model, *(self._models[other] for other in model.fallbacks)]
            targets = [target for one in chain for target in self._in_order(one.targets)]
        elif name in self._direct:
            targets = [self._direct[name][1]]
        else:
            raise UnknownIdError(f"no model, alias or provider/model is called {name!r}: see /v1/models")
        usable = [self._attempt(target) for target in targets if target.provider in self._keys]
        if not usable:
            missing = sorted({f"{t.provider}: {self.unusable[t.provider]}" for t in targets})
            raise SettingsError(f"no provider of {name!r} can be called: {'; '.join(missing[:5])}")
        return usable[: self.config.policy.max_attempts]

    def _attempt(self, target: Target) -> Attempt:
        provider = self.config.providers[target.provider]
        return Attempt(provider.name, target.model, provider.base_url, self._keys[provider.name])

    def _in_order(self, targets: Sequence[Target]) -> list[Target]:
        """By priority; among equals a weighted draw without replacement."""
        ordered: list[Target] = []
        for _, group in groupby(sorted(targets, key=lambda t: t.priority), key=lambda t: t.priority):
            equals = list(group)
            if len(equals) > 1:
                equals.sort(key=lambda t: self._draw.random() ** (1 / t.weight), reverse=True)
            ordered += equals
        return ordered
