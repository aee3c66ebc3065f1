"""What the explorer knows of the models: one list of all, and the details in parts that pages load alone."""

import zlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from modelscan_catalog.store import read_jsonl

PARTS = 64
"""The details lie in so many files, a model always in the same one."""

Row = dict[str, Any]
ABILITIES = {"tool_call": "t", "reasoning": "r", "structured_output": "s"}
"""Letters of the list's ``abilities``; ``v`` is image input, ``a`` audio input."""

MODEL_COLUMNS = (
    "id", "name", "lab", "category", "status", "open_weights", "parameters", "active", "context",
    "release_date", "abilities", "price_input", "price_output", "offers", "license", "fitted",
)  # fmt: skip


OFFER_COLUMNS = (
    "provider", "provider_model", "input", "output", "cache_read", "context", "status", "since", "past",
)  # fmt: skip
"""Of an offer in a part; ``since`` is left out on the ``usual_day``, ``past`` are [day, price of input] of
former terms, oldest first."""

DOCUMENT_COLUMNS = ("source", "url", "at", "rule")
"""Of what was read: where, when, and the place of the rule that believed it."""

CONFLICT_COLUMNS = ("record", "field", "other", "other_source", "rule")
"""Of what others said; ``record`` is 0 for the model, from 1 on its checkpoints in their order."""

_OF_A_MODEL = {
    "id", "name", "lab", "family", "category", "status", "tags", "limits", "parameters", "modalities",
    "capabilities", "licenses", "release_date", "knowledge", "urls", "open_weights",
}  # fmt: skip
_OF_A_VARIANT = {
    "id", "hub", "repo", "revision", "official", "gated", "quantization", "weights_bytes", "context",
    "license", "downloads",
}  # fmt: skip
_OF_A_PLAN = (
    "variant", "gpu", "gpu_count", "engine", "engine_version", "context", "max_concurrency",
    "decode_tok_s_low", "decode_tok_s_high", "reasons", "manifests",
)  # fmt: skip


def part_of(model: str) -> int:
    """Which details file holds ``model``; the browser computes the same CRC-32."""
    return zlib.crc32(model.encode()) % PARTS


def read_offers(registry: Path) -> list[Row]:
    """All sellers' offers that name a model."""
    files = sorted((registry / "offers").glob("*.jsonl"))
    return [row for path in files for row in read_jsonl(path) if row.get("model")]


def cheapest_paid(offers: Sequence[Row]) -> Row:
    """The price of least input plus output among those that cost something; empty when none does.

    Free offers are tied to quotas or subscriptions, so they say nothing about what a token costs.
    """
    paid = [
        offer["price"]
        for offer in offers
        if (offer.get("price") or {}).get("input") and offer["price"].get("output")
    ]
    return min(paid, key=lambda price: (price["input"] + price["output"], price["input"]), default={})


def model_list(
    models: Sequence[Row], offers: Sequence[Row], variants: Sequence[Row], fitted: Mapping[str, int]
) -> dict[str, Any]:
    """All models as short rows; ``fitted`` gives the place of each variant whose fit is published."""
    by_model = _grouped(offers, "model")
    own = _grouped([row for row in variants if row["id"] in fitted], "model")
    rows = []
    for model in models:
        price = cheapest_paid(by_model[model["id"]])
        limits, sizes = model.get("limits", {}), model.get("parameters", {})
        row = {
            **{name: model.get(name) for name in MODEL_COLUMNS},
            "parameters": sizes.get("total"),
            "active": sizes.get("active"),
            "context": limits.get("context"),
            "abilities": _abilities(model),
            "price_input": price.get("input"),
            "price_output": price.get("output"),
            "license": next(iter(model.get("licenses", ())), None),
            "fitted": [fitted[row["id"]] for row in own[model["id"]]],
        }
        rows.append([row[name] for name in MODEL_COLUMNS])
    return {"columns": MODEL_COLUMNS, "rows": rows}


def _abilities(model: Row) -> str:
    stated = model.get("capabilities", {})
    inputs = model.get("modalities", {}).get("input", ())
    letters = [letter for name, letter in ABILITIES.items() if stated.get(name)]
    return "".join(
        [*letters, *(letter for kind, letter in (("image", "v"), ("audio", "a")) if kind in inputs)]
    )


