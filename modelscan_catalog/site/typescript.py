"""TypeScript types of the published records, generated from their JSON Schemas."""

import json
from collections.abc import Mapping
from typing import Any

from modelscan_catalog.errors import PublishError

_PLAIN = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
    "object": "Record<string, unknown>",
    "array": "unknown[]",
}


def typescript(schemas: Mapping[str, Mapping[str, Any]], version: str) -> str:
    """Declarations of every schema (record name → JSON Schema), sorted, the same for the same schemas.

    A definition that several records share is declared once; where two records give one name to different
    definitions, the later one bears its record's name in front. Raises ``PublishError`` for a schema type
    that has no translation here.
    """
    declared: dict[str, str] = {}
    for record, schema in sorted(schemas.items()):
        names = _definition_names(record, schema.get("$defs", {}), declared)
        for name, definition in sorted(schema.get("$defs", {}).items()):
            declared[names[name]] = _declaration(names[name], definition, names)
        declared[type_name(record)] = _declaration(type_name(record), schema, names)
    head = f"// Types of the registry's records, schema version {version}; generated, do not edit.\n"
    head += "// A property that is absent is unknown.\n"
    return head + "".join(f"\n{text}" for _, text in sorted(declared.items()))


def type_name(record: str) -> str:
    """``gpu_profile`` → ``GpuProfile``."""
    return "".join(part.capitalize() for part in record.split("_"))


def _definition_names(
    record: str, definitions: Mapping[str, Any], declared: Mapping[str, str]
) -> dict[str, str]:
    own = {name: _identifier(name) for name in definitions}
    clashing = {
        name
        for name, definition in definitions.items()
        if own[name] in declared and declared[own[name]] != _declaration(own[name], definition, own)
    }
    return {
        name: type_name(record) + plain if name in clashing or plain == type_name(record) else plain
        for name, plain in own.items()
    }


def _identifier(name: str) -> str:
    return "".join(character if character.isalnum() else "_" for character in name)


def _declaration(name: str, schema: Mapping[str, Any], names: Mapping[str, str]) -> str:
    comment = _comment(schema.get("description"), "")
    if schema.get("type") == "object" and "properties" in schema:
        return f"{comment}export interface {name} {_members(schema, names, '')}\n"
    return f"{comment}export type {name} = {_type(schema, names, '')};\n"


def _members(schema: Mapping[str, Any], names: Mapping[str, str], indent: str) -> str:
    inner = indent + "  "
    required = set(schema.get("required", ()))
    lines = []
    for name, member in schema["properties"].items():
        key = name if name.isidentifier() else json.dumps(name)
        optional = "" if name in required else "?"
        comment = _comment(member.get("description"), inner)
        lines.append(f"{comment}{inner}{key}{optional}: {_type(member, names, inner)};\n")
    return "{\n" + "".join(lines) + indent + "}"


def _type(schema: Mapping[str, Any], names: Mapping[str, str], indent: str) -> str:
    if "$ref" in schema:
        text = names[schema["$ref"].removeprefix("#/$defs/")]
    elif "const" in schema:
        text = json.dumps(schema["const"])
    elif "enum" in schema:
        text = " | ".join(json.dumps(value) for value in schema["enum"])
    elif branches := schema.get("anyOf") or schema.get("oneOf"):
        text = " | ".join(dict.fromkeys(_type(branch, names, indent) for branch in branches))
    elif "allOf" in schema:
        text = " & ".join(_type(branch, names, indent) for branch in schema["allOf"])
    elif isinstance(schema.get("type"), list):
        text = " | ".join(_type({**schema, "type": one}, names, indent) for one in schema["type"])
    elif schema.get("type") == "array":
        text = _array(schema, names, indent)
    elif "properties" in schema:
        text = _members(schema, names, indent)
    elif isinstance(schema.get("additionalProperties"), Mapping):
        text = f"Record<string, {_type(schema['additionalProperties'], names, indent)}>"
    elif "type" in schema:
        if schema["type"] not in _PLAIN:
            raise PublishError(
                f"schema type {schema['type']!r} has no TypeScript type; add it to typescript.py"
            )
        text = _PLAIN[schema["type"]]
    else:
        text = "unknown"
    return text


def _array(schema: Mapping[str, Any], names: Mapping[str, str], indent: str) -> str:
    if "prefixItems" in schema:
        return "[" + ", ".join(_type(item, names, indent) for item in schema["prefixItems"]) + "]"
    item = _type(schema.get("items", {}), names, indent)
    return f"({item})[]" if " " in item and not item.startswith("Record<") else f"{item}[]"


def _comment(text: str | None, indent: str) -> str:
    if not text:
        return ""
    plain = " ".join(text.split()).replace("*/", "* /").replace("``", "`")
    return f"{indent}/** {plain} */\n"
