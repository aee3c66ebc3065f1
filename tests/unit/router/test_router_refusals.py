"""What refusals mean: the words of each seller, and when to come back, in every way that it is told."""

import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.router.refusals import (
    is_context_overflow,
    is_out_of_funds,
    retry_after_s,
    spent_for_s,
)


def refused(message, **more):
    return json.dumps({"error": {"message": message, **more}}).encode()


@pytest.mark.parametrize(
    "body",
    [
        refused("too many", code="context_length_exceeded"),
        refused("This model's maximum context length is 8192 tokens. However, you asked for 9000"),
        refused("prompt is too long: 214850 tokens > 200000 maximum"),
        refused("input length and `max_tokens` exceed context limit: 199999 + 8192 > 200000"),
        refused("The input (250000 tokens) is longer than the model's context length (200000 tokens)."),
        refused("The decoder prompt (length 9) is longer than the maximum model length of 8."),
        refused("the request exceeds the available context size, try increasing it", code=400),
        refused("This model's maximum prompt length is 131072 but the request contains 537812 tokens"),
        refused("Please reduce the length of the messages or completion."),
    ],
)
def test_given_a_prompt_that_is_too_long_when_an_upstream_says_so_in_its_words_then_it_is_understood(body):
    assert is_context_overflow(body)
    assert not is_out_of_funds(body)


@pytest.mark.parametrize("text", ["max_tokens is too large", "unknown parameter: context", "", "\0\xff"])
def test_given_another_refusal_when_read_then_it_is_no_overflow_and_no_matter_of_money(text):
    assert not is_context_overflow(refused(text))
    assert not is_out_of_funds(refused(text))


@pytest.mark.parametrize(
    "body",
    [
        refused("You exceeded your current quota", code="insufficient_quota"),
        refused("Your credit balance is too low to access the Anthropic API."),
        refused("Insufficient Balance"),
    ],
)
def test_given_an_empty_account_when_an_upstream_says_so_then_it_is_understood(body):
    assert is_out_of_funds(body)


def test_given_a_time_to_come_back_when_told_in_any_way_then_it_is_in_seconds():
    assert retry_after_s({b"retry-after": b"7"}) == 7
    assert retry_after_s({b"retry-after": b"0.5"}) == 0.5
    assert retry_after_s({b"retry-after": b"9", b"retry-after-ms": b"250"}) == 0.25
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True).encode()
    assert retry_after_s({b"retry-after": date}) == pytest.approx(100, abs=30)
    assert retry_after_s({b"retry-after": b"999999"}) == 3600


@given(st.binary(max_size=30))
def test_given_any_nonsense_when_read_then_it_is_null_or_at_most_an_hour(told):
    spent = {b"x-ratelimit-remaining-requests": b"0", b"x-ratelimit-reset-requests": told}
    for seconds in (retry_after_s({b"retry-after": told}), spent_for_s(spent, "openai")):
        assert seconds is None or 0 < seconds <= 3600


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [(b"6m0s", 360), (b"20ms", 0.02), (b"2m59.56s", 179.56), (b"12", 12), (b"1h2m", 3600), (b"soon", None)],
)
def test_given_that_nothing_is_left_when_openai_says_until_when_then_that_long(reset, seconds):
    told = {b"x-ratelimit-remaining-tokens": b"0", b"x-ratelimit-reset-tokens": reset}
    assert spent_for_s(told, "openai") == (None if seconds is None else pytest.approx(seconds))
    assert spent_for_s({**told, b"x-ratelimit-remaining-tokens": b"1"}, "openai") is None
    assert spent_for_s(told, "anthropic") is None


def test_given_that_nothing_is_left_when_told_as_a_time_then_until_then():
    then = (datetime.now(UTC) + timedelta(seconds=50)).isoformat(timespec="seconds").replace("+00:00", "Z")
    told = {
        b"anthropic-ratelimit-requests-remaining": b"0",
        b"anthropic-ratelimit-requests-reset": then.encode(),
    }
    assert spent_for_s(told, "anthropic") == pytest.approx(50, abs=30)
    epoch = {
        b"x-ratelimit-remaining-requests": b"0",
        b"x-ratelimit-reset-requests": b"%d" % (time.time() + 50),
    }
    assert spent_for_s(epoch, "openai") == pytest.approx(50, abs=30)
