"""What the router tells of itself: usage sums, keys without their secrets, and Prometheus metrics."""

import time
from collections.abc import Iterable, Iterator
from typing import Any

from modelscan_catalog.router.table import RouteTable, RuntimeState
from modelscan_catalog.router.usage import KeyRow, UsageStore

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


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
    """Every known key by prefix and hash, with its use and rest; never the key."""
    now = state.clock()
    return [
        {
            "provider": key.provider,
            "prefix": key.prefix,
            "sha256": key.id,
            "requests": key.requests,
            "tokens": key.tokens,
            "usage_score": round(key.usage_score, 3),
            "failures": key.failures,
            "degraded_for_s": round(key.resting_until - now, 1) if key.resting_until > now else None,
            "limited_models": sorted(name for name, until in key.limited_until.items() if until > now),
            "reason": key.rest_reason if key.resting_until > now else None,
        }
        for key in sorted(state.keys.values(), key=lambda key: (key.provider, key.id))
        if (provider is None or key.provider == provider) and key.provider in table.config.providers
    ]


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


def metrics(
    store: UsageStore, table: RouteTable, state: RuntimeState, in_flight: int, reload_ok: bool
) -> str:
    """The Prometheus text exposition; counters live as long as the usage store does."""
    rows = store.totals(("model", "target", "class", "outcome"))
    lines: list[str] = []
    for name, column, told in (
        ("upstream_calls_total", "requests", "Calls to upstreams."),
        ("prompt_tokens_total", "prompt_tokens", "Prompt tokens that upstreams told."),
        ("completion_tokens_total", "completion_tokens", "Answer tokens that upstreams told."),
        ("cost_usd_total", "cost_usd", "Cost of told tokens at known prices."),
    ):
        lines += _head(name, "counter", told)
        lines += [
            _sample(name, {part: row[part] for part in ("model", "target", "class", "outcome")}, row[column])
            for row in rows
        ]
    lines += _head("first_byte_seconds", "summary", "From the call to the first byte of its answer.")
    for row in store.totals(("class",)):
        for percent in (50, 95, 99):
            value = row[f"first_byte_p{percent}_ms"]
            if value is not None:
                labels = {"class": row["class"], "quantile": f"0.{percent}"}
                lines.append(_sample("first_byte_seconds", labels, value / 1000))
    now = state.clock()
    resting = sum(key.resting_until > now for key in state.keys.values())
    for name, value, told in (
        ("requests_in_flight", in_flight, "Client requests being served."),
        ("keys", len(state.keys), "Keys known."),
        ("keys_degraded", resting, "Keys that rest after an error."),
        ("targets_resting", len(state.health.resting()), "Targets passed over after failures."),
        ("models_usable", len(table.usable_models()), "Models with a callable provider."),
        ("config_is_newest", int(reload_ok), "0 while a bad new configuration is refused."),
        ("usage_store_ok", int(store.problem is None), "0 while usage waits in memory."),
        ("usage_lost_requests", store.lost_requests, "Calls that no longer fitted in memory."),
    ):
        lines += [*_head(name, "gauge", told), _sample(name, {}, value)]
    return "\n".join(lines) + "\n"


def _head(name: str, kind: str, told: str) -> list[str]:
    return [f"# HELP modelscan_router_{name} {told}", f"# TYPE modelscan_router_{name} {kind}"]


def _sample(name: str, labels: dict[str, str], value: float) -> str:
    inside = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
    return f"modelscan_router_{name}{{{inside}}} {value}" if inside else f"modelscan_router_{name} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
