"""Measured speeds, which outrank the roofline for the same checkpoint, cards, engine and split."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from modelscan_catalog.fit.speed import Band
from modelscan_catalog.fit.tables import REGISTRY

COMMITTED = "fit/measured_speeds.jsonl"
"""Below `registry/`; one measured load a line, absent where nobody has measured."""
MOST_OVER_ESTIMATE = 1.5
"""A figure further above the fast end of the roofline is of something else than is said."""
_Key = tuple[str, str, str, int, int]


@dataclass(frozen=True, slots=True)
class MeasuredSpeed:
    """Bands of 10th, 50th and 90th percentile; the basis names the day and the number of requests."""

    decode_tok_s: Band | None
    """One request alone."""
    throughput_tok_s: Band | None
    """Of the load that gave the most."""


_MORE: ContextVar[Mapping[_Key, MeasuredSpeed] | None] = ContextVar("measured speeds", default=None)


def measured_speed(checkpoint: str, gpu: str, engine: str, tp: int, pp: int) -> MeasuredSpeed | None:
    """What was measured of a checkpoint's id on cards of a profile's id; None where nobody has."""
    key = (checkpoint, gpu, engine, tp, pp)
    more = _MORE.get()
    return (more or {}).get(key) or _committed().get(key)


@contextmanager
def measured(rows: Iterable[Mapping[str, Any]]) -> Iterator[None]:
    """Within the block these rows (fields of `state.Benchmark`) outrank estimates and committed figures."""
    token = _MORE.set({**(_MORE.get() or {}), **speeds_of(rows)})
    try:
        yield
    finally:
        _MORE.reset(token)


def speeds_of(rows: Iterable[Mapping[str, Any]]) -> dict[_Key, MeasuredSpeed]:
    """The newest measurement of each key; rows that do not say what they measured are passed over."""
    newest: dict[_Key, list[Mapping[str, Any]]] = {}
    for row in rows:
        if not all(row.get(name) for name in ("checkpoint", "gpu", "engine", "tensor_parallel")):
            continue
        key = (
            row["checkpoint"],
            row["gpu"],
            row["engine"],
            row["tensor_parallel"],
            row["pipeline_parallel"] or 1,
        )
        kept = newest.setdefault(key, [])
        if kept and kept[0]["measured_at"] < row["measured_at"]:
            kept.clear()
        if not kept or kept[0]["measured_at"] == row["measured_at"]:
            kept.append(row)
    return {key: MeasuredSpeed(_decode(kept), _throughput(kept)) for key, kept in newest.items()}


def better_known(single: Band, many: Band, seen: MeasuredSpeed | None) -> tuple[Band | None, Band | None]:
    """Measured bands of one and of many requests, else the estimates; None where neither is known.

    A measurement of which one band is out of the cards' reach is passed over as a whole.
    """
    estimates = (single, many)
    bands = (seen.decode_tok_s, seen.throughput_tok_s) if seen is not None else (None, None)
    for estimate, band in zip(estimates, bands, strict=True):
        if band is not None and estimate.known and band.point > estimate.high * MOST_OVER_ESTIMATE:
            bands = (None, None)
            break
    first, second = (
        band or (estimate if estimate.known else None)
        for estimate, band in zip(estimates, bands, strict=True)
    )
    return first, second


def _decode(rows: Iterable[Mapping[str, Any]]) -> Band | None:
    for row in rows:
        gaps = (row["itl_p90_s"], row["itl_p50_s"], row["itl_p10_s"])
        if row["concurrency"] == 1 and all(gaps):
            return Band(1 / gaps[0], 1 / gaps[1], 1 / gaps[2], _basis(row))
    return None


def _throughput(rows: Iterable[Mapping[str, Any]]) -> Band | None:
    known = [row for row in rows if row["throughput_tok_s"]]
    if not known:
        return None
    best = max(known, key=lambda row: row["throughput_tok_s"])
    point = best["throughput_tok_s"]
    low, high = best["throughput_low_tok_s"] or point, best["throughput_high_tok_s"] or point
    return Band(min(low, point), point, max(high, point), _basis(best))


def _basis(row: Mapping[str, Any]) -> str:
    sample = row["requests"] - row["failed"]
    at_once = "" if row["concurrency"] == 1 else f", {row['concurrency']} at once"
    return f"measured {row['measured_at'][:10]}, {sample} requests{at_once}"


@lru_cache(maxsize=1)
def _committed() -> Mapping[_Key, MeasuredSpeed]:
    path = REGISTRY / COMMITTED
    if not path.exists():
        return {}
    return speeds_of(json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip())
