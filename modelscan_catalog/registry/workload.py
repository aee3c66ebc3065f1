"""What is asked of models in a day, and the cards that are there: stated in a file, or seen by a router."""

import json
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.router.config import CLASSES, QueryClass
from modelscan_catalog.router.usage import percentile_ms
from modelscan_catalog.router.usage_table import read_usage

LEAST_MEASURED = 30
"""Requests from which on a 95th percentile of a seller's first token is believed."""
_DAY_S = 86_400


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ClassLoad(_Part):
    """The requests of one class, and what an answer to them must hold.

    Which models will do is said by ``models``, or by ``min_quality`` of the operator's own measurement
    in ``router.json``; what is not known does not hold a limit.
    """

    input_mtok_per_day: float = Field(default=0, ge=0)
    output_mtok_per_day: float = Field(default=0, ge=0)
    cached: float = Field(default=0, ge=0, le=1, description="share of the input that a cache holds")
    context: int | None = Field(default=None, gt=0, description="tokens of the longest request")
    models: tuple[str, ...] = ()
    min_quality: float | None = Field(default=None, ge=0, le=1)
    max_first_token_s: float | None = Field(default=None, gt=0, description="for 95 of 100 requests")


class Cards(_Part):
    """Cards of one kind; ``usd_per_hour`` is of one of them, by default its profile's."""

    gpu: str = Field(min_length=1)
    count: int = Field(ge=1, le=1024)
    usd_per_hour: float | None = Field(default=None, ge=0)


class Workload(_Part):
    """All of it; ``used_share`` is how much of full speed a day's mean may take: the rest is for peaks."""

    classes: dict[QueryClass, ClassLoad] = Field(min_length=1)
    cards: tuple[Cards, ...] = Field(default=(), max_length=8)
    used_share: float = Field(default=0.5, gt=0, le=1)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a router saw: tokens a day of each class, and each target's 95th percentile of the first token."""

    days: float
    """That were divided by: those asked for, or since the router's first request if that is less."""
    loads: Mapping[str, tuple[float, float, float]]
    """Million tokens in and out a day, and the share of the input that came from a cache."""
    first_token_s: Mapping[tuple[str, str], float]
    """By model and target (``seller/its id``)."""
    other_classes: tuple[str, ...]
    """Classes of requests that named their model: nobody chose it, so nothing is chosen for them."""


def read_workload(path: Path, seen: Seen | None = None) -> Workload:
    """The workload in a YAML or JSON file; volumes that it leaves out are those ``seen``.

    Raises ``SettingsError`` with the field to mend.
    """
    try:
        document: Any = yaml.safe_load(path.read_text("utf-8"))
        if seen is not None and isinstance(document, dict) and isinstance(document.get("classes"), dict):
            for name, (tokens_in, tokens_out, cached) in seen.loads.items():
                stated = document["classes"].get(name)
                if isinstance(stated, dict):
                    document["classes"][name] = {
                        "input_mtok_per_day": tokens_in,
                        "output_mtok_per_day": tokens_out,
                        "cached": cached,
                    } | stated
        found = Workload.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise SettingsError(f"{path}: {where}: {first['msg']}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise SettingsError(f"{path}: cannot be read as YAML or JSON: {error}") from error
    for name, load in found.classes.items():
        if not load.models and load.min_quality is None:
            raise SettingsError(
                f"{path}: classes.{name}: name the models that will do, or min_quality: the cheapest of all "
                "says nothing"
            )
        if not load.input_mtok_per_day + load.output_mtok_per_day:
            raise SettingsError(
                f"{path}: classes.{name}: no tokens a day; give input_mtok_per_day and output_mtok_per_day, "
                "or --usage with some requests of that class"
            )
    return found


def seen_by_router(usage_db: Path, days: float) -> Seen:
    """The last ``days`` of a router's usage; raises ``SettingsError`` for a file that is no usage store.

    A router that has run for less is not taken for idle before it began; less than a day counts as a day.
    """
    if not usage_db.is_file():
        raise SettingsError(f"{usage_db}: no router has stored its usage there")
    moment = time.time()
    since = moment - days * _DAY_S
    sums: dict[str, list[float]] = {}
    rows = read_usage(usage_db)
    began = min((row.hour_utc for row in rows), default=moment)
    days = min(days, max(1.0, (moment - began) / _DAY_S))
    for row in rows:
        if row.hour_utc >= since and row.arm != "shadow":
            held = sums.setdefault(row.query_class, [0.0, 0.0, 0.0])
            for at, tokens in enumerate((row.prompt_tokens, row.completion_tokens, row.cached_tokens)):
                held[at] += tokens
    loads = {
        name: (tokens_in / 1e6 / days, tokens_out / 1e6 / days, cached / tokens_in if tokens_in else 0.0)
        for name, (tokens_in, tokens_out, cached) in sums.items()
    }
    known: dict[str, tuple[float, float, float]] = {
        name: load for name, load in loads.items() if name in CLASSES
    }
    return Seen(days, known, _first_tokens(usage_db, since), tuple(sorted(set(loads) - set(known))))


def _first_tokens(usage_db: Path, since: float) -> dict[tuple[str, str], float]:
    try:
        with closing(sqlite3.connect(f"file:{usage_db}?mode=ro", uri=True)) as store:
            rows = store.execute(
                "SELECT model, target, bucket, SUM(requests) FROM latency "
                "WHERE kind = 'first_byte' AND hour >= ? GROUP BY 1, 2, 3",
                (since,),
            ).fetchall()
    except sqlite3.Error as error:
        raise SettingsError(f"{usage_db}: not the usage of a router: {error}") from error
    histograms: dict[tuple[str, str], dict[int, int]] = {}
    for model, target, bucket, requests in rows:
        histograms.setdefault((model, target), {})[bucket] = requests
    return {
        where: p95 / 1000
        for where, histogram in histograms.items()
        if sum(histogram.values()) >= LEAST_MEASURED and (p95 := percentile_ms(histogram, 95)) is not None
    }


def workload_json(workload: Workload) -> dict[str, Any]:
    """The workload as it was understood."""
    document: dict[str, Any] = json.loads(workload.model_dump_json())
    return document
