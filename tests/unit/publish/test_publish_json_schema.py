"""Claims about finding what is wrong with a document: the fast check never hides what the exact one finds."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from modelscan_catalog.publish.json_schema import JsonSchema

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "pattern": "^[a-z0-9./-]+$"},
        "count": {"type": "integer", "minimum": 0},
        "share": {"anyOf": [{"type": "number", "maximum": 1}, {"type": "null"}]},
        "names": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
    },
    "required": ["id"],
    "additionalProperties": False,
}

values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)
documents = st.dictionaries(st.sampled_from(["id", "count", "share", "names", "other"]), values) | values


@given(documents)
def test_a_document_has_a_fault_when_and_only_when_jsonschema_finds_one(document: Any) -> None:
    assert (JsonSchema(SCHEMA).fault(document) is None) == Draft202012Validator(SCHEMA).is_valid(document)


@pytest.mark.parametrize(
    ("document", "path", "part"),
    [
        ({"id": "A b"}, ("id",), "does not match"),
        ({"id": "a", "names": ["x", 3]}, ("names", 1), "is not of type 'string'"),
        ({}, (), "'id' is a required property"),
        ([], (), "is not of type 'object'"),
    ],
)
def test_a_fault_says_where_and_what(document: Any, path: tuple[str | int, ...], part: str) -> None:
    fault = JsonSchema(SCHEMA).fault(document)
    assert fault is not None
    assert fault.path == path
    assert part in fault.message
