"""What the explorer knows of the models: one list of all, and the details in parts that pages load alone."""

import zlib
from collections import defaultdict
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
"""Of an offer in a part; ``past`` are [day, price of input] of former terms, oldest first."""

_NOT_SHOWN = ("aliases", "variants", "offers", "deployments")


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


def detail_parts(registry: Path, models: Sequence[Row], offers: Sequence[Row]) -> list[dict[str, Any]]:
    """``PARTS`` documents: ``models`` by id with all that a model's page shows, ``documents`` they cite."""
    tables = {
        name: read_jsonl(registry / f"{name}.jsonl")
        for name in ("variants", "plans", "deployments", "provenance", "conflicts", "price_history")
    }
    sold = _grouped(offers, "model")
    weights = _grouped(tables["variants"], "model")
    plans = _grouped(tables["plans"], "model")
    recipes = _grouped(tables["deployments"], "model")
    told = _grouped(tables["provenance"], "record")
    disputed = _grouped(tables["conflicts"], "record")
    past = _grouped(tables["price_history"], "offer")
    parts: list[dict[str, Any]] = [{"documents": [], "models": {}} for _ in range(PARTS)]
    for model in models:
        part = parts[part_of(model["id"])]
        records = [f"model:{model['id']}", *(f"variant:{row['id']}" for row in weights[model["id"]])]
        part["models"][model["id"]] = {
            "model": _without(model, *_NOT_SHOWN),
            "variants": [_without(row, "model", "files") for row in weights[model["id"]]],
            "offers": [
                _offer(row, past[row["id"]])
                for row in sorted(sold[model["id"]], key=lambda row: str(row["id"]))
            ],
            "plans": [_without(row, "model") for row in plans[model["id"]]],
            "recipes": len(recipes[model["id"]]),
            "sources": [_told(row, part["documents"]) for record in records for row in told[record]],
            "conflicts": [row for record in records for row in disputed[record]],
        }
    return parts


def _offer(row: Row, past: Sequence[Row]) -> list[Any]:
    price, limits = row.get("price") or {}, row.get("limits", {})
    terms = sorted(
        (terms["observed_at"][:10], (terms.get("price") or {}).get("input"))
        for terms in past
        if (terms.get("price") or {}).get("input") is not None
    )
    cells = [
        row["provider"], row["provider_model"], price.get("input"), price.get("output"),
        price.get("cache_read"), limits.get("context"), row.get("status"), row["observed_at"][:10], terms,
    ]  # fmt: skip
    while cells[-1] in (None, []):
        cells.pop()
    return cells


def _told(row: Row, documents: list[Row]) -> list[Any]:
    """Record, field, and the place in ``documents`` of what was read and the rule that believed it."""
    document = {
        "source": row["source"],
        "url": row.get("url"),
        "at": row.get("fetched_at"),
        "rule": row["rule"],
    }
    if document not in documents:
        documents.append(document)
    return [row["record"], row["field"], documents.index(document)]


def _without(row: Row, *names: str) -> Row:
    return {name: value for name, value in row.items() if name not in names}


def _grouped(rows: Sequence[Row], name: str) -> defaultdict[str, list[Row]]:
    groups: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[name]].append(row)
    return groups
