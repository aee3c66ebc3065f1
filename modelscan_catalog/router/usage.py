"""Usage of the router in SQLite, written by a thread of its own: sums and histograms, never a prompt.

The request path adds to sums in memory. Every ``FLUSH_INTERVAL_S`` the thread takes them and stores them in
one transaction, so a crash loses less than a second; ``close`` stores the rest. While the disk
refuses, sums wait in memory, up to a bound, and ``problem`` says why.
"""

import logging
import math
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.router.usage_schema import (
    ADD_ARM_LATENCY,
    ADD_ARMS,
    ADD_LATENCY,
    ADD_USAGE,
    BUCKETS_PER_DOUBLING,
    PRIMARY,
    PUT_HEALTH,
    PUT_KEY,
    SHADOW,
    prepare,
)

LOGGER = logging.getLogger("modelscan.router")

FLUSH_INTERVAL_S = 0.5
_MAX_WAITING_ROWS = 50_000
ARM_STEP_S = 10
"""Calls under a split are summed up by this, so that minutes of a trial can be looked at."""


Group = tuple[str, str, str, str, str, str, str, str]
"""What sums are kept by: model, target, key, query class, client, outcome, arm, split."""


class Record(NamedTuple):
    """One request, as the request path tells it. ``None`` where the upstream did not say."""

    model: str
    target: str
    key: str
    query_class: str
    client: str
    outcome: str
    first_byte_s: float | None
    total_s: float
    prompt_tokens: int | None
    cached_tokens: int
    completion_tokens: int | None
    cost_usd: float | None
    arm: str = PRIMARY
    split: str = ""
    """The model that was split; empty without a split."""


class KeyRow(NamedTuple):
    """The stored state of one key; ``resting_until`` is wall time."""

    id: str
    prefix: str
    provider: str
    requests: int
    tokens: int
    resting_until: float
    rest_reason: str | None


class HealthRow(NamedTuple):
    """The stored health of one target; ``resting_until`` and ``changed_at`` are wall time."""

    target: str
    failures_in_row: int
    rests: int
    resting_until: float
    first_byte_s: float | None
    changed_at: float


