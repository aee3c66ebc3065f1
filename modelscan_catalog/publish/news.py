"""What people should hear of a new publish: models that are gone or deprecated, prices that jumped."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from modelscan_catalog.errors import PublishError
from modelscan_catalog.notify import Notice

PRICE_JUMP = 0.25
"""Share of the former price from which a change is told; smaller ones stand in changes.jsonl."""
_PRICES = ("price.input", "price.output")
_MOST_NAMED = 10


def news(published: Path, price_jump: float = PRICE_JUMP) -> list[Notice]:
    """Notices of the last publish, from its ``changes.jsonl``; none where nothing of the kind happened.

    Raises ``PublishError`` when the file is missing or damaged.
    """
    path = published / "changes.jsonl"
    try:
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line]
        return list(_told(rows, price_jump))
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise PublishError(
            f"{path}: cannot be read ({error!r}); publish anew with `modelscan build`"
        ) from error


def _told(rows: Iterable[Mapping[str, Any]], price_jump: float) -> Iterator[Notice]:
    gone: dict[str, list[str]] = {}
    deprecated, jumps = [], []
    for row in rows:
        kind, _, name = row["record"].partition(":")
        if row["change"] == "removed":
            gone.setdefault(kind, []).append(name)
        elif row.get("field") == "status" and row.get("after") == "deprecated":
            deprecated.append(name)
        elif kind == "offer" and row.get("field") in _PRICES:
            share = _share(row.get("before"), row.get("after"))
            if share is not None and abs(share) >= price_jump:
                jumps.append((share, name, row["field"].partition(".")[2], row["before"], row["after"]))
    if gone.get("model") or gone.get("provider"):
        counts = Counter({kind: len(names) for kind, names in gone.items()})
        lost = ", ".join(f"{count} {kind}s" for kind, count in sorted(counts.items()))
        named = _named(sorted(gone.get("model", []) + gone.get("provider", [])))
        yield Notice("registry.dropped", "registry", f"No longer listed: {lost}: {named}", dict(counts))
    if deprecated:
        text = f"Deprecated: {_named(sorted(deprecated))}"
        yield Notice("registry.deprecated", "registry", text, {"records": len(deprecated)})
    if jumps:
        jumps.sort(key=lambda jump: -abs(jump[0]))
        lines = [
            f"{name} {field} {before:g} → {after:g} USD per million tokens ({share:+.0%})"
            for share, name, field, before, after in jumps[:_MOST_NAMED]
        ]
        more = f" and {len(jumps) - _MOST_NAMED} more" if len(jumps) > _MOST_NAMED else ""
        yield Notice("registry.price_jump", "registry", "; ".join(lines) + more, {"offers": len(jumps)})


def _share(before: object, after: object) -> float | None:
    """Change as a share of what it was; None where that cannot be said."""
    if not isinstance(before, int | float) or not isinstance(after, int | float) or before <= 0:
        return None
    return (after - before) / before


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
