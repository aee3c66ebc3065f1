"""JSON Schemas (2020-12) of the published records, generated from ``records`` and versioned as a set."""

import json
from functools import cache
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from modelscan_catalog import records
from modelscan_catalog.errors import RecordError
from modelscan_catalog.fit.profiles import GpuProfile
from modelscan_catalog.publish.index import RegistryIndex
from modelscan_catalog.publish.json_schema import JsonSchema
from modelscan_catalog.router.added_keys import KeysFile
from modelscan_catalog.router.config import RouterConfig
from modelscan_catalog.router.deployments import DeploymentsFile
from modelscan_catalog.router.splits import SplitsFile
from modelscan_catalog.sdk.interface import ProviderInterface

SCHEMA_VERSION = "1.0.0"
"""Semantic version of the whole set: major when a reader of the last version could break."""

PUBLISHED: dict[str, Any] = {
    "ambiguity": records.Ambiguity,
    "change": records.Change,
    "conflict": records.Conflict,
    "crosswalk_link": records.CrosswalkLink,
    "deployment": records.Deployment,
    "gpu_profile": GpuProfile,
    "index": RegistryIndex,
    "model": records.Model,
    "models_registry": records.ModelsRegistry,
    "offer": records.Offer,
    "override": records.Override,
    "past_terms": records.PastTerms,
    "provenance": records.Provenance,
    "provider": records.Provider,
    "provider_interface": ProviderInterface,
    "reference_plan": records.ReferencePlan,
    "reject": records.Reject,
    "router": RouterConfig,
    "router_deployments": DeploymentsFile,
    "router_keys": KeysFile,
    "router_splits": SplitsFile,
    "source_state": records.SourceState,
    "tombstone": records.Tombstone,
    "variant": records.Variant,
}


class _Generator(GenerateJsonSchema):
    schema_dialect = "https://json-schema.org/draft/2020-12/schema"


def record_schema(name: str) -> dict[str, Any]:
    """The JSON Schema of the published record ``name``."""
    adapter: TypeAdapter[Any] = TypeAdapter(PUBLISHED[name])
    schema = adapter.json_schema(schema_generator=_Generator, mode="validation")
    schema.setdefault("additionalProperties", False)
    return {
        "$schema": _Generator.schema_dialect,
        "$id": f"urn:modelscan:schema:{name}:{SCHEMA_VERSION}",
        **schema,
    }


def schema_files() -> dict[str, dict[str, Any]]:
    """Every schema of the current version by its path below ``schemas/``."""
    return {f"{SCHEMA_VERSION}/{name}.schema.json": record_schema(name) for name in sorted(PUBLISHED)}


@cache
def _compiled(name: str) -> JsonSchema:
    return JsonSchema(record_schema(name))


def check_document(name: str, document: Any, where: str) -> None:
    """Raise ``RecordError`` naming ``where``, the field and the fault when ``document`` is not a ``name``."""
    fault = _compiled(name).fault(document)
    if fault is not None:
        field = ".".join(str(part) for part in fault.path) or "(whole record)"
        raise RecordError(f"{where}: field {field}: {fault.message}")


def breaking_changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Ways in which ``after`` refuses a document that ``before`` accepts, each with its place.

    Compares what this project's schemas are made of: object properties, required names, types, enums,
    patterns and numeric bounds, through ``$ref`` and ``anyOf``.
    """
    return sorted(set(_narrowed(before, before, after, after, "")))


def _narrowed(root_a: Any, a: Any, root_b: Any, b: Any, at: str) -> list[str]:
    a, b = _resolved(root_a, a), _resolved(root_b, b)
    found: list[str] = []
    branches_a, branches_b = a.get("anyOf", [a]), b.get("anyOf", [b])
    if len(branches_a) > 1 or len(branches_b) > 1:
        for branch in branches_a:
            faults = [_narrowed(root_a, branch, root_b, other, at) for other in branches_b]
            fewest = min(faults, key=len)
            found.extend(fewest)
        return found
    types_a, types_b = _types(a), _types(b)
    if types_b and not types_a <= types_b:
        return [f"{at or '.'}: type {sorted(types_a) or 'any'} became {sorted(types_b)}"]
    if "enum" in b and not set(map(json.dumps, a.get("enum", [None]))) <= set(map(json.dumps, b["enum"])):
        found.append(f"{at or '.'}: the list of values lost some or is new")
    found += [
        f"{at or '.'}: {bound} is new or stricter"
        for bound in (
            "pattern",
            "minimum",
            "exclusiveMinimum",
            "maximum",
            "exclusiveMaximum",
            "minLength",
            "maxLength",
        )
        if bound in b and a.get(bound) != b[bound]
    ]
    found += [
        f"{at}.{name}: is required now" for name in b.get("required", []) if name not in a.get("required", [])
    ]
    inner_b = b.get("properties", {})
    for name, inner in a.get("properties", {}).items():
        if name in inner_b:
            found += _narrowed(root_a, inner, root_b, inner_b[name], f"{at}.{name}")
        elif b.get("additionalProperties") is False:
            found.append(f"{at}.{name}: is gone")
    for key in ("items", "additionalProperties"):
        if isinstance(a.get(key), dict) and isinstance(b.get(key), dict):
            found += _narrowed(root_a, a[key], root_b, b[key], f"{at}[]")
    return found


def _types(schema: dict[str, Any]) -> set[str]:
    given = schema.get("type", [])
    names = {given} if isinstance(given, str) else set(given)
    return names | {"integer"} if "number" in names else names


def _resolved(root: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        target: Any = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        schema = target
    return schema
