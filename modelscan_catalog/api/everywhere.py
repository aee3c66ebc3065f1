"""One search over everything that has a name: models by rank, all else by the words of the text."""

from collections.abc import Iterable, Iterator
from typing import Any

from modelscan_catalog.api import answers
from modelscan_catalog.api.snapshot import Snapshot
from modelscan_catalog.registry.files import Row


def found_everywhere(snapshot: Snapshot, text: str, limit: int) -> dict[str, list[Any]]:
    """At most ``limit`` of each kind."""
    catalogue = snapshot.catalogue
    words = text.lower().split()

    def named(ids: Iterable[str]) -> list[str]:
        return sorted(_holding(ids, words), key=lambda one: (len(one), one))[:limit]

    return {
        "models": catalogue.found(text, limit),
        "checkpoints": named(catalogue.view),
        "providers": [_seller(row) for row in catalogue.providers if _holds(_spelled(row), words)][:limit],
        "gpus": named(snapshot.gpus),
        "architectures": named(row["architecture"] for row in answers.architectures()),
    }


def _seller(row: Row) -> Row:
    return {"id": row["id"], "name": row.get("name")}


def _spelled(row: Row) -> str:
    return f"{row['id']} {row.get('name') or ''}"


def _holding(ids: Iterable[str], words: list[str]) -> Iterator[str]:
    return (one for one in ids if _holds(one, words))


def _holds(name: str, words: list[str]) -> bool:
    lowered = name.lower()
    return all(word in lowered for word in words)
