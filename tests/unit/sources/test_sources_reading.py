"""The tolerant getters: typed value or null, and an account of every loss."""

from typing import Any

import pytest

from modelscan_catalog.sources.reading import Row, RowLog, as_count, as_instant, is_partial_date, shown


def row(**values: Any) -> Row:
    return Row(RowLog("models_dev"), "t", "r", values)


@pytest.mark.parametrize("bad", ["\ud800", "a\x00b", "x" * 3000, 3, [], {}])
def test_text_that_no_table_can_hold_becomes_null_with_a_reason(bad: Any) -> None:
    reader = row(name=bad)
    assert reader.text("name") is None
    (reject,) = reader.log.rejects
    assert reject.field == "name"
    assert reject.value is not None
    reject.value.encode()


def test_an_empty_text_is_null_without_fuss() -> None:
    reader = row(name="")
    assert reader.text("name") is None
    assert reader.log.rejects == []


@pytest.mark.parametrize(
    ("value", "count"), [(5, 5), ("5", 5), (5.0, 5), (5.5, None), (-1, None), (True, None), (2**63, None)]
)
def test_counts_are_whole_numbers_that_fit_64_bits(value: Any, count: int | None) -> None:
    assert as_count(value) == count


@pytest.mark.parametrize("good", ["2026", "2026-02", "2026-02-28"])
def test_dates_may_be_partial(good: str) -> None:
    assert is_partial_date(good)


@pytest.mark.parametrize("bad", ["2026-02-30", "2026-2", "0000", "2026-02\n", "²026", ""])
def test_dates_that_no_calendar_has_are_none(bad: str) -> None:
    assert not is_partial_date(bad)


@pytest.mark.parametrize("bad", ["yesterday", None, True, 1e30, -1e30, float("nan"), [1]])
def test_what_is_no_point_in_time_is_null(bad: Any) -> None:
    assert as_instant(bad) is None


def test_points_in_time_are_told_in_utc() -> None:
    assert as_instant("2026-01-01T02:00:00+02:00") == "2026-01-01T00:00:00Z"


def test_a_required_field_that_is_missing_marks_the_row_as_malformed() -> None:
    reader = row()
    assert reader.flag("attachment", required=True) is None
    assert reader.log.malformed == {("t", "r")}


def test_keys_that_nobody_read_are_counted_by_table_and_place() -> None:
    reader = row(a=1, b={"c": 1})
    nested = reader.mapping("b")
    assert nested is not None
    nested.count_unknown()
    reader.count_unknown()
    assert reader.log.unknown_fields == {"t.a": 1, "t.b.c": 1}


def test_a_shown_value_is_short_and_encodable() -> None:
    assert len(shown({"a": "\ud800" * 500})) <= 200
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    assert shown(deep) == "a list"