class UsageStore:
    """The usage of one router in one SQLite file, or in memory without one."""

    def __init__(
        self,
        path: Path | None,
        keys: Callable[[], Iterable[KeyRow]] = tuple,
        health: Callable[[], Iterable[HealthRow]] = tuple,
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._health = health
        self._wall = wall
        self._new: dict[Group, _Sums] = {}
        self._new_lock = threading.Lock()
        self._usage: dict[tuple[Any, ...], list[float]] = {}
        self._latency: dict[tuple[Any, ...], list[float]] = {}
        self._arms: dict[tuple[Any, ...], list[float]] = {}
        self._arm_latency: dict[tuple[Any, ...], list[float]] = {}
        self._key_rows: dict[str, KeyRow] = {}
        self._health_rows: dict[str, HealthRow] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.problem: str | None = None
        self.lost_requests = 0
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._store = sqlite3.connect(
                path or ":memory:", check_same_thread=False, isolation_level=None, timeout=1.0
            )
            prepare(self._store)
        except (sqlite3.Error, OSError) as error:
            raise SettingsError(f"{path}: cannot hold the router's usage: {error}") from error

    def record(self, record: Record) -> None:
        """Add one request to the sums of its like."""
        prompt, cached, completion, cost_usd = record[8:12]
        counts = None if prompt is None or completion is None else (prompt, cached, completion)
        self.add(record[:6] + record[12:], record.first_byte_s, record.total_s, counts, cost_usd)

    def add(
        self,
        group: Group,
        first_byte_s: float | None,
        total_s: float,
        counts: tuple[int, int, int] | None,
        cost_usd: float | None,
    ) -> None:
        """What ``record`` does: microseconds, and nothing is left to do for each request.

        ``counts`` are prompt, cached and completion tokens.
        """
        with self._new_lock:
            sums = self._new.get(group)
            if sums is None:
                if len(self._new) >= _MAX_WAITING_ROWS:
                    self.lost_requests += 1
                    return
                sums = self._new[group] = _Sums()
            sums.requests += 1
            if counts is None:
                sums.without_tokens += 1
            else:
                prompt, cached, completion = counts
                sums.prompt_tokens += prompt
                sums.cached_tokens += cached
                sums.completion_tokens += completion
            if cost_usd is None:
                sums.without_cost += 1
            else:
                sums.cost_usd += cost_usd
            if first_byte_s is not None:
                sums.first_byte.append(first_byte_s)
            sums.total.append(total_s)

    def start(self) -> None:
        """Begin to store in the background."""
        self._thread = threading.Thread(target=self._run, name="usage", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Store what is left and close."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self.flush()
        self._store.close()
        self._keys = tuple  # FastAPI remembers the endpoints of former applications, they this, this a router

    def stored_keys(self) -> list[KeyRow]:
        """The state of keys as last stored."""
        with self._lock:
            rows = self._store.execute(
                "SELECT id, prefix, provider, requests, tokens, resting_until, rest_reason FROM key_state"
            ).fetchall()
        return [KeyRow(*row) for row in rows]

    def stored_health(self) -> list[HealthRow]:
        """The health of targets as last stored."""
        with self._lock:
            rows = self._store.execute(
                "SELECT target, failures_in_row, rests, resting_until, first_byte_s, changed_at FROM health"
            ).fetchall()
        return [HealthRow(*row) for row in rows]

    def flush(self) -> None:
        """Store what has been recorded; on failure it stays in memory and ``problem`` says why."""
        with self._lock:
            with self._new_lock:
                new, self._new = self._new, {}
            if new:
                now = self._wall()
                for group, sums in new.items():
                    self._add(now, group, sums)
            self._key_rows |= {row.id: row for row in self._keys()}
            self._health_rows |= {row.target: row for row in self._health()}
            if not self._usage and not self._key_rows and not self._health_rows:
                return
            try:
                self._store.execute("BEGIN IMMEDIATE")
                for statement, rows in (
                    (ADD_USAGE, self._usage),
                    (ADD_LATENCY, self._latency),
                    (ADD_ARMS, self._arms),
                    (ADD_ARM_LATENCY, self._arm_latency),
                ):
                    self._store.executemany(statement, [(*key, *values) for key, values in rows.items()])
                self._store.executemany(PUT_KEY, self._key_rows.values())
                self._store.executemany(PUT_HEALTH, self._health_rows.values())
                self._store.execute("COMMIT")
            except sqlite3.Error as error:
                if self._store.in_transaction:
                    self._store.execute("ROLLBACK")
                if self.problem is None:
                    LOGGER.error("usage is not stored, it waits in memory: %s", error)
                self.problem = str(error)
                return
            self._usage, self._latency, self._key_rows = {}, {}, {}
            self._arms, self._arm_latency, self._health_rows = {}, {}, {}
            self.problem = None

    def _add(self, now: float, group: Group, new: "_Sums") -> None:
        model, target, key, query_class, client, outcome, arm, split = group
        hour = (int(now // 3600 * 3600), model, target, key, query_class)
        row = (*hour, client, outcome, arm)
        if len(self._usage) >= _MAX_WAITING_ROWS and row not in self._usage:
            self.lost_requests += new.requests
            return
        told = new.told()
        _sum_up(self._usage, row, told)
        step = (int(now // ARM_STEP_S * ARM_STEP_S), split, arm)
        if split:
            _sum_up(self._arms, (*step, model, outcome), told)
        for kind, latencies in (("first_byte", new.first_byte), ("total", new.total)):
            for bucket, counted in _histogram(latencies).items():
                _sum_up(self._latency, (*hour, arm, kind, bucket), counted)
                if split and outcome == "ok":
                    _sum_up(self._arm_latency, (*step, kind, bucket), counted[:1])

    def _run(self) -> None:
        while not self._stop.wait(FLUSH_INTERVAL_S):
            self.flush()

    def totals(
        self, by: tuple[str, ...], where: Mapping[str, str] | None = None, *, shadow: bool = True
    ) -> list[dict[str, Any]]:
        """Sums and latency percentiles over all time, one row for each combination of the columns ``by``.

        Without ``shadow``, mirrored calls, which answered nobody, are left out.
        """
        self.flush()
        condition, values = _where(where or {}, shadow=shadow)
        columns = ", ".join(by)
        with self._lock:
            rows = self._store.execute(
                f"SELECT {columns}, SUM(requests), SUM(CASE WHEN outcome = 'ok' THEN requests ELSE 0 END),"  # noqa: S608
                " SUM(prompt_tokens), SUM(cached_tokens), SUM(completion_tokens),"
                " SUM(requests_without_tokens), SUM(cost_usd), SUM(requests_without_cost)"
                f" FROM usage{condition} GROUP BY {columns} ORDER BY {columns}",
                values,
            ).fetchall()
            shared = [name for name in by if name not in ("client", "outcome")]
            histograms: dict[tuple[Any, ...], dict[str, dict[int, int]]] = {}
            grouped = ", ".join([*shared, "kind", "bucket"])
            for *group, kind, bucket, count in self._store.execute(
                f"SELECT {grouped}, SUM(requests) FROM latency{condition} GROUP BY {grouped}",  # noqa: S608
                values,
            ):
                histograms.setdefault(tuple(group), {}).setdefault(kind, {})[bucket] = count
        found = []
        for row in rows:
            group = dict(zip(by, row, strict=False))
            requests, right, prompt, cached, completion, unknown, cost, unpriced = row[len(by) :]
            latency = histograms.get(tuple(group[name] for name in shared), {})
            found.append(
                {
                    **group,
                    "requests": requests,
                    "success_rate": round(right / requests, 4),
                    "prompt_tokens": prompt,
                    "cached_tokens": cached,
                    "completion_tokens": completion,
                    "requests_without_tokens": unknown,
                    "cost_usd": round(cost, 9),
                    "requests_without_cost": unpriced,
                    **{
                        f"{kind}_p{percent}_ms": percentile_ms(latency.get(kind, {}), percent)
                        for kind in ("first_byte", "total")
                        for percent in (50, 95, 99)
                    },
                }
            )
        return found

    def histograms(self, by: tuple[str, ...]) -> dict[tuple[Any, ...], dict[int, tuple[int, float]]]:
        """Calls and seconds by latency bucket, for each combination of the columns ``by`` of ``latency``."""
        columns = ", ".join(by)
        found: dict[tuple[Any, ...], dict[int, tuple[int, float]]] = {}
        with self._lock:
            for *group, bucket, count, seconds in self._store.execute(
                f"SELECT {columns}, bucket, SUM(requests), SUM(seconds) FROM latency"  # noqa: S608
                f" GROUP BY {columns}, bucket ORDER BY {columns}"
            ):
                found.setdefault(tuple(group), {})[bucket] = (count, seconds)
        return found


class _Sums:
    """What has come in of one kind since it was last stored; latencies one by one, in seconds."""

    __slots__ = (
        "cached_tokens",
        "completion_tokens",
        "cost_usd",
        "first_byte",
        "prompt_tokens",
        "requests",
        "total",
        "without_cost",
        "without_tokens",
    )

    def __init__(self) -> None:
        self.requests = self.without_tokens = self.without_cost = 0
        self.prompt_tokens = self.cached_tokens = self.completion_tokens = 0
        self.cost_usd = 0.0
        self.first_byte: list[float] = []
        self.total: list[float] = []

    def told(self) -> tuple[float, ...]:
        """The sums in the order of the tables' columns."""
        return (
            self.requests,
            self.prompt_tokens,
            self.cached_tokens,
            self.completion_tokens,
            self.without_tokens,
            self.cost_usd,
            self.without_cost,
        )


def _sum_up(rows: dict[tuple[Any, ...], list[float]], key: tuple[Any, ...], more: Sequence[float]) -> None:
    known = rows.get(key)
    if known is None:
        rows[key] = [*more]
    else:
        for at, value in enumerate(more):
            known[at] += value


def _histogram(latencies: Iterable[float]) -> dict[int, list[float]]:
    """Requests and seconds by bucket."""
    found: dict[int, list[float]] = {}
    for seconds in latencies:
        bucket = latency_bucket(seconds)
        counted = found.get(bucket)
        if counted is None:
            found[bucket] = [1, seconds]
        else:
            counted[0] += 1
            counted[1] += seconds
    return found


def latency_bucket(seconds: float) -> int:
    """The histogram bucket of a latency: eighths of a doubling, from a microsecond upwards."""
    return math.floor(math.log2(max(seconds, 1e-6) * 1e6) * BUCKETS_PER_DOUBLING)


def percentile_ms(histogram: Mapping[int, int], percent: float) -> float | None:
    """The upper edge of the bucket that holds the percentile, in milliseconds; null without requests."""
    left = math.ceil(sum(histogram.values()) * percent / 100)
    for bucket, count in sorted(histogram.items()):
        left -= count
        if left <= 0:
            return float(f"{2 ** ((bucket + 1) / BUCKETS_PER_DOUBLING) / 1000:.3g}")
    return None


def _where(where: Mapping[str, str], *, shadow: bool) -> tuple[str, list[str]]:
    conditions = [f"{name} = ?" for name in where] + ([] if shadow else [f"arm <> '{SHADOW}'"])
    return f" WHERE {' AND '.join(conditions)}" if conditions else "", [*where.values()]
