"""``router.json``: which models are served, by whom, in which order, and with whose key."""

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self, TypeVar, get_args

from pydantic import Field, ValidationError, model_validator

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.router.parts import HttpUrl, Part
from modelscan_catalog.router.splits import Split
from modelscan_catalog.secret_refs import SecretRef

SCHEMA_VERSION = "1.2.0"
MAX_CONFIG_BYTES = 32 * 1024 * 1024
P = TypeVar("P", bound=Part)


MAX_KEYS = 100
QueryClass = Literal["simple", "technical", "research", "multimedia"]
CLASSES: tuple[QueryClass, ...] = get_args(QueryClass)


class KeyLimits(Part):
    """What a provider allows one key; sliding windows of a minute and of a day. Null: no limit is known."""

    requests_per_minute: int | None = Field(default=None, gt=0)
    tokens_per_minute: int | None = Field(default=None, gt=0)
    requests_per_day: int | None = Field(default=None, gt=0)


class RouterProvider(Part):
    """Someone who answers requests below ``base_url`` in the OpenAI or the Anthropic format.

    ``model`` names the one model that a local deployment serves. A provider that is not enabled is
    listed and never called. ``key`` and ``keys`` together are its keys.
    """

    name: str = Field(min_length=1)
    type: Literal["api", "local"]
    base_url: HttpUrl
    format: Literal["openai", "anthropic"] = "openai"
    key: SecretRef | None = None
    keys: tuple[SecretRef, ...] = Field(default=(), max_length=MAX_KEYS)
    key_selection: Literal["least_used", "round_robin"] = "least_used"
    key_limits: KeyLimits = KeyLimits()
    model: str | None = None
    enabled: bool = True


class TargetTier(Part):
    """Prices of a whole request whose prompt is longer than ``above_tokens``; USD per million tokens."""

    above_tokens: int = Field(gt=0)
    input_price: float = Field(ge=0)
    output_price: float = Field(ge=0)
    cached_input_price: float | None = Field(default=None, ge=0)


class Target(Part):
    """One way to reach a model. Lower ``priority`` first; among equals a draw by ``weight``."""

    provider: str
    model: str = Field(min_length=1, description="the provider's own id")
    priority: int = Field(default=0, ge=0)
    weight: float = Field(default=1.0, gt=0)
    context: int | None = Field(default=None, gt=0, description="tokens; null while unknown")
    input_price: float | None = Field(default=None, ge=0, description="USD per million tokens")
    output_price: float | None = Field(default=None, ge=0, description="USD per million tokens")
    cached_input_price: float | None = Field(default=None, ge=0, description="USD per million tokens")
    tiers: tuple[TargetTier, ...] = ()


class RouterModel(Part):
    """A model that applications ask for; ``fallbacks`` are other models, tried in order after it.

    ``lossy_fallbacks`` are those of them that hold less context or fewer modalities, on purpose.
    """

    id: str = Field(min_length=1)
    aliases: tuple[str, ...] = ()
    task: Literal["chat", "embedding"] = "chat"
    context: int | None = Field(default=None, gt=0, description="tokens; null while unknown")
    input: tuple[str, ...] = ()
    output: tuple[str, ...] = ()
    deprecated: bool = False
    quality: float | None = Field(
        default=None, ge=0, le=1, description="the operator's own measurement; null without one"
    )
    targets: tuple[Target, ...] = Field(min_length=1)
    fallbacks: tuple[str, ...] = ()
    lossy_fallbacks: tuple[str, ...] = ()


class Weights(Part):
    """How much quality, price and latency count when a class is routed; only their ratios matter."""

    quality: float = Field(ge=0)
    price: float = Field(ge=0)
    latency: float = Field(ge=0)


class ClassPolicy(Part):
    """How requests of one class are routed when they leave the choice of the model to the router."""

    deadline_s: float = Field(gt=0, description="until the first byte of an answer, over all attempts")
    weights: Weights


class RefinementPolicy(Part):
    """A refiner answers at once or is passed over."""

    budget_s: float = Field(default=0.5, gt=0, description="routing and first byte together")
    max_tokens: int = Field(default=256, gt=0)


