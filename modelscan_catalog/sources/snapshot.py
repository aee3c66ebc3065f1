"""Writes registry/snapshot/ from the last good documents: what a fresh clone without network builds from."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from modelscan_catalog.errors import SettingsError, SourceError
from modelscan_catalog.records import SourceName
from modelscan_catalog.settings import Settings
from modelscan_catalog.sources.adapter import Adapter, Document, SourceResult
from modelscan_catalog.sources.runner import ADAPTERS, latest
from modelscan_catalog.sources.snapshot_format import LARGEST_SNAPSHOT_BYTES, snapshot_file, write_snapshot
from modelscan_catalog.store import json_bytes, write_bytes


@dataclass(frozen=True)
class SnapshotReport:
    """What was written: bytes and row counts by source."""

    bytes_by_source: dict[SourceName, int]
    rows_by_source: dict[SourceName, dict[str, int]]

    @property
    def total_bytes(self) -> int:
        """Size of all snapshot files."""
        return sum(self.bytes_by_source.values())

    def lines(self) -> list[str]:
        """One line a source and one for the whole, for people."""
        found = [
            f"{name}: {size / 1e6:.2f} MB; "
            + ", ".join(f"{count} {table}" for table, count in self.rows_by_source[name].items())
            for name, size in self.bytes_by_source.items()
        ]
        return [
            *found,
            f"in all {self.total_bytes / 1e6:.2f} MB of at most {LARGEST_SNAPSHOT_BYTES / 1e6:.0f}",
        ]


def save_snapshot(settings: Settings, recorded: Mapping[str, str] | None = None) -> SnapshotReport:
    """Write the snapshot of every source from its last good documents, and the notice of where they are from.

    The documents are reduced to what the pipeline reads and carry the sources' public addresses, whatever
    base URL they were fetched from. ``recorded`` gives the day (``YYYY-MM-DD``) of documents that were read
    from a recording, by ``source/document``. The same documents give the same bytes. Raises ``SettingsError``
    for a recorded document that does not exist or a day that is none, ``SourceError`` when a
    source has never been read, ``DocumentError`` when a file would be too large; the old files then stay.
    """
    days = _days(recorded or {})
    results: dict[SourceName, SourceResult] = {}
    for name in ADAPTERS:
        result = latest(name, settings)
        if result is None:
            raise SourceError(f"{name}: no documents to make a snapshot of; run a live build first")
        results[name] = _dated(name, result, days.get(name, {}))
    sizes: dict[SourceName, int] = {}
    for name, adapter in ADAPTERS.items():
        documents, bodies = _pruned(adapter, results[name])
        sizes[name] = write_snapshot(snapshot_file(settings.registry_dir, name), documents, bodies)
    report = SnapshotReport(
        sizes, {name: {t: len(rows) for t, rows in r.tables.items()} for name, r in results.items()}
    )
    if report.total_bytes > LARGEST_SNAPSHOT_BYTES:
        raise SourceError(
            f"the snapshot is {report.total_bytes} bytes, more than {LARGEST_SNAPSHOT_BYTES}; lower "
            "popular_repos_per_task, fetch again and save again"
        )
    directory = snapshot_file(settings.registry_dir, "models_dev").parent
    notice = [_notice(ADAPTERS[name], results[name]) for name in ADAPTERS]
    write_bytes(directory / "NOTICE.json", json_bytes({"sources": notice}, indent=1))
    return report


def _days(recorded: Mapping[str, str]) -> dict[SourceName, dict[str, str]]:
    """By source and document, the time that takes the place of its replay's."""
    days: dict[SourceName, dict[str, str]] = {}
    for entry, day in recorded.items():
        source, _, name = entry.partition("/")
        found = next((one for one in ADAPTERS if one == source), None)
        if found is None:
            raise SettingsError(f"recorded {entry}: no such source; write SOURCE/DOCUMENT=YYYY-MM-DD")
        try:
            when = f"{date.fromisoformat(day).isoformat()}T00:00:00Z"
        except ValueError as error:
            raise SettingsError(f"recorded {entry}: {day!r} is no day; write YYYY-MM-DD") from error
        days.setdefault(found, {})[name] = when
    return days


def _dated(source: SourceName, result: SourceResult, days: Mapping[str, str]) -> SourceResult:
    for name, when in days.items():
        if name not in result.raw:
            known = ", ".join(sorted(result.raw)[:3])
            raise SettingsError(f"recorded {source}/{name}: no such document; it has {known}, ...")
        documents = [replace(d, fetched_at=when) if d.name == name else d for d in result.documents]
        raw = {**result.raw, name: replace(result.raw[name], fetched_at=when)}
        result = replace(result, documents=documents, raw=raw)
    return result


def _pruned(adapter: Adapter, result: SourceResult) -> tuple[dict[str, Document], Mapping[str, Any]]:
    parsed = {
        name: adapter.parse(name, document.body)
        for name, document in result.raw.items()
        if not document.is_negative
    }
    bodies = dict(adapter.prune(parsed, result.tables))
    # Negative answers about a repository are rows of the account; those about a file of a revision are not.
    bodies |= {name: None for name, d in result.raw.items() if d.is_negative and "@" not in name}
    public = {
        name: replace(result.raw[name], base_url=adapter.public_url, etag=None, last_modified=None)
        for name in bodies
    }
    return public, bodies


def _notice(adapter: Adapter, result: SourceResult) -> dict[str, Any]:
    dates = [document.fetched_at for document in result.documents]
    return {
        "source": adapter.name,
        "url": adapter.public_url,
        "licence": adapter.licence,
        "fetched_at": {"first": min(dates), "last": max(dates)},
        "documents": len(result.documents),
        "rows": {table: len(rows) for table, rows in result.tables.items()},
        "contents": "facts only: ids, numbers, flags, dates, licences; no descriptions or other prose",
    }
