"""The hand-kept, sourced facts that the rules conclude with."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from modelscan_catalog.errors import OverrideError
from modelscan_catalog.records import Record
from modelscan_catalog.sdk.interface import ApiType, Auth, Endpoint, ParameterKind
from modelscan_catalog.settings import REPOSITORY_ROOT

ONBOARDING_DATA = REPOSITORY_ROOT / "registry" / "onboarding"
PACKAGES_FILE = "registry/merge/provider_apis.json"
ADDRESSES_FILE = "registry/router/base_urls.json"
INTERFACES_FILE = "registry/onboarding/interfaces.json"


class ParameterRule(Record):
    """A request field, and the flag of an offer that says that a model takes it."""

    flag: str
    kind: ParameterKind


class Format(Record):
    """What every provider of one of the common formats has."""

    source: str
    auth: Auth
    headers: dict[str, str] = Field(default_factory=dict)
    endpoints: tuple[Endpoint, ...]
    parameters: dict[str, ParameterRule]


class Particular(Record):
    """What one client package or one provider does in its own way."""

    source: str
    api_type: ApiType
    base_url: str | None = None
    auth: Auth | None = None
    key_env: tuple[str, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    missing: tuple[str, ...] = ()


class InterfaceTables(Record):
    """``interfaces.json``, with what the merge and the router know of packages and addresses."""

    about: str
    formats: dict[str, Format]
    responses_packages: tuple[str, ...]
    reasoning_efforts: tuple[str, ...]
    packages: dict[str, Particular]
    providers: dict[str, Particular]
    package_apis: dict[str, dict[str, str]]
    addresses: dict[str, dict[str, str]]


class Confirmation(Record):
    """A person's word that what was inferred of one interface is right; it holds for exactly those facts."""

    provider: str
    interface_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    reason: str = Field(min_length=8)
    author: str = Field(min_length=1)
    date: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")


@cache
def interface_tables(registry: Path | None = None) -> InterfaceTables:
    """The tables below ``registry`` (the repository's own without it).

    Raises ``OverrideError`` naming the file and the field.
    """
    root = (registry or REPOSITORY_ROOT / "registry").parent
    name = INTERFACES_FILE
    try:
        values: dict[str, Any] = json.loads((root / name).read_text("utf-8"))
        name = PACKAGES_FILE
        values["package_apis"] = json.loads((root / name).read_text("utf-8"))["npm"]
        name = ADDRESSES_FILE
        values["addresses"] = json.loads((root / name).read_text("utf-8"))["base_urls"]
        return InterfaceTables.model_validate(values)
    except (OSError, ValueError, KeyError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else None
        said = f"{'.'.join(map(str, first['loc']))}: {first['msg']}" if first else error
        raise OverrideError(f"{root / name}: {said}") from error


def confirmations(directory: Path) -> Mapping[str, Confirmation]:
    """Confirmations by provider, one file each; ``OverrideError`` names the file that is malformed."""
    found = {}
    for path in sorted(directory.glob("*.json")):
        try:
            entry = Confirmation.model_validate_json(path.read_bytes())
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise OverrideError(f"{path}: {where}: {first['msg']}") from error
        found[entry.provider] = entry
    return found