DEFAULT_CLASSES: dict[QueryClass, ClassPolicy] = {
    "simple": ClassPolicy(deadline_s=5, weights=Weights(quality=1, price=3, latency=2)),
    "technical": ClassPolicy(deadline_s=7, weights=Weights(quality=3, price=1, latency=1)),
    "research": ClassPolicy(deadline_s=10, weights=Weights(quality=3, price=1, latency=0)),
    "multimedia": ClassPolicy(deadline_s=10, weights=Weights(quality=2, price=1, latency=1)),
}


class ClientLimits(Part):
    """How often one client may ask; a client is a token, or an address where no token is set."""

    requests_per_minute: int = Field(gt=0)
    burst: int | None = Field(default=None, gt=0, description="at once; null: a minute's requests")


class Policy(Part):
    """Bounds and rules of every request; seconds, bytes and counts."""

    max_body_bytes: int = Field(gt=0)
    connect_timeout_s: float = Field(gt=0)
    first_byte_timeout_s: float = Field(gt=0, description="from the request sent to the first byte back")
    silence_timeout_s: float = Field(gt=0, description="longest pause within an answer")
    max_attempts: int = Field(ge=1)
    fallback_statuses: tuple[int, ...] = Field(description="upstream answers that send a request onwards")
    max_fallbacks_per_model: int = Field(ge=0)
    max_connections: int = Field(default=1024, gt=0, description="of clients; more are answered 503")
    client_timeout_s: float = Field(default=30.0, gt=0, description="for a client to send its request")
    client_limits: ClientLimits | None = Field(default=None, description="null: as often as they like")
    key_degradation_s: float = Field(default=900.0, gt=0, description="rest of a key that was refused")
    key_reset_interval_s: float | None = Field(
        default=86_400.0, gt=0, description="after it the keys' usage scores start over; null: never"
    )
    rate_limit_rest_s: float = Field(default=30.0, gt=0, description="after a 429 without Retry-After")
    failures_before_cooldown: int = Field(default=3, ge=1)
    cooldown_s: float = Field(default=10.0, gt=0, description="first rest of a failing target; doubles")
    max_cooldown_s: float = Field(default=300.0, gt=0)
    probe_interval_s: float | None = Field(default=None, gt=0, description="null: no active probes")
    max_shadow_requests: int = Field(
        default=8, ge=1, description="at once; what exceeds them is not mirrored"
    )
    shadow_timeout_s: float = Field(default=120.0, gt=0, description="for a whole mirrored answer")
    classes: dict[QueryClass, ClassPolicy] = Field(default_factory=lambda: dict(DEFAULT_CLASSES))
    refinement: RefinementPolicy = RefinementPolicy()


class Unroutable(Part):
    """A seller that this router cannot speak to, and why."""

    provider: str
    reason: str


class DirectRouting(Part):
    """Mode ``direct``: this process calls the providers itself."""

    providers: tuple[RouterProvider, ...]


class Routing(Part):
    """How requests reach providers."""

    mode: Literal["direct"] = "direct"
    direct: DirectRouting


