"""An interface concluded by rules from what models.dev says; each fact with its evidence, nothing guessed."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from pydantic import TypeAdapter

from modelscan_catalog.onboarding.combine import with_missing
from modelscan_catalog.onboarding.tables import (
    ADDRESSES_FILE,
    INTERFACES_FILE,
    PACKAGES_FILE,
    InterfaceTables,
    Particular,
)
from modelscan_catalog.sdk.access import VARIABLE
from modelscan_catalog.sdk.interface import (
    ApiType,
    Auth,
    Endpoint,
    Evidence,
    Parameter,
    ProviderInterface,
    Standing,
)
from modelscan_catalog.sources.staged import ModelsDevOffer, ModelsDevProvider

_API_TYPE: TypeAdapter[ApiType] = TypeAdapter(ApiType)
_KEY_VARIABLE = re.compile(r"(KEY|TOKEN|PAT|SECRET)$")
"""Of a provider's variables, those that hold a key; the others are parts of its address."""


class _Facts:
    """Collects values with their evidence."""

    def __init__(self) -> None:
        self.evidence: list[Evidence] = []
        self.missing: list[str] = []

    def note(self, field: str, standing: Standing, source: str, locator: str, rule: str) -> None:
        self.evidence.append(
            Evidence(field=field, standing=standing, source=source, locator=locator, rule=rule)
        )


def interface_by_rules(
    provider: ModelsDevProvider, offers: Iterable[ModelsDevOffer], tables: InterfaceTables
) -> ProviderInterface:
    """What models.dev and the committed tables say of one provider's interface.

    What no rule can say stands in ``missing``, a line each; nothing is guessed.
    """
    facts = _Facts()
    own = tables.providers.get(provider.id) or tables.packages.get(provider.npm or "")
    kind = _api_type(provider, own, tables, facts)
    base_url = _base_url(provider, own, tables, facts)
    spoken, others = _by_format(provider, kind, offers, tables)
    endpoints = _endpoints(provider, own, kind, spoken, tables, facts)
    interface = ProviderInterface(
        provider=provider.id,
        name=(provider.name or provider.id)[:200],
        api_type=kind,
        base_url=base_url.rstrip("/") if base_url else None,
        auth=_auth(own, kind, tables, facts),
        key_env=_key_env(provider, own, base_url, facts),
        headers=tables.formats[kind].headers if kind in tables.formats else {},
        endpoints=endpoints,
        parameters=_parameters(kind, spoken, tables, facts),
        models=len(spoken),
        other_formats=others,
        evidence=(),
        missing=tuple(own.missing) if own else (),
    )
    missing = (*interface.missing, *facts.missing)
    return with_missing(interface.model_copy(update={"evidence": tuple(facts.evidence), "missing": missing}))


def _api_type(
    provider: ModelsDevProvider, own: Particular | None, tables: InterfaceTables, facts: _Facts
) -> ApiType | None:
    if own is not None:
        facts.note("api_type", "derived", INTERFACES_FILE, own.source, "the table names the format")
        return own.api_type
    package = tables.package_apis.get(provider.npm or "")
    if package is not None:
        rule = f"the client package {provider.npm} speaks this format"
        facts.note("api_type", "derived", PACKAGES_FILE, f"npm {provider.npm}", rule)
        return _API_TYPE.validate_python(package["api_type"])
    address = tables.addresses.get(provider.id)
    if address is not None:
        rule = "the provider documents a second, OpenAI-compatible address"
        facts.note("api_type", "derived", ADDRESSES_FILE, address["source"], rule)
        return "openai-compatible"
    facts.missing.append(
        f"api_type: no rule knows the client package {provider.npm or 'of this provider'}; "
        "give its OpenAPI document or its documentation"
    )
    return None


def _base_url(
    provider: ModelsDevProvider, own: Particular | None, tables: InterfaceTables, facts: _Facts
) -> str | None:
    if own is not None and own.base_url:
        facts.note("base_url", "derived", INTERFACES_FILE, own.source, "the table names the address")
        return own.base_url
    if provider.npm not in tables.package_apis and provider.id in tables.addresses:
        address = tables.addresses[provider.id]
        rule = "the address at which it speaks the OpenAI format"
        facts.note("base_url", "derived", ADDRESSES_FILE, address["source"], rule)
        return address["base_url"]
    if provider.api:
        facts.note("base_url", "stated", "models_dev", f"{provider.id}.api", "models.dev gives the address")
        return provider.api
    default = tables.package_apis.get(provider.npm or "", {}).get("base_url")
    if default:
        rule = f"the default of the client package {provider.npm}"
        facts.note("base_url", "derived", PACKAGES_FILE, f"npm {provider.npm}", rule)
        return default
    if own is None or not own.missing:
        facts.missing.append("base_url: neither models.dev nor a rule gives it")
    return None


