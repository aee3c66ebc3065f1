"""The embedded snapshot: pruned documents in JSON Lines that go through the same parsers as live ones."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from modelscan_catalog.errors import DocumentError
from modelscan_catalog.records import SourceName
from modelscan_catalog.sources.adapter import Document
from modelscan_catalog.store import json_bytes, write_bytes

LARGEST_FILE_BYTES = 5_000_000
LARGEST_SNAPSHOT_BYTES = 8_000_000
SPLIT_ABOVE_BYTES = 4_000
"""A larger document is written one entry a line, so that git shows which entries changed."""


def snapshot_file(registry_dir: Path, source: SourceName) -> Path:
    """Where the snapshot of ``source`` is."""
    return registry_dir / "snapshot" / f"{source}.jsonl"


def write_snapshot(path: Path, documents: Mapping[str, Document], bodies: Mapping[str, Any]) -> int:
    """Write the documents named in ``bodies`` with those bodies; returns the bytes written.

    Same documents, same bytes. Raises ``DocumentError`` when the file would be larger than git should hold.
    """
    content = b"".join(
        json_bytes(line) for name in sorted(bodies) for line in _lines(documents[name], bodies[name])
    )
    if len(content) > LARGEST_FILE_BYTES:
        raise DocumentError(
            f"{path}: would be {len(content)} bytes, more than {LARGEST_FILE_BYTES}; lower "
            "popular_repos_per_task and fetch again"
        )
    write_bytes(path, content)
    return len(content)


def _lines(document: Document, body: Any) -> Iterator[dict[str, Any]]:
    described = {
        key: value
        for key, value in asdict(document).items()
        if key not in ("body", "origin", "checked_at", "authenticated") and value is not None
    }
    if isinstance(body, dict | list) and len(json_bytes(body)) > SPLIT_ABOVE_BYTES:
        yield {"document": described, "body": type(body)()}
        entries = body.items() if isinstance(body, dict) else enumerate(body)
        for key, value in entries:
            yield {"of": document.name, "key": key, "value": value}
    else:
        yield {"document": described, "body": body}


def read_snapshot(path: Path) -> dict[str, Document]:
    """The documents of a snapshot file by name, with origin ``snapshot``; empty when there is no file.

    Raises ``DocumentError`` with the line of the first damage.
    """
    described: dict[str, dict[str, Any]] = {}
    bodies: dict[str, Any] = {}
    number = 0
    try:
        with path.open("rb") as lines:
            for line in lines:
                number += 1
                entry = json.loads(line)
                if "document" in entry:
                    name = entry["document"]["name"]
                    described[name], bodies[name] = entry["document"], entry["body"]
                elif isinstance(bodies[entry["of"]], list):
                    bodies[entry["of"]].append(entry["value"])
                else:
                    bodies[entry["of"]][entry["key"]] = entry["value"]
        return {
            name: replace(
                Document(**described[name], origin="snapshot"),
                body=b"" if bodies[name] is None else json_bytes(bodies[name]),
            )
            for name in described
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DocumentError(
            f"{path}:{number}: the snapshot is damaged ({type(error).__name__}: {str(error)[:80]}); "
            "restore the file from git"
        ) from error
