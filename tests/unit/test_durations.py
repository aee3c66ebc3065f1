"""Durations in Go's notation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from modelscan_catalog.durations import LONGEST_S, DurationS, parse_duration_s


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30m", 1800), ("5m", 300), ("1h30m", 5400), ("90s", 90), ("1.5h", 5400), (".5s", 0.5), ("1.s", 1),
        ("250ms", 0.25), ("3us", 3e-6), ("3µs", 3e-6), ("7ns", 7e-9), ("0", 0), ("0s", 0), (" 10s ", 10),
    ],
)  # fmt: skip
def test_what_go_reads_is_read_as_the_same_seconds(text: str, seconds: float) -> None:
    assert parse_duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "30", "m", "-5m", "+5m", "5 m", "5m 3s", "1d", "1e3s", ".s", "5M", "٣s", "99999999h"]
)
def test_what_is_no_duration_is_refused_with_the_way_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"write it like 30m|longer than 292 years"):
        parse_duration_s(text)


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(0, 10_000), st.integers(0, 10_000))
def test_parts_add_up(hours: int, minutes: int, seconds: int, millis: int) -> None:
    total = hours * 3600 + minutes * 60 + seconds + millis / 1000
    assert parse_duration_s(f"{hours}h{minutes}m{seconds}s{millis}ms") == pytest.approx(total)


@given(st.text(alphabet="0123456789.hmsunµ +-e", max_size=12) | st.text(max_size=12))
def test_any_text_is_a_bounded_duration_or_a_value_error(text: str) -> None:
    try:
        seconds = parse_duration_s(text)
    except ValueError:
        return
    assert 0 <= seconds <= LONGEST_S


class Timeouts(BaseModel):
    install_s: DurationS


@pytest.mark.parametrize(("given_value", "seconds"), [("30m", 1800.0), (90, 90.0), ("90", 90.0), (0.5, 0.5)])
def test_a_field_takes_text_in_units_and_numbers_as_seconds(given_value: object, seconds: float) -> None:
    assert Timeouts.model_validate({"install_s": given_value}).install_s == seconds


def test_a_field_refuses_text_that_is_no_duration() -> None:
    with pytest.raises(ValidationError, match="write it like 30m"):
        Timeouts.model_validate({"install_s": "half an hour"})