def _key_env(
    provider: ModelsDevProvider, own: Particular | None, base_url: str | None, facts: _Facts
) -> tuple[str, ...]:
    """The variables that hold a key: no part of the address and named so, or the only one."""
    parts = set(VARIABLE.findall(base_url or ""))
    keys = tuple(name for name in provider.env if name not in parts and _KEY_VARIABLE.search(name))
    if own is not None and own.key_env:
        keys = own.key_env
    elif not keys and len(provider.env) == 1 and not parts:
        keys = provider.env
    if keys:
        said = "variables that its clients read"
        facts.note("key_env", "stated", "models_dev", f"{provider.id}.env", said)
    return keys


def _auth(
    own: Particular | None, kind: ApiType | None, tables: InterfaceTables, facts: _Facts
) -> Auth | None:
    locator = ""
    if own is not None and own.auth is not None:
        auth, locator = own.auth, own.source
    elif kind in tables.formats:
        auth, locator = tables.formats[kind].auth, tables.formats[kind].source
    else:
        return None
    facts.note("auth", "derived", INTERFACES_FILE, locator, f"how the {kind} format shows a key")
    return auth


def _by_format(
    provider: ModelsDevProvider,
    kind: ApiType | None,
    offers: Iterable[ModelsDevOffer],
    tables: InterfaceTables,
) -> tuple[list[ModelsDevOffer], dict[str, int]]:
    """The offers that the provider's own interface serves, and how many speak what else instead."""
    served, others = [], Counter[str]()
    for offer in offers:
        other = tables.package_apis.get(offer.provider_npm or "", {}).get("api_type", "custom")
        elsewhere = offer.provider_api is not None and offer.provider_api != provider.api
        if (offer.provider_npm is None or other == kind) and not elsewhere:
            served.append(offer)
        else:
            others[other if offer.provider_npm else "another address"] += 1
    return served, dict(sorted(others.items()))


def _endpoints(
    provider: ModelsDevProvider,
    own: Particular | None,
    kind: ApiType | None,
    offers: Sequence[ModelsDevOffer],
    tables: InterfaceTables,
    facts: _Facts,
) -> tuple[Endpoint, ...]:
    if own is not None and own.endpoints:
        for endpoint in own.endpoints:
            facts.note(f"endpoints.{endpoint.operation}", "derived", INTERFACES_FILE, own.source, "the table")
        return own.endpoints
    if kind not in tables.formats:
        return ()
    found = []
    responses = sum(offer.provider_shape == "responses" for offer in offers)
    for endpoint in tables.formats[kind].endpoints:
        expected, locator = endpoint.expected, tables.formats[kind].source
        rule = (
            f"every {kind} provider has it" if expected else f"the {kind} format has it; not all providers do"
        )
        if endpoint.operation == "responses" and provider.npm in tables.responses_packages:
            expected, rule = True, f"the client package {provider.npm} calls it first"
        elif endpoint.operation == "responses" and responses:
            expected, rule = True, f"{responses} of its models are marked for it"
            locator = f"{provider.id}.models.*.provider.shape"
        facts.note(f"endpoints.{endpoint.operation}", "derived", INTERFACES_FILE, locator, rule)
        found.append(endpoint.model_copy(update={"expected": expected}))
    return tuple(found)


def _parameters(
    kind: ApiType | None, offers: Sequence[ModelsDevOffer], tables: InterfaceTables, facts: _Facts
) -> tuple[Parameter, ...]:
    """Request fields that at least one of the models takes."""
    if kind not in tables.formats:
        return ()
    found = []
    for name, rule in sorted(tables.formats[kind].parameters.items()):
        takers = [offer for offer in offers if getattr(offer, rule.flag)]
        if not takers:
            continue
        choices = _efforts(takers, tables.reasoning_efforts) if rule.kind == "choice" else ()
        locator = f"models.*.{rule.flag}"
        said = f"{len(takers)} of {len(offers)} models take it"
        facts.note(f"parameters.{name}", "derived", "models_dev", locator, said)
        found.append(Parameter(name=name, kind=rule.kind, choices=choices, models=len(takers)))
    return tuple(found)


def _efforts(offers: Iterable[ModelsDevOffer], order: Sequence[str]) -> tuple[str, ...]:
    """All values that some model takes, weakest first; those without a known rank last."""
    rank: Mapping[str, int] = {name: position for position, name in enumerate(order)}
    values = {value for offer in offers for value in offer.reasoning_efforts}
    return tuple(sorted(values, key=lambda value: (rank.get(value, len(rank)), value)))
