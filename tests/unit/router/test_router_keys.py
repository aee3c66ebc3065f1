"""Keys: least used first, windows, rests that end, and no secret anywhere but in the key itself."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.router.config import KeyLimits, RouterProvider
from modelscan_catalog.router.keys import Key, KeyRing, KeyState, Window, key_id, key_prefix
from modelscan_catalog.router.runtime import RuntimeState


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def ring(count=3, selection="least_used", clock=None, **limits):
    keys = [Key(f"sk-secret-{i}", KeyState(key_id(f"sk-secret-{i}"), f"sk-{i}", "p")) for i in range(count)]
    return KeyRing(keys, selection, KeyLimits(**limits), clock or Clock()), keys


def test_given_equal_keys_when_selected_then_the_one_used_longest_ago_is_taken():
    keys, _ = ring()
    assert [keys.select("m").secret[-1] for _ in range(6)] == ["0", "1", "2", "0", "1", "2"]


def test_given_a_thousand_tokens_when_selected_then_they_weigh_as_much_as_a_request():
    keys, (first, second) = ring(2)
    keys.select("m")
    keys.count_tokens(first.state, 2500)
    assert first.state.usage_score == 3.5
    assert [keys.select("m") for _ in range(3)] == [second, second, second]


def test_given_round_robin_when_selected_then_tokens_do_not_matter():
    keys, (first, *_) = ring(3, "round_robin")
    keys.count_tokens(first.state, 10**6)
    assert [keys.select("m").secret[-1] for _ in range(4)] == ["0", "1", "2", "0"]


def test_given_a_refused_key_when_15_minutes_pass_then_it_comes_back_by_itself():
    clock = Clock()
    keys, (only,) = ring(1, clock=clock)
    keys.rest(only.state, 900, "it was refused with 401")
    assert keys.select("m") is None
    assert keys.free_in_s("m") == 900
    clock.now += 899
    assert keys.select("m") is None
    clock.now += 2
    assert keys.select("m") is only
    assert only.state.rest_reason is None


def test_given_a_key_limited_for_one_model_when_selected_then_other_models_may_use_it():
    clock = Clock()
    keys, (only,) = ring(1, clock=clock)
    keys.limit(only.state, "big", 30)
    assert keys.select("big") is None
    assert keys.select("small") is only
    clock.now += 31
    assert keys.select("big") is only


@pytest.mark.parametrize(
    ("limits", "span_s"),
    [({"requests_per_minute": 2}, 60), ({"requests_per_day": 2}, 86_400), ({"tokens_per_minute": 10}, 60)],
)
def test_given_a_window_that_is_full_when_it_has_slid_on_then_the_key_is_free(limits, span_s):
    clock = Clock()
    keys, (only,) = ring(1, clock=clock, **limits)
    for _ in range(2):
        keys.count_tokens(keys.select("m").state, 5)
    assert keys.select("m") is None
    assert 0 < keys.free_in_s("m") <= span_s
    clock.now += span_s + 1
    assert keys.select("m") is only


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(0, 5), st.integers(0, 100)), max_size=60))
def test_given_any_history_when_forgotten_then_the_window_holds_its_span_to_one_step(steps):
    window, now, seen = Window(60.0), 0.0, []
    for pause, requests, tokens in steps:
        now += pause
        window.add(now, requests, tokens)
        seen.append((now, requests, tokens))
    window.forget(now)
    surely = [row for row in seen if row[0] > now - 60.0]
    perhaps = [row for row in seen if row[0] > now - 61.0]
    assert sum(row[1] for row in seen if row[0] > now - 59.0) <= window.requests
    assert window.requests <= sum(row[1] for row in perhaps)
    assert window.tokens <= sum(row[2] for row in perhaps)
    assert not surely or window.frees_at() >= now


def test_given_a_key_when_printed_then_its_secret_is_not_in_it():
    keys, (first, *_) = ring()
    assert "sk-secret" not in repr(first) + repr(keys.__dict__)
    assert first.state.id == hashlib.sha256(b"sk-secret-0").hexdigest()
    assert key_prefix("sk-1234567890123456789012345") == "sk-12345"
    assert key_prefix("short") == "s"


def test_given_more_than_a_hundred_keys_when_configured_then_they_are_refused():
    fields = {"name": "p", "type": "api", "base_url": "https://p.example"}
    assert len(RouterProvider(**fields, keys=[f"env:K{i}" for i in range(100)]).keys) == 100
    with pytest.raises(ValueError, match="at most 100 items"):
        RouterProvider(**fields, keys=[f"env:K{i}" for i in range(101)])


def test_given_a_day_when_it_has_passed_then_usage_scores_start_over_and_sums_do_not():
    clock = Clock()
    state = RuntimeState(clock)
    old, new = state.key("sk-old-0123456789", "p"), state.key("sk-new-0123456789", "p")
    keys = KeyRing([Key("sk-old", old), Key("sk-new", new)], "least_used", KeyLimits(), clock)
    old.requests, old.tokens = 5000, 10**6
    assert {keys.select("m").secret for _ in range(20)} == {"sk-new"}
    state.start_keys_over(86_400)
    assert old.usage_score > 0
    clock.now += 86_400
    state.start_keys_over(None)
    assert old.usage_score > 0
    state.start_keys_over(86_400)
    assert (old.usage_score, new.usage_score, old.requests) == (0, 0, 5000)
    assert {keys.select("m").secret for _ in range(4)} == {"sk-old", "sk-new"}


def sends(keys, clock, seconds, each_s):
    """How many requests a key takes in ``seconds``, one tried each ``each_s``."""
    taken = 0
    for _ in range(int(seconds / each_s)):
        clock.now += each_s
        taken += keys.select("m") is not None
    return taken


def test_given_429s_when_a_key_goes_on_then_it_is_sent_half_as_much_and_slowly_more_until_it_is_free_again():
    clock = Clock()
    keys, (only,) = ring(1, clock=clock)
    keys.refused(only.state, "m", 1.0)
    assert sends(keys, clock, 62, 0.5) > 100
    assert only.state.learned["m"].allowed(clock.now) == float("inf")
    keys.refused(only.state, "m", 1.0)
    halved = only.state.learned["m"].allowed(clock.now)
    assert halved == pytest.approx(60, abs=2)
    keys.refused(only.state, "m", 1.0)
    assert only.state.learned["m"].allowed(clock.now) == halved, "one burst of refusals counts once"
    sends(keys, clock, 60, 0.5)
    assert sends(keys, clock, 60, 0.5) == pytest.approx(66, abs=6)
    assert keys.select("other") is only, "another model of the key is not held back"
    sends(keys, clock, 3600, 10)
    assert only.state.learned == {}


@given(st.lists(st.floats(0, 30), max_size=60), st.floats(0.1, 20))
def test_given_any_refusals_when_learned_from_then_a_key_may_always_ask_once_a_minute(pauses, each_s):
    clock = Clock()
    keys, (only,) = ring(1, clock=clock)
    for pause in pauses:
        clock.now += pause
        if keys.select("m") is not None:
            keys.refused(only.state, "m", 0.5)
    assert sends(keys, clock, 180, each_s) >= 1
