"""Local deployments that a router serves as soon as they run, and no longer when they are gone.

Whoever starts an engine (GPUStack, KServe, a shell) calls ``register_deployment`` when it answers and
``remove_deployment`` when it is stopped; a running router reads ``deployments.json`` again by itself.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.router.config import (
    DirectRouting,
    RouterConfig,
    RouterModel,
    RouterProvider,
    Routing,
    Target,
    changed,
)
from modelscan_catalog.router.lint import is_private
from modelscan_catalog.router.overlay_files import locked, read_overlay, told, write_overlay
from modelscan_catalog.router.parts import HttpUrl, Part
from modelscan_catalog.secret_refs import SecretRef

DEPLOYMENTS_FILE = "deployments.json"


class LocalDeployment(Part):
    """An engine that answers OpenAI's format below ``base_url``; tried before every seller of its model."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]*$", max_length=200)
    model: str = Field(min_length=1, description="id or alias of the catalogue's model, or a new id")
    base_url: HttpUrl
    served_model: str = Field(min_length=1, description="the name that the engine knows the model by")
    key: SecretRef | None = None
    context: int | None = Field(default=None, gt=0, description="tokens; null while unknown")
    input: tuple[str, ...] = Field(default=(), description="modalities of a model new to the catalogue")
    weight: float = Field(default=1.0, gt=0, description="share among deployments of the same model")
    input_price: float | None = Field(
        default=None, ge=0, description="what it costs you: USD per million tokens"
    )
    output_price: float | None = Field(
        default=None, ge=0, description="what it costs you: USD per million tokens"
    )


class DeploymentsFile(Part):
    """The whole of ``deployments.json``."""

    schema_version: str = Field(default="1.0.0", pattern=r"^1\.\d+\.\d+$")
    deployments: tuple[LocalDeployment, ...] = ()


def register_deployment(
    config_dir: Path,
    name: str,
    model: str,
    base_url: str,
    key_ref: str | None = None,
    *,
    served_model: str | None = None,
    context: int | None = None,
    input: Sequence[str] = (),
    weight: float = 1.0,
    input_price: float | None = None,
    output_price: float | None = None,
) -> LocalDeployment:
    """Have routers that watch ``config_dir`` serve ``model`` from ``base_url`` (``/v1`` included) within 1 s.

    ``served_model`` is the engine's own name for it, ``name`` when left out. A deployment of that name is
    replaced; prices that were given before stay when none is given now. Local engines need no key;
    ``key_ref`` is ``env:NAME`` or ``file:PATH``. Raises ``SettingsError`` for a field that cannot be used, a
    literal key, or a key that would travel unencrypted to a public address.
    """
    try:
        deployment = LocalDeployment(
            name=name,
            model=model,
            base_url=base_url,
            served_model=served_model or name,
            key=key_ref,
            context=context,
            input=tuple(input),
            weight=weight,
            input_price=input_price,
            output_price=output_price,
        )
    except ValidationError as error:
        raise SettingsError(f"deployment {name}: {told(error)}") from None
    url = urlsplit(deployment.base_url)
    if key_ref and url.scheme == "http" and not is_private(url.hostname or ""):
        raise SettingsError(
            f"deployment {name}: its key would be sent unencrypted to {url.hostname}: use https"
        )
    path = config_dir / DEPLOYMENTS_FILE
    with locked(path):
        known = list_deployments(config_dir)
        for earlier in known:
            if earlier.name == name and input_price is None and output_price is None:
                prices = {"input_price": earlier.input_price, "output_price": earlier.output_price}
                deployment = deployment.model_copy(update=prices)
        _write(path, [*(one for one in known if one.name != name), deployment])
    return deployment


def remove_deployment(config_dir: Path, name: str) -> bool:
    """Have routers stop sending new requests to the deployment ``name``; whether it was registered."""
    path = config_dir / DEPLOYMENTS_FILE
    with locked(path):
        known = list_deployments(config_dir)
        kept = [one for one in known if one.name != name]
        if len(kept) == len(known):
            return False
        _write(path, kept)
    return True


def list_deployments(config_dir: Path) -> tuple[LocalDeployment, ...]:
    """What is registered, by name; raises ``SettingsError`` for a damaged file."""
    return read_overlay(config_dir / DEPLOYMENTS_FILE, DeploymentsFile).deployments


def with_deployments(config: RouterConfig, deployments: Sequence[LocalDeployment]) -> RouterConfig:
    """``config`` with each deployment as a provider and as the first target of its model.

    A model that ``config`` does not know is added. The engine's name for a model becomes its alias where
    no other model bears it.
    """
    if not deployments:
        return config
    models = {model.id: model for model in config.models}
    names = {alias: model.id for model in config.models for alias in model.aliases} | {
        id_: id_ for id_ in models
    }
    own = {_provider(one).name for one in deployments}
    pushed_back: set[str] = set()
    providers: dict[str, RouterProvider] = {}
    for one in deployments:
        provider = _provider(one)
        providers[provider.name] = provider
        target = Target(
            provider=provider.name,
            model=one.served_model,
            weight=one.weight,
            context=one.context,
            input_price=one.input_price,
            output_price=one.output_price,
        )
        known = names.get(one.model, one.model)
        model = models.get(known)
        if model is None:
            model = RouterModel(id=known, context=one.context, input=one.input, targets=(target,))
            pushed_back.add(known)
        elif known in pushed_back:
            model = changed(model, targets=(target, *model.targets))
        else:
            # A configuration that another machine laid them over already has them once.
            behind = (
                changed(other, priority=other.priority + 1)
                for other in model.targets
                if other.provider not in own
            )
            model = changed(model, targets=(target, *behind))
            pushed_back.add(known)
        if one.served_model not in names and one.served_model not in models:
            model = changed(model, aliases=(*model.aliases, one.served_model))
            names[one.served_model] = known
        models[known] = model
        names.setdefault(known, known)
    kept = tuple(one for one in config.routing.direct.providers if one.name not in providers)
    routing = Routing(direct=DirectRouting(providers=(*kept, *providers.values())))
    return changed(config, routing=routing, models=tuple(models.values()))


def _provider(one: LocalDeployment) -> RouterProvider:
    kind: Literal["local"] = "local"
    return RouterProvider(
        name=f"local/{one.name}", type=kind, base_url=one.base_url, key=one.key, model=one.model
    )


def _write(path: Path, deployments: Sequence[LocalDeployment]) -> None:
    ordered = tuple(sorted(deployments, key=lambda one: one.name))
    write_overlay(path, DeploymentsFile(deployments=ordered))
