"""What the router tells of itself: usage sums, and keys without their secrets."""

import math
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from modelscan_catalog.router.config import KeyLimits
from modelscan_catalog.router.keys import Window
from modelscan_catalog.router.runtime import RuntimeState
from modelscan_catalog.router.table import RouteTable
from modelscan_catalog.router.usage import HealthRow, KeyRow, UsageStore


def stats(store: UsageStore, model: str | None) -> dict[str, Any]:
    """Usage of all models, or of one: by model, target, class and key, with percentiles."""
    where = {"model": model} if model else None
    return {
        "since": "the usage store was made",
        "counts": "upstream calls: a request that fell back counts once a target",
        "models": store.totals(("model",), where, shadow=False),
        "targets": store.totals(("model", "target"), where, shadow=False),
        "classes": store.totals(("class",), where, shadow=False),
        "keys": store.totals(("key",), where),
        "outcomes": store.totals(("outcome",), where, shadow=False),
        "arms": store.totals(("model", "arm"), where),
        "clients": len(store.totals(("client",), where)),
        "problem": store.problem,
    }


def key_list(table: RouteTable, state: RuntimeState, provider: str | None) -> list[dict[str, Any]]:
    """Every known key by prefix and hash, with its use and rest; never the key.

    ``last_minute`` and ``last_day`` are null for keys without limits, which nobody counts by time.
    """
    now = state.clock()
    limited = {one.name for one in table.config.routing.direct.providers if one.key_limits != KeyLimits()}
    return [
        {
            "provider": key.provider,
            "prefix": key.prefix,
            "sha256": key.id,
            "requests": key.requests,
            "tokens": key.tokens,
            "usage_score": round(key.usage_score, 3),
            "failures": key.failures,
            "last_minute": _in_window(key.minute, now) if key.provider in limited else None,
            "last_day": _in_window(key.day, now) if key.provider in limited else None,
            "degraded_for_s": round(key.resting_until - now, 1) if key.resting_until > now else None,
            "degraded_until": _wall_time(key.resting_until - now) if key.resting_until > now else None,
            "limited_models": sorted(name for name, until in key.limited_until.items() if until > now),
            "learned_requests_per_minute": {
                name: round(allowed, 1)
                for name, learned in sorted(key.learned.items())
                if (allowed := learned.allowed(now)) < math.inf
            },
            "reason": key.rest_reason if key.resting_until > now else None,
        }
        for key in sorted(state.keys.values(), key=lambda key: (key.provider, key.id))
        if (provider is None or key.provider == provider) and key.provider in table.config.providers
    ]


def target_list(table: RouteTable, state: RuntimeState, provider: str | None) -> list[dict[str, Any]]:
    """Every target that was asked or probed: its rest, failures in a row, smoothed time to the first byte."""
    now = state.clock()
    models: dict[str, list[str]] = {}
    for route in table.routes():
        if provider is None or route.provider.name == provider:
            models.setdefault(route.name, []).append(route.model.id)
    return [
        {
            "target": name,
            "models": sorted(set(models[name])),
            "status": "resting"
            if health.resting_until > now
            else "failing"
            if health.failures_in_row
            else "ok",
            "resting_for_s": round(health.resting_until - now, 1) if health.resting_until > now else None,
            "failures_in_row": health.failures_in_row,
            "first_byte_ms": None if health.first_byte_s is None else round(health.first_byte_s * 1e3, 1),
            "probe_answered": health.probed,
        }
        for name, health in state.health.targets().items()
        if name in models
    ]


def changed_health(state: RuntimeState) -> Iterator[HealthRow]:
    """Targets whose health has changed since they were last asked for, with wall times."""
    now, wall = state.clock(), time.time()
    for name, health in state.health.take_changed():
        until = wall + health.resting_until - now if health.resting_until > now else 0.0
        yield HealthRow(name, health.failures_in_row, health.rests, until, health.first_byte_s, wall)


def restore_health(state: RuntimeState, rows: Iterable[HealthRow], longest_rest_s: float) -> None:
    """Take over what was stored of targets; a clock that jumped rests none for longer than allowed."""
    for row in rows:
        health = state.health.of(row.target)
        health.failures_in_row, health.rests = row.failures_in_row, row.rests
        health.first_byte_s = row.first_byte_s
        left_s = min(row.resting_until - time.time(), longest_rest_s)
        if left_s > 0:
            state.health.rest(health, left_s)


def _in_window(window: Window, now: float) -> dict[str, int]:
    window.forget(now)
    return {"requests": window.requests, "tokens": window.tokens}


def _wall_time(in_s: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=in_s)).isoformat(timespec="seconds")


def changed_keys(state: RuntimeState) -> Iterator[KeyRow]:
    """Keys whose state has changed since they were last asked for, with wall times."""
    for key in list(state.keys.values()):
        if key.changed:
            key.changed = False
            left_s = key.resting_until - state.clock()
            until = time.time() + left_s if left_s > 0 else 0.0
            yield KeyRow(key.id, key.prefix, key.provider, key.requests, key.tokens, until, key.rest_reason)


def restore_keys(state: RuntimeState, rows: Iterable[KeyRow], longest_rest_s: float) -> None:
    """Take over what was stored of known keys.

    A clock that jumped cannot keep a key out for longer than ``longest_rest_s``.
    """
    for row in rows:
        key = state.keys.get(row.id)
        if key is None:
            continue
        key.requests, key.tokens = row.requests, row.tokens
        left_s = min(row.resting_until - time.time(), longest_rest_s)
        if left_s > 0:
            key.resting_until, key.rest_reason = state.clock() + left_s, row.rest_reason
