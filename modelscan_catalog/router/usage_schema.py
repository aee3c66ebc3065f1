"""The tables of the usage store, how an older router's store is brought up to them, and what adds to them."""

import sqlite3

VERSION = 2
BUCKETS_PER_DOUBLING = 8
"""Latencies are kept to 2 ** (1/8), that is 9 percent, from a microsecond upwards."""

PRIMARY, CANARY, SHADOW, RESCUE = "primary", "canary", "shadow", "rescue"
"""Arms: what a split's model answered itself; what its canary answered; copies sent to its shadow; what
other targets answered after an arm had failed. Calls without a split are the primary's."""

_TABLES = """
CREATE TABLE IF NOT EXISTS usage (
  hour INTEGER, model TEXT, target TEXT, key TEXT, class TEXT, client TEXT, outcome TEXT, arm TEXT,
  requests INTEGER, prompt_tokens INTEGER, cached_tokens INTEGER, completion_tokens INTEGER,
  requests_without_tokens INTEGER, cost_usd REAL, requests_without_cost INTEGER,
  PRIMARY KEY (hour, model, target, key, class, client, outcome, arm)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS latency (
  hour INTEGER, model TEXT, target TEXT, key TEXT, class TEXT, arm TEXT, kind TEXT, bucket INTEGER,
  requests INTEGER, seconds REAL,
  PRIMARY KEY (hour, model, target, key, class, arm, kind, bucket)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS key_state (
  id TEXT PRIMARY KEY, prefix TEXT, provider TEXT, requests INTEGER, tokens INTEGER,
  resting_until REAL, rest_reason TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS health (
  target TEXT PRIMARY KEY, failures_in_row INTEGER, rests INTEGER, resting_until REAL,
  first_byte_s REAL, changed_at REAL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS arms (
  step INTEGER, route TEXT, arm TEXT, model TEXT, outcome TEXT,
  requests INTEGER, prompt_tokens INTEGER, cached_tokens INTEGER, completion_tokens INTEGER,
  requests_without_tokens INTEGER, cost_usd REAL, requests_without_cost INTEGER,
  PRIMARY KEY (route, arm, step, model, outcome)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS arm_latency (
  step INTEGER, route TEXT, arm TEXT, kind TEXT, bucket INTEGER, requests INTEGER,
  PRIMARY KEY (route, arm, step, kind, bucket)) WITHOUT ROWID;
"""
_FROM_1 = """
ALTER TABLE usage RENAME TO usage_1;
ALTER TABLE latency RENAME TO latency_1;
"""
_FILL_FROM_1 = """
INSERT INTO usage SELECT hour, model, target, key, class, client, outcome, 'primary', requests,
  prompt_tokens, cached_tokens, completion_tokens, requests_without_tokens, cost_usd, requests_without_cost
  FROM usage_1;
INSERT INTO latency SELECT hour, model, target, key, class, 'primary', kind, bucket, requests,
  requests * middle_s(bucket) FROM latency_1;
DROP TABLE usage_1;
DROP TABLE latency_1;
"""

_SUMS = """requests = requests + excluded.requests,
  prompt_tokens = prompt_tokens + excluded.prompt_tokens,
  cached_tokens = cached_tokens + excluded.cached_tokens,
  completion_tokens = completion_tokens + excluded.completion_tokens,
  requests_without_tokens = requests_without_tokens + excluded.requests_without_tokens,
  cost_usd = cost_usd + excluded.cost_usd,
  requests_without_cost = requests_without_cost + excluded.requests_without_cost
"""
ADD_USAGE = "INSERT INTO usage VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET " + _SUMS  # noqa: S608
ADD_LATENCY = """INSERT INTO latency VALUES (?,?,?,?,?,?,?,?,?,?)
ON CONFLICT DO UPDATE SET requests = requests + excluded.requests, seconds = seconds + excluded.seconds"""
ADD_ARMS = "INSERT INTO arms VALUES (?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET " + _SUMS  # noqa: S608
ADD_ARM_LATENCY = """INSERT INTO arm_latency VALUES (?,?,?,?,?,?)
ON CONFLICT DO UPDATE SET requests = requests + excluded.requests"""
PUT_HEALTH = "INSERT OR REPLACE INTO health VALUES (?,?,?,?,?,?)"
PUT_KEY = "INSERT OR REPLACE INTO key_state VALUES (?,?,?,?,?,?,?)"


def prepare(store: sqlite3.Connection) -> None:
    """Make the tables, or bring those of version 1 up to date, all or nothing; raises ``sqlite3.Error``."""
    store.execute("PRAGMA journal_mode=WAL")
    store.execute("PRAGMA synchronous=NORMAL")
    # Version 1 kept no sums of seconds: the middle of each bucket stands for its calls, to 5 percent.
    store.create_function("middle_s", 1, lambda bucket: 2 ** ((bucket + 0.5) / BUCKETS_PER_DOUBLING) / 1e6)
    store.execute("BEGIN IMMEDIATE")
    version = store.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise sqlite3.DatabaseError(f"a newer router made it (version {version}, this one knows {VERSION})")
    older = store.execute("SELECT 1 FROM sqlite_master WHERE name = 'usage'").fetchone() is not None
    script = _TABLES
    if older and version < VERSION:
        script = _FROM_1 + _TABLES + _FILL_FROM_1
    for statement in script.split(";"):
        store.execute(statement)
    store.execute(f"PRAGMA user_version = {VERSION}")
    store.execute("COMMIT")
