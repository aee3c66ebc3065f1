"""Write the registry's files into a directory, and read back what is published."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from modelscan_catalog import __version__
from modelscan_catalog.errors import PublishError
from modelscan_catalog.fit.checkpoints import StoredConfig
from modelscan_catalog.merge.catalogue import Catalogue
from modelscan_catalog.merge.changes import PreviousBuild, diff_catalogues
from modelscan_catalog.publish.documents import document
from modelscan_catalog.publish.index import PublishedFile, RegistryIndex
from modelscan_catalog.publish.schemas import PUBLISHED, SCHEMA_VERSION, schema_files
from modelscan_catalog.records import Change, Offer, SourceState
from modelscan_catalog.store import read_jsonl, write_bytes, write_json, write_jsonl, write_records
from modelscan_catalog.tables import MERGED

RECORD_NAMES: Mapping[str, str] = {
    "models": "model",
    "variants": "variant",
    "offers": "offer",
    "providers": "provider",
    "deployments": "deployment",
    "crosswalk": "crosswalk_link",
    "ambiguities": "ambiguity",
    "provenance": "provenance",
    "conflicts": "conflict",
    "plans": "reference_plan",
    "price_history": "past_terms",
    "tombstones": "tombstone",
    "changes": "change",
    "rejects": "reject",
}
"""Published table -> the schema that its rows follow."""

MOST_FILE_BYTES = 5_000_000
MOST_TOTAL_BYTES = 40_000_000


@dataclass
class RegistryWriter:
    """Writes files below ``root`` and remembers what each holds, for the index."""

    root: Path
    _rows: dict[str, tuple[int, str | None]] = field(default_factory=dict)

    def table(self, name: str, rows: Sequence[BaseModel]) -> None:
        """``name.jsonl`` (offers: a file a provider) and ``tables/name.parquet``."""
        if name == "offers":
            by_provider: dict[str, list[Offer]] = {}
            for row in rows:
                assert isinstance(row, Offer)
                by_provider.setdefault(row.provider, []).append(row)
            for provider, offers in sorted(by_provider.items()):
                self._jsonl(f"offers/{file_name(provider)}.jsonl", "offer", offers)
        else:
            self._jsonl(f"{name}.jsonl", RECORD_NAMES[name], rows)
        write_records(self.root / "tables" / f"{name}.parquet", PUBLISHED[RECORD_NAMES[name]], rows)

    def _jsonl(self, path: str, record: str, rows: Sequence[BaseModel]) -> None:
        write_jsonl(self.root / path, map(document, rows))
        self._rows[path] = (len(rows), record)

    def configs(self, configs: Mapping[str, StoredConfig]) -> None:
        """``configs.jsonl``: the architecture facts that a fit of each variant starts from."""
        rows = []
        for variant, stored in sorted(configs.items()):
            row = {"variant": variant, "config": stored.config, "quant_config": stored.quant_config}
            row["borrowed_from"] = stored.borrowed_from
            rows.append({name: value for name, value in row.items() if value is not None})
        write_jsonl(self.root / "configs.jsonl", rows)
        self._rows["configs.jsonl"] = (len(rows), None)

    def json(self, path: str, value: Any, *, indent: int | None = 1) -> None:
        """One JSON document."""
        write_json(self.root / path, value, indent=indent)

    def text(self, path: str, content: str) -> None:
        """One text file."""
        write_bytes(self.root / path, content.encode())

    def schemas(self) -> None:
        """The schemas of these records, beside them."""
        for path, schema in schema_files().items():
            self.json(f"schemas/{path}", schema)

    def index(
        self, sources: Sequence[SourceState], counts: Mapping[str, int], verdicts: Mapping[str, int]
    ) -> RegistryIndex:
        """Write ``index.json`` over everything that lies below ``root`` by now."""
        files = [
            PublishedFile(
                path=path,
                bytes=len(content),
                sha256=hashlib.sha256(content).hexdigest(),
                rows=self._rows.get(path, (None, None))[0],
                record=self._rows.get(path, (None, None))[1],
            )
            for path, content in (
                (entry.relative_to(self.root).as_posix(), entry.read_bytes())
                for entry in sorted(self.root.rglob("*"))
                if entry.is_file()
            )
        ]
        fetched = [state.fetched_at for state in sources if state.fetched_at]
        index = RegistryIndex(
            schema_version=SCHEMA_VERSION,
            generator=f"modelscan-catalog {__version__}",
            data_as_of=max(fetched, default=None),
            sources=tuple(sources),
            counts=dict(sorted(counts.items())),
            verdicts=dict(sorted(verdicts.items())),
            files=tuple(files),
        )
        self.json("index.json", document(index))
        return index


def file_name(identifier: str) -> str:
    """``identifier`` as a safe file name: a slash becomes two underscores, other odd characters one."""
    kept = (
        character if character.isalnum() or character in "._-" else "_"
        for character in identifier.replace("/", "__")
    )
    return "".join(kept).lstrip(".") or "_"


def read_index(published: Path) -> RegistryIndex | None:
    """The published index; None when nothing is published yet.

    Raises ``PublishError`` when the file is there and cannot be understood.
    """
    path = published / "index.json"
    try:
        return RegistryIndex.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        fault = error.errors()[0]["msg"]
        raise PublishError(f"{path}: not a registry index ({fault}); restore it or publish anew") from error
    except OSError as error:
        raise PublishError(f"{path}: cannot be read: {error}") from error


def published_counts(published: Path) -> dict[str, int]:
    """Rows of each published table; empty when nothing is published."""
    index = read_index(published)
    return dict(index.counts) if index else {}


def read_published(published: Path, table: str) -> list[Any]:
    """The records of a published table; empty when it is not there."""
    record = MERGED[table]
    paths: Iterable[Path] = (
        sorted((published / "offers").glob("*.jsonl"))
        if table == "offers"
        else [published / f"{table}.jsonl"]
    )
    return [record.model_validate(row) for path in paths if path.exists() for row in read_jsonl(path)]


def verify_published(published: Path) -> list[str]:
    """Files that the index names and that are missing or differ; empty when the registry is whole."""
    index = read_index(published)
    if index is None:
        raise PublishError(
            f"{published / 'index.json'}: no registry is published there; run `modelscan build`"
        )
    faults = []
    for entry in index.files:
        path = published / entry.path
        if not path.exists():
            faults.append(f"{entry.path}: is missing")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != entry.sha256:
            faults.append(f"{entry.path}: differs from the index")
    return faults


def read_previous(published: Path) -> PreviousBuild | None:
    """The published records that the next merge compares itself with; None before the first publish."""
    index = read_index(published)
    if index is None:
        return None

    def keyed(table: str) -> dict[str, Any]:
        return {row.id: row for row in read_published(published, table)}

    return PreviousBuild(
        models=keyed("models"),
        variants=keyed("variants"),
        offers=keyed("offers"),
        providers=keyed("providers"),
        deployments=keyed("deployments"),
        tombstones=tuple(read_published(published, "tombstones")),
        price_history=tuple(
            row.model_dump(mode="json") for row in read_published(published, "price_history")
        ),
        sources={state.source: state.fetched_at for state in index.sources},
    )


def changes_to_publish(published: Path, previous: PreviousBuild | None, current: Catalogue) -> list[Change]:
    """What differs from the published registry; while nothing does, what its last change was.

    The first publish changes nothing. Keeping the last difference makes a repeated build give equal bytes.
    """
    if previous is None:
        return []
    return list(diff_catalogues(previous, current)) or read_published(published, "changes")


def json_documents(path: Path) -> list[Any]:
    """All JSON values of a published file: the lines of JSON Lines, else the one document."""
    if path.suffix == ".jsonl":
        return list(read_jsonl(path))
    return [json.loads(path.read_bytes())]
