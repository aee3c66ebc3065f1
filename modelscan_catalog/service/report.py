"""One page of figures: what was asked of which model at what cost, and how the catalogue stands."""

import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.publish.registry import read_index
from modelscan_catalog.registry.files import RegistryFiles
from modelscan_catalog.router.usage import UsageStore
from modelscan_catalog.site.pages import render

_MOST_ROWS = 30
_KINDS = ("models", "variants", "offers", "providers", "deployments", "plans", "conflicts", "rejects")


def report_page(published: Path, usage_file: Path | None) -> bytes:
    """The page as HTML that needs no other file.

    ``usage_file`` is the router's store; without one the page says that nothing was asked yet. Raises
    ``PublishError`` naming a missing or damaged file, ``SettingsError`` for a store that is none.
    """
    files = RegistryFiles(published)
    conflicts = Counter(row["field"] for row in files.rows("conflicts.jsonl"))
    index = read_index(published)
    assert index is not None
    changes = files.rows("changes.jsonl")
    moved = [row for row in changes if row.get("field") == "price" and row["change"] == "changed"]
    return render(
        "report.html",
        {
            "as_of": index.data_as_of,
            "use": _use(usage_file),
            "counts": [(name, index.counts[name]) for name in _KINDS if name in index.counts],
            "sources": index.sources,
            "conflicts": _shares(conflicts.most_common(_MOST_ROWS)),
            "changes": _shares(Counter(row["change"] for row in changes).most_common()),
            "prices": [_price(row) for row in moved[:_MOST_ROWS]],
            "prices_in_all": len(moved),
        },
    )


def _use(usage_file: Path | None) -> dict[str, Any] | None:
    if usage_file is None or not usage_file.exists():
        return None
    with _copied(usage_file) as store:
        models = store.totals(("model",), shadow=False)
        targets = store.totals(("model", "target"), shadow=False)
        classes = store.totals(("class",), shadow=False)
    asked = sorted(models, key=lambda row: -row["requests"])
    if not asked:
        return None
    return {
        "requests": sum(row["requests"] for row in asked),
        "cost_usd": sum(row["cost_usd"] for row in asked),
        "without_cost": sum(row["requests_without_cost"] for row in asked),
        "models": asked[:_MOST_ROWS],
        "models_in_all": len(asked),
        "most": asked[0]["requests"],
        "targets": sorted(targets, key=lambda row: -row["requests"])[:_MOST_ROWS],
        "classes": _shares([(row["class"] or "none", row["requests"]) for row in classes]),
    }


@contextmanager
def _copied(usage_file: Path) -> Iterator[UsageStore]:
    """A copy: a store brings its file up to date, and this one may be a running router's, or no store."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / usage_file.name
        try:
            with (
                closing(sqlite3.connect(f"{usage_file.absolute().as_uri()}?mode=ro", uri=True)) as kept,
                closing(sqlite3.connect(copy)) as copied,
            ):
                kept.execute("SELECT 1 FROM usage, latency LIMIT 1")
                kept.backup(copied)
        except sqlite3.Error as error:
            raise SettingsError(f"{usage_file}: not the usage of a router: {error}") from error
        store = UsageStore(copy)
        try:
            yield store
        finally:
            store.close()


def _shares(counted: list[tuple[str, int]]) -> list[tuple[str, int, float]]:
    """Name, count and its share of the largest one, for a bar."""
    most = max((count for _, count in counted), default=1)
    return [(name, count, round(100 * count / most, 1)) for name, count in counted]


def _price(row: dict[str, Any]) -> dict[str, Any]:
    before, after = (row.get(side) or {} for side in ("before", "after"))
    return {
        "offer": row["record"].partition(":")[2],
        "at": row.get("observed_at"),
        "sides": [
            {"name": name, "before": before.get(name), "after": after.get(name)}
            for name in ("input", "output")
        ],
    }
