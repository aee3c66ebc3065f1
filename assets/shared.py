"""What every asset module shares: the build resource, owners, and metadata that the UI can show."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import BaseModel, PrivateAttr, TypeAdapter

from modelscan_catalog.publish.checks import CheckResult
from modelscan_catalog.publish.documents import document
from modelscan_catalog.settings import Settings, load_settings
from modelscan_catalog.sources.runner import Mode
from modelscan_catalog.store import arrow_schema
from modelscan_catalog.tables import DataDirectory

OWNERS = ["team:catalogue"]


class Build(dg.ConfigurableResource[Any]):
    """How this run reads its sources, where it computes and publishes; all else comes from the settings."""

    offline: bool = False
    source_modes: dict[str, str] = {}  # noqa: RUF012 - a pydantic field, copied per instance
    out_dir: str | None = None
    accept_shrink: bool = False
    dask: str | None = None
    processes: int = 1

    _settings: Settings | None = PrivateAttr(default=None)

    @property
    def settings(self) -> Settings:
        """The settings of this run, read once."""
        if self._settings is None:
            out_dir = Path(self.out_dir).absolute() if self.out_dir else None
            self._settings = load_settings(out_dir=out_dir)
        return self._settings

    @property
    def data(self) -> DataDirectory:
        """Where the tables of this run lie."""
        return DataDirectory(self.settings.data_dir)

    def mode(self, source: str) -> Mode:
        """How ``source`` is to be read; ``offline`` forbids a socket whatever this says."""
        return TypeAdapter(Mode).validate_python(self.source_modes.get(source, "auto"))


def column_schema(record: type[BaseModel]) -> dg.TableSchema:
    """The columns of a table of ``record``, with their descriptions, for the UI."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=field.name,
                type=str(field.type),
                description=record.model_fields[field.name].description,
            )
            for field in arrow_schema(record)
        ]
    )


def table_metadata(record: type[BaseModel], rows: Sequence[BaseModel], preview: int = 8) -> dict[str, Any]:
    """Row count, columns and the first rows of a table."""
    return {
        "dagster/row_count": len(rows),
        "dagster/column_schema": column_schema(record),
        "preview": dg.MetadataValue.md(preview_table([document(row) for row in rows[:preview]])),
    }


def preview_table(rows: Sequence[dict[str, Any]], most_columns: int = 7, most_width: int = 48) -> str:
    """A Markdown table of the first columns of ``rows``."""
    if not rows:
        return "*no rows*"
    columns = list(dict.fromkeys(name for row in rows for name in row))[:most_columns]
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    for row in rows:
        cells = (
            str(row.get(name, ""))[:most_width].replace("|", "\\|").replace("\n", " ") for name in columns
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def check_outcome(
    results: Sequence[CheckResult],
    *,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
) -> dg.AssetCheckResult:
    """``results`` as one Dagster check result; the findings stand in its description."""
    findings = [finding for result in results for finding in result.findings]
    return dg.AssetCheckResult(
        passed=not findings,
        severity=severity,
        description="; ".join(findings[:5]) or None,
        metadata={
            "checked": sum(result.checked for result in results),
            "findings": dg.MetadataValue.md("\n".join(f"- {finding}" for finding in findings) or "none"),
        },
    )
