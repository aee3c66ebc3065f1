"""TypeScript types: every schema has one, every name that is used is declared, unknown types are refused."""

import re

import pytest

from modelscan_catalog.errors import PublishError
from modelscan_catalog.publish.schemas import PUBLISHED, SCHEMA_VERSION, record_schema
from modelscan_catalog.site.typescript import type_name, typescript

SCHEMAS = {name: record_schema(name) for name in PUBLISHED}
BUILT_IN = {
    "string",
    "number",
    "boolean",
    "null",
    "unknown",
    "true",
    "false",
    "Record",
    "export",
    "interface",
    "type",
}


def code(text: str) -> str:
    """Without comments and string literals."""
    return re.sub(r'/\*\*.*?\*/|//.*|"[^"]*"', "", text)


def test_every_schema_has_its_type_and_each_is_declared_once() -> None:
    declared = re.findall(r"^export (?:interface|type) (\w+)", typescript(SCHEMAS, SCHEMA_VERSION), re.M)
    assert {type_name(name) for name in PUBLISHED} <= set(declared)
    assert len(declared) == len(set(declared))


def test_every_type_that_a_property_names_is_declared() -> None:
    text = code(typescript(SCHEMAS, SCHEMA_VERSION))
    declared = set(re.findall(r"^export (?:interface|type) (\w+)", text, re.M))
    used = set(re.findall(r"\b[A-Za-z_]\w*\b(?!\??:)", text)) - BUILT_IN
    assert used <= declared


def test_every_property_of_a_schema_is_a_property_of_its_type_optional_unless_required() -> None:
    for name, schema in SCHEMAS.items():
        text = typescript({name: schema}, SCHEMA_VERSION)
        body = text.split(f"export interface {type_name(name)} {{")[1].split("\n}")[0]
        required = set(schema.get("required", ()))
        for member in schema["properties"]:
            mark = "" if member in required else r"\?"
            assert re.search(rf"^  \"?{re.escape(member)}\"?{mark}: ", body, re.M), (name, member)


def test_two_definitions_of_one_name_are_kept_apart() -> None:
    def schema(kind: str) -> dict[str, object]:
        part = {"type": "object", "properties": {"x": {"type": kind}}, "required": ["x"]}
        return {"type": "object", "properties": {"p": {"$ref": "#/$defs/Part"}}, "$defs": {"Part": part}}

    text = typescript({"one": schema("string"), "two": schema("integer")}, "1.0.0")
    assert "export interface Part {\n  x: string;" in text
    assert "export interface TwoPart {\n  x: number;" in text
    assert "p?: TwoPart;" in text


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"enum": ["a", "b"]}, '"a" | "b"'),
        ({"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "null"}]}}, "(string | null)[]"),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, "Record<string, number>"),
        ({"type": ["string", "null"]}, "string | null"),
        ({"prefixItems": [{"type": "string"}, {"type": "number"}], "type": "array"}, "[string, number]"),
        ({"const": "direct"}, '"direct"'),
    ],
)
def test_a_schema_reads_in_typescript_as_it_validates(schema: dict[str, object], expected: str) -> None:
    assert f"export type Thing = {expected};" in typescript({"thing": schema}, "1.0.0")


def test_a_type_that_no_schema_knows_is_refused_rather_than_written_as_anything() -> None:
    with pytest.raises(PublishError, match="'tuple'"):
        typescript({"thing": {"type": "tuple"}}, "1.0.0")
