"""Models that are deprecated or gone, and whether anybody still sells them."""

from __future__ import annotations

from modelscan_catalog.registry.files import RegistryFiles, Row


def deprecated_models(files: RegistryFiles) -> list[Row]:
    """Deprecated models and tombstones, by id: ``model``, ``state``, ``reason``, ``still_sold``."""
    sold: dict[str, int] = {}
    for offer in files.offers():
        if offer.get("model") and offer.get("status") != "deprecated":
            sold[offer["model"]] = sold.get(offer["model"], 0) + 1
    rows = [
        {
            "model": row["id"],
            "state": "deprecated",
            "reason": row.get("status_reason"),
            "still_sold": sold.get(row["id"], 0),
        }
        for row in files.rows("models.jsonl")
        if row.get("status") == "deprecated"
    ]
    rows += [
        {
            "model": row.get("model") or row["record"].partition(":")[2],
            "state": "gone",
            "reason": f"{row['reason']}; last seen {row['last_seen'][:10]}",
            "still_sold": 0,
        }
        for row in files.rows("tombstones.jsonl")
        if row["record"].startswith("model:")
    ]
    return sorted(rows, key=lambda row: (row["model"], row["state"]))
