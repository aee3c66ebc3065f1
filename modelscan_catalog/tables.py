"""The tables between the stages: which record each holds and where it lies below the data directory."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from modelscan_catalog import records
from modelscan_catalog.records import SourceName
from modelscan_catalog.sources import staged
from modelscan_catalog.store import read_records, write_records


@lru_cache(maxsize=16)
def _rows(path: Path, _version: tuple[int, int, int], record: type[BaseModel]) -> tuple[Any, ...]:
    """The rows of a file in one version of it: a run's assets and checks read the large tables many times."""
    return tuple(read_records(path, record))


STAGED: Mapping[str, type[BaseModel]] = {
    "models_dev_providers": staged.ModelsDevProvider,
    "models_dev_offers": staged.ModelsDevOffer,
    "models_dev_lab_models": staged.ModelsDevLabModel,
    "gpustack_sets": staged.GpustackSet,
    "gpustack_specs": staged.GpustackSpec,
    "gpustack_draft_models": staged.GpustackDraftModel,
    "huggingface_repos": staged.HuggingFaceRepo,
    "modelscope_repos": staged.ModelScopeRepo,
}
"""Staged tables, each named ``source_table``."""

MERGED: Mapping[str, type[BaseModel]] = {
    "models": records.Model,
    "variants": records.Variant,
    "offers": records.Offer,
    "providers": records.Provider,
    "deployments": records.Deployment,
    "crosswalk": records.CrosswalkLink,
    "ambiguities": records.Ambiguity,
    "provenance": records.Provenance,
    "conflicts": records.Conflict,
    "price_history": records.PastTerms,
    "tombstones": records.Tombstone,
    "changes": records.Change,
    "rejects": records.Reject,
}
"""Merged tables; each is published as well."""

SOURCES: tuple[SourceName, ...] = ("models_dev", "gpustack", "modelscope", "huggingface")
"""In the order in which they are read: the later ones ask for repositories that the earlier ones name."""


@dataclass(frozen=True)
class DataDirectory:
    """The working files of builds below one directory; every table is a Parquet file."""

    root: Path

    @property
    def staged(self) -> Path:
        """One table a source table, its rejects and its state."""
        return self.root / "staged"

    @property
    def merged(self) -> Path:
        """The catalogue's tables."""
        return self.root / "merged"

    @property
    def fit(self) -> Path:
        """The fit matrix, a file a GPU profile."""
        return self.root / "fit"

    @property
    def launch(self) -> Path:
        """Plans, manifests and the router's configuration."""
        return self.root / "launch"

    @property
    def next_registry(self) -> Path:
        """The registry that is being prepared, before it is swapped in."""
        return self.root / "registry-next"

    def write(self, stage: str, table: str, record: type[BaseModel], rows: Iterable[Any]) -> int:
        """Write a table of ``stage`` and return its row count."""
        return write_records(self.root / stage / f"{table}.parquet", record, rows)

    def read(self, stage: str, table: str, record: type[BaseModel]) -> list[Any]:
        """Rows of a table of ``stage``, kept for the next reader while the file stays as it is.

        Raises ``RecordError`` naming the file when it is missing or of another shape.
        """
        path = self.root / stage / f"{table}.parquet"
        if not path.exists():
            return read_records(path, record)
        found = path.stat()
        return list(_rows(path, (found.st_ino, found.st_mtime_ns, found.st_size), record))
