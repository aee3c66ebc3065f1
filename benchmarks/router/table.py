"""Figures of gateways as Markdown: what was read, and what it is as a ratio to this router."""

from collections.abc import Sequence
from typing import Any

CONCURRENCIES = (1, 16, 64)
OWN = "modelscan"

Row = dict[str, Any]


def figures(rows: Sequence[Row]) -> str:
    """What was read; latencies in milliseconds, added ones beside the engine asked directly."""
    direct = rows[0]
    lines = _head(
        "gateway",
        "req/s c1/16/64",
        "p50 ms c1/16/64",
        "p99 ms c1/16/64",
        "added p50 ms c1",
        "added p99 ms c1",
        "stream req/s c1/16/64",
        "stream p50 ms c1/16/64",
        "stream p99 ms c16/64",
        "added first byte ms c1",
        "CPU ms/req c1/16/64",
        "stream CPU ms/req c16",
        "MiB idle, loaded",
        "start s",
        "failed",
    )
    for row in rows:
        plain = [row[f"plain_{c}"] for c in CONCURRENCIES]
        stream = [row[f"stream_{c}"] for c in CONCURRENCIES]
        lines.append(
            _line(
                row["name"],
                " / ".join(f"{one['req_s']:.0f}" for one in plain),
                " / ".join(f"{one['p50_ms']:.2f}" for one in plain),
                " / ".join(f"{one['p99_ms']:.1f}" for one in plain),
                f"{plain[0]['p50_ms'] - direct['plain_1']['p50_ms']:.2f}",
                f"{plain[0]['p99_ms'] - direct['plain_1']['p99_ms']:.1f}",
                " / ".join(f"{one['req_s']:.0f}" for one in stream),
                " / ".join(f"{one['p50_ms']:.2f}" for one in stream),
                " / ".join(f"{one['p99_ms']:.1f}" for one in stream[1:]),
                f"{row['first_byte']['p50_ms'] - direct['first_byte']['p50_ms']:.2f}",
                " / ".join(_number(one.get("cpu_ms"), 3) for one in plain),
                _number(stream[1].get("cpu_ms"), 3),
                f"{_number(row['idle_mib'], 0)}, {_number(row['loaded_mib'], 0)}",
                _number(row["start_s"], 2),
                str(sum(one["failed"] for one in plain + stream)),
            )
        )
    return "\n".join(lines)


def ratios(rows: Sequence[Row]) -> str:
    """Each other gateway divided by this router; below 1 it needs or takes less; for req/s it does less."""
    direct = rows[0]
    own = next((row for row in rows if row["name"] == OWN), None)
    if own is None:
        return ""
    lines = _head(
        f"÷ {OWN}",
        "req/s c1/16/64",
        "added p50 c1",
        "p99 c64",
        "stream req/s c1/16/64",
        "stream p99 c64",
        "added first byte c1",
        "CPU/req c1/16/64",
        "stream CPU/req c1/16/64",
        "MiB loaded",
        "start",
    )

    def added(row: Row, cell: str) -> float:
        return float(row[cell]["p50_ms"] - direct[cell]["p50_ms"])

    for row in rows[1:]:
        if row is not own:
            lines.append(
                _line(
                    row["name"],
                    _each(row, own, "plain", "req_s"),
                    _ratio(added(row, "plain_1"), added(own, "plain_1")),
                    _ratio(row["plain_64"]["p99_ms"], own["plain_64"]["p99_ms"]),
                    _each(row, own, "stream", "req_s"),
                    _ratio(row["stream_64"]["p99_ms"], own["stream_64"]["p99_ms"]),
                    _ratio(added(row, "first_byte"), added(own, "first_byte")),
                    _each(row, own, "plain", "cpu_ms"),
                    _each(row, own, "stream", "cpu_ms"),
                    _ratio(row["loaded_mib"], own["loaded_mib"]),
                    _ratio(row["start_s"], own["start_s"]),
                )
            )
    return "\n".join(lines)


def _each(row: Row, own: Row, kind: str, name: str) -> str:
    """The ratio at each concurrency."""
    cells = [f"{kind}_{concurrency}" for concurrency in CONCURRENCIES]
    return " / ".join(_ratio(row[cell].get(name, 0.0), own[cell].get(name, 0.0)) for cell in cells)


def _head(*names: str) -> list[str]:
    return [_line(*names), "|" + "---|" * len(names)]


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _ratio(value: float, own: float) -> str:
    return f"{value / own:.2f}" if own > 0 and value > 0 else "–"