class RouterConfig(Part):
    """The whole of ``router.json``; every name in it resolves."""

    schema_version: str = Field(default=SCHEMA_VERSION, pattern=r"^1\.\d+\.\d+$")
    routing: Routing
    models: tuple[RouterModel, ...] = ()
    default_model: str | None = None
    chains: dict[QueryClass, tuple[str, ...]] = Field(
        default_factory=dict,
        description="models of a class in order; where none of them can be called, all by weights",
    )
    refiners: tuple[str, ...] = ()
    splits: dict[str, Split] = Field(
        default_factory=dict, description="canary and shadow by model; splits.json overrides them"
    )
    policy: Policy
    unroutable: tuple[Unroutable, ...] = ()

    @cached_property
    def providers(self) -> dict[str, RouterProvider]:
        """Providers by name."""
        return {provider.name: provider for provider in self.routing.direct.providers}

    @model_validator(mode="after")
    def _names_resolve(self) -> Self:
        providers = self.routing.direct.providers
        if len(self.providers) != len(providers):
            names = [provider.name for provider in providers]
            raise ValueError(f"provider listed twice: {next(n for n in names if names.count(n) > 1)}")
        known = {model.id for model in self.models}
        if len(known) != len(self.models):
            raise ValueError("a model is listed twice")
        for model in self.models:
            for target in model.targets:
                if target.provider not in self.providers:
                    raise ValueError(f"model {model.id}: no provider is called {target.provider!r}")
            for other in (*model.fallbacks, *model.lossy_fallbacks):
                if other not in known or other == model.id:
                    raise ValueError(f"model {model.id}: {other!r} cannot be its fallback")
        chosen: list[tuple[str, tuple[str, ...]]] = [*self.chains.items(), ("refiners", self.refiners)]
        for where, listed in chosen:
            for name in listed:
                if name not in known:
                    raise ValueError(f"{where}: no model is called {name!r}")
        for provider in providers:
            if len({provider.key, *provider.keys} - {None}) > MAX_KEYS:
                raise ValueError(f"provider {provider.name}: more than {MAX_KEYS} keys")
        if missing := set(CLASSES) - set(self.policy.classes):
            raise ValueError(f"policy.classes lacks {', '.join(sorted(missing))}")
        if self.default_model is not None and self.default_model not in known:
            raise ValueError(f"default_model {self.default_model!r} is not among the models")
        return self


def parse_config(content: bytes, name: str = "router.json") -> RouterConfig:
    """The configuration in ``content``.

    Raises ``SettingsError`` with the field and what to change; a literal key is refused unrepeated.
    """
    try:
        return RouterConfig.model_validate(json.loads(content))
    except (ValueError, RecursionError) as error:
        if not isinstance(error, ValidationError):
            raise SettingsError(f"{name}: not JSON: {error}") from error
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise SettingsError(f"{name}: {where}: {first['msg']}") from None


def read_config(path: Path) -> RouterConfig:
    """The configuration in the file at ``path``; raises ``SettingsError``."""
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise SettingsError(f"{path}: larger than {MAX_CONFIG_BYTES // 2**20} MiB: not a router.json")
        content = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    return parse_config(content, str(path))


def config_bytes(config: RouterConfig) -> bytes:
    """``router.json``: defaults left out, one provider or model a line, equal values give equal bytes."""
    document = config.model_dump(mode="json", exclude_defaults=True)
    document["schema_version"] = config.schema_version
    routing = document.pop("routing")
    groups = {
        '"routing": {"mode": "direct", "direct": {"providers"': (routing["direct"]["providers"], "}}"),
        '"models"': (document.pop("models", []), ""),
        '"unroutable"': (document.pop("unroutable", []), ""),
    }
    parts = [f" {json.dumps(key)}: {_line(value)}" for key, value in sorted(document.items())]
    for head, (rows, tail) in groups.items():
        lines = ",\n".join(f"  {_line(row)}" for row in rows)
        parts.append(f" {head}: [\n{lines}\n ]{tail}")
    return ("{\n" + ",\n".join(parts) + "\n}\n").encode()


def with_local(config: RouterConfig, name: str, base_url: str) -> RouterConfig:
    """``config`` with its local deployment ``name`` enabled at ``base_url``.

    Raises ``SettingsError`` when no local deployment has that name or the address is unusable.
    """
    provider = config.providers.get(name)
    if provider is None or provider.type != "local":
        known = ", ".join(p.name for p in config.routing.direct.providers if p.type == "local")
        raise SettingsError(f"no local deployment is called {name!r}; there are: {known or 'none'}")
    document: dict[str, Any] = config.model_dump(mode="json")
    for entry in document["routing"]["direct"]["providers"]:
        if entry["name"] == name:
            entry |= {"enabled": True, "base_url": base_url}
    return parse_config(json.dumps(document).encode(), f"--local {name}")


def changed(part: P, **fields: Any) -> P:
    """``part`` with other ``fields``, checked as a whole again; what it is made of is not."""
    return type(part)(**({name: getattr(part, name) for name in type(part).model_fields} | fields))


def _line(value: Mapping[str, Any] | Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
