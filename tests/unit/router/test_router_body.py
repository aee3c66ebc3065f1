"""A body means what Python's JSON says it means, whichever parser reads it."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelscan_catalog.router.answers import RouterError
from modelscan_catalog.router.body import parsed

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def told(content):
    try:
        return repr(parsed(content))
    except RouterError as error:
        return error.status, error.body["error"]["code"]


def expected(content):
    try:
        found = json.JSONDecoder(parse_constant=lambda name: 1 / 0).decode(content.decode())
    except (ValueError, ZeroDivisionError, RecursionError):
        return 400, "invalid_json"
    return repr(found)


@given(VALUES, st.booleans())
def test_given_any_document_when_read_then_it_is_what_was_written(value, ascii_only):
    content = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert told(content) == expected(content)


@given(st.binary(max_size=40) | st.text(alphabet='{}[]":,0123456789-+.eE\\u dnullNaNInfity\n', max_size=30))
@example(b'{"a": NaN}')
@example(b'{"a": -Infinity}')
@example(rb'{"a": "\ud800"}')
@example(b'{"a": 1e999, "b": 123456789012345678901234567890, "c": -0, "d": -0.0, "a": 2}')
@example(b"[" * 300 + b"]" * 300)
@example(b"[" * 200_000)
@example("\ufeff{}".encode())
@example(b"\xff")
@example(b"")
def test_given_any_bytes_when_read_then_the_same_ones_are_refused_as_by_pythons_own(content):
    content = content if isinstance(content, bytes) else content.encode()
    assert told(content) == expected(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"temperature": NaN}', "NaN is not a JSON number"),
        (b'{"a": 1', "Expecting ',' delimiter: line 1 column 8 (char 7)"),
        (b'{"a": "\xff"}', "can't decode byte 0xff in position 7"),
    ],
)
def test_given_what_is_no_json_when_read_then_the_reason_is_told(content, reason):
    with pytest.raises(RouterError) as refused:
        parsed(content)
    assert reason in str(refused.value)
