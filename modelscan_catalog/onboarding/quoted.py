"""What counts of an answer about texts: a fact with a quote that stands there and holds it, and no other."""

import re
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from modelscan_catalog.onboarding.combine import filled, open_fields
from modelscan_catalog.onboarding.hosts import belongs
from modelscan_catalog.onboarding.tables import InterfaceTables
from modelscan_catalog.sdk.interface import (
    ApiType,
    Auth,
    Endpoint,
    Evidence,
    ProviderInterface,
    faults,
)

_LONGEST_QUOTE = 300


class SourceText(BaseModel):
    """A page or a card, as it was read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    text: str


class Quoted(BaseModel):
    """A value with the words that state it."""

    model_config = ConfigDict(extra="forbid")

    value: str = Field(max_length=300)
    quote: str = Field(max_length=_LONGEST_QUOTE)


class QuotedEndpoint(BaseModel):
    """An operation with the words that state it."""

    model_config = ConfigDict(extra="forbid")

    operation: str = Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")
    method: Literal["GET", "POST"]
    path: str = Field(max_length=200)
    quote: str = Field(max_length=_LONGEST_QUOTE)


class InferredInterface(BaseModel):
    """What a language model says of an interface; null is unknown."""

    model_config = ConfigDict(extra="forbid")

    api_type: Quoted | None = Field(
        default=None, description="openai-compatible, anthropic-compatible or custom"
    )
    base_url: Quoted | None = Field(default=None, description="https address before the endpoints' paths")
    auth_scheme: Literal["bearer", "header", "query"] | None = None
    auth_name: Quoted | None = Field(default=None, description="name of the header or query parameter")
    endpoints: list[QuotedEndpoint] = Field(default_factory=list, max_length=20)


def accept(
    interface: ProviderInterface,
    said: InferredInterface,
    texts: Sequence[SourceText],
    domains: frozenset[str],
    tables: InterfaceTables,
    reader: str = "a language model",
) -> tuple[ProviderInterface, tuple[str, ...]]:
    """``interface`` with what holds of ``said``, and why the rest was refused.

    A fact holds when it was asked for, its quote stands in a text and holds the value, an address is https
    on one of ``domains``, and the whole passes the schema gate; it is marked inferred.
    """
    opened = set(open_fields(interface))
    refusals: list[str] = []
    evidence: list[Evidence] = []
    fields: dict[str, Any] = {}

    def stated(field: str, quote: str, must_hold: str) -> bool:
        where = _place(quote, texts)
        if where is None:
            refusals.append(f"{field}: the quote stands in no document")
        elif must_hold.lower() not in plain(quote).lower():
            refusals.append(f"{field}: the quote does not hold the value")
        else:
            rule = f"{reader} read it there"
            evidence.append(
                Evidence(
                    field=field,
                    standing="inferred",
                    source="text",
                    locator=where[:300],
                    rule=rule,
                    quote=quote,
                )
            )
            return True
        return False

    if said.api_type is not None and "api_type" in opened:
        kind = _kind(said.api_type.value)
        word = {"openai-compatible": "openai", "anthropic-compatible": "anthropic"}.get(str(kind), "")
        if kind is None:
            refusals.append("api_type: not one of openai-compatible, anthropic-compatible, custom")
        elif stated("api_type", said.api_type.quote, word):
            fields["api_type"] = kind
    if said.base_url is not None and "base_url" in opened:
        url = said.base_url.value.rstrip("/")
        if not belongs(url, domains):
            known = ", ".join(sorted(domains)) or "none is known"
            refusals.append(f"base_url: not an https address on the provider's own domain ({known})")
        elif stated("base_url", said.base_url.quote, url):
            fields["base_url"] = url
    kind = fields.get("api_type") or interface.api_type
    if "auth" in opened and kind == "custom" and said.auth_scheme is not None:
        name = said.auth_name.value if said.auth_name else "Authorization"
        quote = said.auth_name.quote if said.auth_name else ""
        if not re.fullmatch(r"[A-Za-z0-9-]{1,60}", name):
            refusals.append("auth: not the name of a header or parameter")
        elif stated("auth", quote, name):
            fields["auth"] = Auth(scheme=said.auth_scheme, name=name)
    if "endpoints" in opened and kind == "custom":
        fields["endpoints"] = tuple(_endpoints(said, stated, refusals))
    try:
        other = ProviderInterface(
            provider=interface.provider, name=interface.name, evidence=tuple(evidence), **fields
        )
        joined = filled(interface, other, tables)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        return interface, (*refusals, f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
    wrong = faults(joined)
    return (interface, (*refusals, *wrong)) if wrong else (joined, tuple(refusals))


def _endpoints(said: InferredInterface, stated: Any, refusals: list[str]) -> list[Endpoint]:
    kept: dict[str, Endpoint] = {}
    for one in said.endpoints:
        field = f"endpoints.{one.operation}"
        if one.operation in kept:
            refusals.append(f"{field}: given twice")
            continue
        try:
            endpoint = Endpoint(operation=one.operation, method=one.method, path=one.path)
        except ValidationError as error:
            refusals.append(f"{field}: {error.errors(include_input=False)[0]['msg']}")
            continue
        if stated(field, one.quote, one.path.partition("{")[0]):
            kept[one.operation] = endpoint
    return list(kept.values())


def _kind(value: str) -> ApiType | None:
    kinds: dict[str, ApiType] = {
        "openai-compatible": "openai-compatible",
        "anthropic-compatible": "anthropic-compatible",
        "custom": "custom",
    }
    return kinds.get(value.strip().lower())


def plain(text: str) -> str:
    """``text`` with every run of white space as one space."""
    return " ".join(text.split())


def _place(quote: str, texts: Sequence[SourceText]) -> str | None:
    wanted = plain(quote)
    if len(wanted) < 4:
        return None
    return next((text.url for text in texts if wanted in plain(text.text)), None)
