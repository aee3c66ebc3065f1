"""What is known of a provider's interface: each fact with its evidence; what is not known is null."""

import re
from typing import Literal

from pydantic import Field, JsonValue

from modelscan_catalog.records import Record
from modelscan_catalog.sdk.access import VARIABLE

ApiType = Literal["openai-compatible", "anthropic-compatible", "custom"]
Standing = Literal["stated", "derived", "inferred"]
"""A source says so; a rule concludes it from what a source says; a language model read it out of a text."""

ParameterKind = Literal["number", "integer", "text", "flag", "object", "list", "choice", "any"]

PROVIDER_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
_HEADER = r"^[A-Za-z0-9-]{1,60}$"
_ENV = r"^[A-Za-z0-9_]{1,100}$"


class Evidence(Record):
    """Why a field has its value."""

    field: str
    standing: Standing
    source: str = Field(description="models_dev, openapi, override, or a rule table under registry/")
    locator: str = Field(description="field, page or file that says so")
    rule: str
    quote: str | None = Field(default=None, max_length=300, description="words of the text, when inferred")


class Auth(Record):
    """How a key is shown."""

    scheme: Literal["bearer", "header", "query", "none"]
    name: str = Field(default="Authorization", pattern=_HEADER)


class Endpoint(Record):
    """One operation below the base URL; ``path`` may hold ``{model}``."""

    operation: str = Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")
    method: Literal["GET", "POST"]
    path: str = Field(pattern=r"^/[A-Za-z0-9._~:/{}-]*$", max_length=200)
    streams: bool = Field(default=False, description="answers with server-sent events")
    query: dict[str, str] = Field(default_factory=dict)
    fixed: dict[str, bool] = Field(default_factory=dict, description="fields that every request has")
    expected: bool | None = Field(
        default=None, description="true when the provider is known to have it; null: its format usually does"
    )


class Parameter(Record):
    """A request field that some of the provider's models take."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,60}$")
    kind: ParameterKind
    choices: tuple[str, ...] = ()
    models: int | None = Field(default=None, description="how many of its models take it; null: not counted")


class ProviderInterface(Record):
    """Everything that a client is generated from."""

    provider: str = Field(pattern=PROVIDER_ID)
    name: str = Field(min_length=1, max_length=200)
    api_type: ApiType | None = None
    base_url: str | None = Field(default=None, description="may hold ${VARIABLES} of the account")
    auth: Auth | None = None
    key_env: tuple[str, ...] = Field(default=(), description="variables that its own clients read keys from")
    headers: dict[str, str] = Field(default_factory=dict)
    endpoints: tuple[Endpoint, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    models: int | None = Field(default=None, description="offers that models.dev lists for this interface")
    other_formats: dict[str, int] = Field(
        default_factory=dict, description="offers of the provider that speak another format, or elsewhere"
    )
    evidence: tuple[Evidence, ...] = ()
    missing: tuple[str, ...] = Field(default=(), description="what is needed and not known, a line each")
    confirmed: bool = Field(default=False, description="a human has confirmed what is inferred")

    @property
    def inferred(self) -> tuple[str, ...]:
        """Fields that a language model read out of a text."""
        return tuple(entry.field for entry in self.evidence if entry.standing == "inferred")

    @property
    def callable(self) -> bool:
        """Whether a client can be generated that a key may be given to."""
        return not self.missing and (not self.inferred or self.confirmed)


def faults(interface: ProviderInterface) -> list[str]:
    """What is wrong with an interface beyond its schema, a line each: the gate before generation."""
    covered = {entry.field for entry in interface.evidence}
    found = [
        f"{field}: has a value and no evidence"
        for field in ("api_type", "base_url", "auth")
        if getattr(interface, field) is not None and field not in covered
    ]
    for endpoint in interface.endpoints:
        if f"endpoints.{endpoint.operation}" not in covered:
            found.append(f"endpoints.{endpoint.operation}: has a value and no evidence")
        if endpoint.path.replace("{model}", "").count("{"):
            found.append(f"endpoints.{endpoint.operation}: {endpoint.path}: only {{model}} can be filled in")
        if ".." in endpoint.path.split("/"):
            found.append(f"endpoints.{endpoint.operation}: {endpoint.path}: leaves the base URL")
    operations = [endpoint.operation for endpoint in interface.endpoints]
    found += [
        f"endpoints.{name}: given twice"
        for name in sorted({n for n in operations if operations.count(n) > 1})
    ]
    if interface.base_url is not None:
        found += [f"base_url: {fault}" for fault in _url_faults(interface.base_url)]
    found += [
        f"key_env: {name[:60]!r} is not the name of a variable"
        for name in interface.key_env
        if not re.fullmatch(_ENV, name)
    ]
    for name, value in interface.headers.items():
        if not re.fullmatch(_HEADER, name) or not re.fullmatch(r"[ -~]{0,200}", value):
            found.append(f"headers: {name[:60]!r} is not a header that can be sent")
    return found


def _url_faults(base_url: str) -> list[str]:
    plain = VARIABLE.sub("variable", base_url)
    if base_url.startswith("${"):
        plain = "https://" + plain  # the variable holds the scheme too
    match = re.fullmatch(r"(https?)://([A-Za-z0-9.-]+)(:\d{1,5})?(/[A-Za-z0-9._~/-]*)?", plain)
    if match is None:
        return [f"{base_url[:100]!r} is not a plain http or https address"]
    if match[1] == "http" and match[2] not in ("localhost", "127.0.0.1"):
        return [f"{base_url[:100]!r} would show keys to the network: it is not https"]
    return []


def facts(interface: ProviderInterface) -> dict[str, JsonValue]:
    """The facts without their evidence: what a version of a client depends on."""
    document: dict[str, JsonValue] = interface.model_dump(
        mode="json", exclude={"evidence", "models", "other_formats", "missing"}
    )
    return document
