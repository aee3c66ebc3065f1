"""Hand-kept corrections: they win over every source, and are flagged when the source has moved on."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from modelscan_catalog.errors import OverrideError
from modelscan_catalog.records import Conflict, Override, Provenance, Record


@dataclass(frozen=True)
class StaleOverride:
    """An override that was written against another upstream value than today's, or a vanished record."""

    record: str
    field: str
    expected_upstream: Any
    upstream: Any
    reason: str


@dataclass(frozen=True)
class Overridden:
    """Records after the overrides, by kind and id."""

    records: Mapping[str, Mapping[str, Any]]
    provenance: tuple[Provenance, ...]
    conflicts: tuple[Conflict, ...]
    stale: tuple[StaleOverride, ...]

    def sorted(self, kind: str) -> tuple[Any, ...]:
        """The records of one kind, by id."""
        return tuple(self.records[kind][key] for key in sorted(self.records[kind]))


def read_overrides(directory: Path) -> tuple[Override, ...]:
    """The overrides of every ``*.json`` of a directory, each file a list; sorted by record and field.

    Raises ``OverrideError`` naming the file and the entry that is no override or repeats another.
    """
    found: dict[tuple[str, str], Override] = {}
    adapter = TypeAdapter(list[Override])
    for path in sorted(directory.glob("*.json")):
        try:
            rows = adapter.validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            detail = (
                error.errors()[0] if isinstance(error, ValidationError) else {"msg": str(error), "loc": ()}
            )
            raise OverrideError(
                f"{path}: entry {'.'.join(map(str, detail['loc']))}: {detail['msg']}"
            ) from error
        for row in rows:
            key = (row.record, row.field)
            if key in found:
                raise OverrideError(f"{path}: {row.record} {row.field} is overridden twice; keep one")
            _check_evidence(path, row)
            found[key] = row
    return tuple(found[key] for key in sorted(found))


def _check_evidence(path: Path, row: Override) -> None:
    """Nobody is called stable by opinion: ``source`` names measurements, by address or as a kept file."""
    if row.field != "status" or row.value != "stable":
        return
    kept = row.source is not None and "://" not in row.source
    if row.source is None or (kept and not (path.parent.parent / row.source).is_file()):
        raise OverrideError(
            f"{path}: {row.record} status: stable needs evidence: as source, the address of measurements or "
            f"a file below {path.parent.parent}, such as fit/measured_speeds.jsonl"
        )


def apply_overrides(overrides: Sequence[Override], records: Mapping[str, Mapping[str, Record]]) -> Overridden:
    """Set each override's value; ``records`` holds records by kind and id.

    A field may be a path such as ``parameters.total``. An override of a record that no source has any more
    is stale. Raises ``OverrideError`` when the record has no such field or cannot hold the value.
    """
    current: dict[str, dict[str, Record]] = {kind: dict(rows) for kind, rows in records.items()}
    provenance: list[Provenance] = []
    conflicts: list[Conflict] = []
    stale: list[StaleOverride] = []
    for row in sorted(overrides, key=lambda o: (o.record, o.field)):
        kind, _, identifier = row.record.partition(":")
        record = current.get(kind, {}).get(identifier)
        if record is None:
            note = f"no such record; {row.reason}"
            stale.append(StaleOverride(row.record, row.field, row.expected_upstream, None, note))
            continue
        plain = record.model_dump(mode="json")
        upstream = _get(plain, row)
        if row.expected_upstream is not None and upstream != row.expected_upstream:
            stale.append(StaleOverride(row.record, row.field, row.expected_upstream, upstream, row.reason))
        _set(plain, row)
        try:
            current[kind][identifier] = type(record).model_validate_json(json.dumps(plain))
        except ValidationError as error:
            raise OverrideError(
                f"override of {row.record} {row.field}: {error.errors()[0]['msg']}; correct its value"
            ) from error
        provenance.append(
            Provenance(record=row.record, field=row.field, source="override", url=row.source, rule=row.reason)
        )
        if upstream is not None and upstream != row.value:
            conflicts.append(
                Conflict(
                    record=row.record,
                    field=row.field,
                    chosen=row.value,
                    chosen_source="override",
                    other=upstream,
                    other_source=_upstream_source(kind, record),
                    rule=f"override: {row.reason}",
                )
            )
    return Overridden(current, tuple(provenance), tuple(conflicts), tuple(stale))


def _upstream_source(kind: str, record: Record) -> Any:
    hub = getattr(record, "hub", None)
    return hub or {"offer": "models_dev", "deployment": "gpustack"}.get(kind, "models_dev")


def _get(plain: dict[str, Any], row: Override) -> Any:
    value: Any = plain
    for part in row.field.split("."):
        if not isinstance(value, dict) or part not in value:
            raise OverrideError(f"override of {row.record}: it has no field {row.field}")
        value = value[part]
    return value


def _set(plain: dict[str, Any], row: Override) -> None:
    *parents, last = row.field.split(".")
    for part in parents:
        plain = plain[part]
    plain[last] = row.value
