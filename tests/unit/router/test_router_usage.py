"""The usage store: sums that survive, percentiles within nine percent, trouble that is told and mended."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.router import usage
from modelscan_catalog.router.usage import KeyRow, Record, UsageStore, latency_bucket, percentile_ms


def call(model="m", outcome="ok", **changes):
    fields = {
        "target": "p/m",
        "key": "k",
        "query_class": "simple",
        "client": "c",
        "first_byte_s": 0.1,
        "total_s": 0.2,
        "prompt_tokens": 10,
        "cached_tokens": 4,
        "completion_tokens": 5,
        "cost_usd": 0.001,
    }
    return Record(model=model, outcome=outcome, **fields | changes)


def test_given_calls_when_summed_then_unknown_tokens_and_costs_are_counted_apart():
    store = UsageStore(None)
    store.record(call())
    store.record(
        call(
            outcome="status_500", first_byte_s=None, prompt_tokens=None, completion_tokens=None, cost_usd=None
        )
    )
    [row] = store.totals(("model",))
    assert row | {"first_byte_p50_ms": 0, "total_p99_ms": 0} == {
        "model": "m",
        "requests": 2,
        "success_rate": 0.5,
        "prompt_tokens": 10,
        "cached_tokens": 4,
        "completion_tokens": 5,
        "requests_without_tokens": 1,
        "cost_usd": 0.001,
        "requests_without_cost": 1,
        "first_byte_p50_ms": 0,
        "first_byte_p95_ms": row["first_byte_p95_ms"],
        "first_byte_p99_ms": row["first_byte_p99_ms"],
        "total_p50_ms": row["total_p50_ms"],
        "total_p95_ms": row["total_p95_ms"],
        "total_p99_ms": 0,
    }
    assert row["first_byte_p50_ms"] == pytest.approx(100, rel=0.1)
    assert [r["requests"] for r in store.totals(("outcome",))] == [1, 1]
    assert store.totals(("model",), {"model": "other"}) == []


def test_given_a_store_when_opened_again_then_sums_and_keys_are_still_there(tmp_path):
    path = tmp_path / "deep" / "usage.sqlite"
    for _ in range(2):
        store = UsageStore(path, lambda: [KeyRow("id", "sk-", "p", 3, 4, 5.0, "why")])
        store.start()
        store.record(call())
        store.close()
    again = UsageStore(path)
    assert again.totals(("model",))[0]["requests"] == 2
    assert again.stored_keys() == [KeyRow("id", "sk-", "p", 3, 4, 5.0, "why")]


def test_given_a_disk_that_refuses_when_flushed_then_sums_wait_and_are_stored_later(tmp_path, caplog):
    path = tmp_path / "usage.sqlite"
    store = UsageStore(path)
    store.record(call())
    store.flush()
    pages = store._store.execute("PRAGMA page_count").fetchone()[0]
    store._store.execute(f"PRAGMA max_page_count = {pages}")
    for number in range(400):
        store.record(call(model=f"model-{number}"))
    store.flush()
    assert "full" in store.problem
    assert "waits in memory" in caplog.text
    store._store.execute("PRAGMA max_page_count = 100000")
    store.flush()
    assert store.problem is None
    assert len(store.totals(("model",))) == 401


def test_given_a_disk_that_refuses_for_long_when_memory_is_full_then_the_loss_is_counted(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(usage, "_MAX_WAITING_ROWS", 5)
    store = UsageStore(tmp_path / "usage.sqlite")
    for number in range(8):
        store.record(call(model=f"model-{number}"))
    store.flush()
    assert store.lost_requests == 3
    assert len(store.totals(("model",))) == 5


def test_given_a_file_that_is_no_database_when_opened_then_it_is_told(tmp_path):
    path = tmp_path / "usage.sqlite"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(SettingsError, match="cannot hold the router's usage"):
        UsageStore(path)


def test_given_a_clock_that_jumps_back_when_stored_then_nothing_is_lost(tmp_path):
    times = iter([10_000.0, 2_000.0, 9e9])
    store = UsageStore(tmp_path / "usage.sqlite", wall=lambda: next(times))
    for _ in range(3):
        store.record(call())
        store.flush()
    assert store.totals(("model",))[0]["requests"] == 3


def test_given_the_store_when_read_as_a_file_then_no_column_could_hold_a_prompt(tmp_path):
    path = tmp_path / "usage.sqlite"
    UsageStore(path).close()
    with sqlite3.connect(path) as store:
        columns = {
            row[1]
            for table in ("usage", "latency", "key_state", "arms", "arm_latency")
            for row in store.execute(f"PRAGMA table_info({table})")
        }
    assert columns == {
        *("hour", "model", "target", "key", "class", "client", "outcome", "requests", "prompt_tokens"),
        *(
            "cached_tokens",
            "completion_tokens",
            "requests_without_tokens",
            "cost_usd",
            "requests_without_cost",
        ),
        *("arm", "step", "route", "seconds"),
        *("kind", "bucket", "id", "prefix", "provider", "tokens", "resting_until", "rest_reason"),
    }


@given(st.lists(st.floats(1e-6, 1000), min_size=1, max_size=50), st.sampled_from([50, 95, 99]))
def test_given_any_latencies_when_summed_up_then_a_percentile_is_at_most_ten_percent_high(latencies, percent):
    histogram = {}
    for seconds in latencies:
        histogram[latency_bucket(seconds)] = histogram.get(latency_bucket(seconds), 0) + 1
    exact = sorted(latencies)[-(-len(latencies) * percent // 100) - 1] * 1000
    assert exact * 0.994 <= percentile_ms(histogram, percent) <= exact * 1.1


VERSION_1 = """
CREATE TABLE usage (
  hour INTEGER, model TEXT, target TEXT, key TEXT, class TEXT, client TEXT, outcome TEXT,
  requests INTEGER, prompt_tokens INTEGER, cached_tokens INTEGER, completion_tokens INTEGER,
  requests_without_tokens INTEGER, cost_usd REAL, requests_without_cost INTEGER,
  PRIMARY KEY (hour, model, target, key, class, client, outcome)) WITHOUT ROWID;