def fitted_variant(row: Row, context: int | None) -> list[Any]:
    """What the start page shows of a checkpoint: id, scheme, bits, context, official, downloads."""
    quantization = row.get("quantization", {})
    return [
        row["id"], quantization.get("scheme"), quantization.get("bits"), context,
        row.get("official"), row.get("downloads"),
    ]  # fmt: skip


def usual_day(offers: Sequence[Row]) -> str | None:
    """The day on which most offers were first seen; the catalogue says it once for all of them."""
    days = Counter(row["observed_at"][:10] for row in offers)
    return max(days, key=lambda day: (days[day], day), default=None)


def detail_parts(registry: Path, models: Sequence[Row], offers: Sequence[Row]) -> list[dict[str, Any]]:
    """``PARTS`` documents: ``models`` by id with all that a model's page shows, ``documents`` they cite, and
    by which ``rule`` one source was believed and not another.

    Of a record only what the page shows, and every field whose source is told on its own.
    """
    tables = {
        name: read_jsonl(registry / f"{name}.jsonl")
        for name in ("variants", "plans", "provenance", "conflicts", "price_history")
    }
    sold = _grouped(offers, "model")
    weights = _grouped(tables["variants"], "model")
    plans = _grouped(tables["plans"], "model")
    told = _grouped(tables["provenance"], "record")
    disputed = _grouped(tables["conflicts"], "record")
    past = _grouped(tables["price_history"], "offer")
    usual = usual_day(offers)
    parts: list[dict[str, Any]] = [{"documents": [], "rule": [], "models": {}} for _ in range(PARTS)]
    for model in models:
        part = parts[part_of(model["id"])]
        own = weights[model["id"]]
        records = [f"model:{model['id']}", *(f"variant:{row['id']}" for row in own)]
        part["models"][model["id"]] = {
            "model": _shown(model, _OF_A_MODEL, told[records[0]], disputed[records[0]]),
            "variants": [
                _shown(row, _OF_A_VARIANT, told[record], disputed[record])
                for row, record in zip(own, records[1:], strict=True)
            ],
            "offers": [
                _offer(row, past[row["id"]], usual)
                for row in sorted(sold[model["id"]], key=lambda row: str(row["id"]))
            ],
            "plans": [{name: row.get(name) for name in _OF_A_PLAN} for row in plans[model["id"]]],
            "sources": [
                [place, row["field"], _cited(row, part)]
                for place, record in enumerate(records)
                for row in told[record]
            ],
            "conflicts": [
                [place, *(row[name] for name in CONFLICT_COLUMNS[1:-1]), _place(row["rule"], part["rule"])]
                for place, record in enumerate(records)
                for row in disputed[record]
            ],
        }
    return parts


def _offer(row: Row, past: Sequence[Row], usual: str | None) -> list[Any]:
    price, limits = row.get("price") or {}, row.get("limits", {})
    terms = sorted(
        (terms["observed_at"][:10], (terms.get("price") or {}).get("input"))
        for terms in past
        if (terms.get("price") or {}).get("input") is not None
    )
    since = row["observed_at"][:10]
    cells = [
        row["provider"], row["provider_model"], price.get("input"), price.get("output"),
        price.get("cache_read"), limits.get("context"), row.get("status"), None if since == usual else since,
        terms,
    ]  # fmt: skip
    while cells[-1] in (None, []):
        cells.pop()
    return cells


def _cited(row: Row, part: Row) -> int:
    """The place of what was read among the ``documents`` of ``part``."""
    rule = _place(row["rule"], part["rule"])
    return _place([row["source"], row.get("url"), row.get("fetched_at"), rule], part["documents"])


def _place(value: Any, values: list[Any]) -> int:
    """Where ``value`` is in ``values``, put there at its first use."""
    if value not in values:
        values.append(value)
    return values.index(value)


def _shown(row: Row, names: set[str], *told: Sequence[Row]) -> Row:
    """Of ``row`` the fields ``names`` and those that ``told`` speaks of."""
    wanted = names | {one["field"].partition(".")[0] for rows in told for one in rows}
    return {name: value for name, value in row.items() if name in wanted}


def _grouped(rows: Sequence[Row], name: str) -> defaultdict[str, list[Row]]:
    groups: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[name]].append(row)
    return groups
