"""Figures that were measured of deployments; rows are appended and never changed."""

import dataclasses
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from modelscan_catalog.state.database import transaction
from modelscan_catalog.state.history import write_event


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One load of one deployment; seconds, tokens and tokens a second, null where it was not measured.

    ``gpu`` is a profile's id, ``p10`` to ``p90`` percentiles over requests. ``itl`` is the time between
    tokens of one request; ``throughput_low`` and ``high`` the least and most of equal parts of the time.
    """

    measured_at: str
    target: str
    server: str
    name: str
    model: str | None
    checkpoint: str | None
    revision: str | None
    gpu: str | None
    gpu_count: int | None
    engine: str | None
    engine_version: str | None
    tensor_parallel: int | None
    pipeline_parallel: int | None
    concurrency: int
    prompt_tokens: int | None
    output_tokens: int | None
    requests: int
    failed: int
    seconds: float
    ttft_p10_s: float | None
    ttft_p50_s: float | None
    ttft_p90_s: float | None
    itl_p10_s: float | None
    itl_p50_s: float | None
    itl_p90_s: float | None
    throughput_tok_s: float | None
    throughput_low_tok_s: float | None
    throughput_high_tok_s: float | None


_COLUMNS = tuple(field.name for field in dataclasses.fields(Benchmark))


def write_benchmarks(connection: sqlite3.Connection, rows: Sequence[Benchmark]) -> None:
    """Append the loads of one measurement, with one event ``deployment.measured``."""
    if not rows:
        return
    names, marks = ", ".join(_COLUMNS), ", ".join("?" * len(_COLUMNS))
    with transaction(connection):
        connection.executemany(
            f"INSERT INTO benchmarks ({names}) VALUES ({marks})",  # noqa: S608 - names of the class above
            [[getattr(row, column) for column in _COLUMNS] for row in rows],
        )
        first = rows[0]
        known = [row.throughput_tok_s for row in rows if row.throughput_tok_s is not None]
        detail = {
            "server": first.server,
            "loads": [row.concurrency for row in rows],
            "requests": sum(row.requests for row in rows),
            "throughput_tok_s": round(max(known), 3) if known else None,
        }
        write_event(connection, "deployment.measured", f"{first.target}:{first.name}", detail)


def benchmarks(connection: sqlite3.Connection, *, name: str | None = None) -> list[Benchmark]:
    """All rows, oldest first."""
    rows = connection.execute("SELECT * FROM benchmarks WHERE (?1 IS NULL OR name = ?1) ORDER BY id", (name,))
    return [Benchmark(**{column: row[column] for column in _COLUMNS}) for row in rows]