CREATE TABLE latency (
  hour INTEGER, model TEXT, target TEXT, key TEXT, class TEXT, kind TEXT, bucket INTEGER, requests INTEGER,
  PRIMARY KEY (hour, model, target, key, class, kind, bucket)) WITHOUT ROWID;
CREATE TABLE key_state (
  id TEXT PRIMARY KEY, prefix TEXT, provider TEXT, requests INTEGER, tokens INTEGER,
  resting_until REAL, rest_reason TEXT) WITHOUT ROWID;
INSERT INTO usage VALUES (3600, 'm', 'p/m', 'k', 'simple', 'c', 'ok', 3, 30, 0, 6, 0, 0.5, 0);
INSERT INTO latency VALUES (3600, 'm', 'p/m', 'k', 'simple', 'total', 130, 3);
"""


def test_given_the_store_of_an_older_router_when_opened_then_its_calls_are_kept_as_the_primarys(tmp_path):
    path = tmp_path / "usage.sqlite"
    with sqlite3.connect(path) as old:
        old.executescript(VERSION_1)
    old.close()
    for _ in range(2):
        store = UsageStore(path, wall=lambda: 3700.0)
        store.record(call())
        [row] = store.totals(("model", "arm"))
        seen = store.histograms(("kind",))
        store.close()
        [total] = [found for (kind,), found in seen.items() if kind == "total"]
    assert (row["arm"], row["requests"], row["cost_usd"]) == ("primary", 5, 0.502)
    assert sum(seconds for _, seconds in total.values()) == pytest.approx(3 * 0.081 + 2 * 0.2, rel=0.05)


def test_given_the_store_of_a_newer_router_when_opened_then_it_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "usage.sqlite"
    UsageStore(path).close()
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(SettingsError, match="a newer router made it"):
        UsageStore(path)
