"""What the explorer knows of the fit: a small file a GPU for every count, and one overview of all GPUs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from modelscan_catalog.errors import PublishError

VERDICTS = ("fits", "tight", "does_not_fit", "offload_only", "unsupported", "unknown")
"""A cell begins with a position in this list."""

SHORT_OF = ("weights", "kv_cache", "overhead", "format", "split")
"""What is short, or why no engine serves it; a cell gives a position in this list."""

CELL_OF_RUNNING = (
    "verdict", "max_concurrency", "kv_pool_gib", "decode_tok_s_low", "decode_tok_s_high", "tp", "pp",
)  # fmt: skip
CELL_OF_OTHERS = ("verdict", "binding", "missing_gib", "kv_pool_gib", "max_context", "tp", "pp")
"""Columns of a cell; ``tp`` and ``pp`` are left out where all cards work on each layer together.

``kv_pool_gib`` is what a card has left for the KV cache, below zero where the rest alone is too much.
"""

_COLUMNS = [
    "variant_id", "verdict", "count", "tp", "pp", "binding", "weights_gib", "kv_pool_gib", "max_context",
    "max_concurrency", "missing_gib", "decode_tok_s_low", "decode_tok_s_high", "context",
]  # fmt: skip


def fit_rows(registry: Path, gpu: str) -> list[dict[str, Any]]:
    """The rows of ``fit/<gpu>.parquet``; raises ``PublishError`` when it cannot be read."""
    path = registry / "fit" / f"{gpu}.parquet"
    try:
        return pq.read_table(path, columns=_COLUMNS).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise PublishError(f"{path}: cannot be read: {error}; run `modelscan build`") from error


def gpu_cells(rows: Sequence[Mapping[str, Any]], variants: Sequence[str]) -> dict[str, list[Any]]:
    """Count → for each of ``variants`` its cell, null where there is no row or the verdict is unknown.

    Counts at which nothing is split, as of slices and of cards without a link, are left out.
    """
    position = {variant: place for place, variant in enumerate(variants)}
    cells: dict[str, list[Any]] = {}
    alone = _counts_never_split(rows)
    for row in rows:
        if row["count"] in alone:
            continue
        column = cells.setdefault(str(row["count"]), [None] * len(variants))
        if row["verdict"] != "unknown":
            column[position[row["variant_id"]]] = _cell(row)
    return dict(sorted(cells.items(), key=lambda item: int(item[0])))


def _counts_never_split(rows: Sequence[Mapping[str, Any]]) -> set[int]:
    bindings: dict[int, set[str | None]] = {}
    for row in rows:
        refused = row["verdict"] == "unsupported"
        bindings.setdefault(row["count"], set()).add(row["binding"] if refused else None)
    return {count for count, of in bindings.items() if "split" in of and of <= {"split", "format"}}


def _cell(row: Mapping[str, Any]) -> list[Any]:
    cell: list[Any] = [VERDICTS.index(row["verdict"])]
    if row["verdict"] in ("fits", "tight"):
        cell += [_rounded(row[name], 3) for name in ("max_concurrency", "kv_pool_gib")]
        cell += [_rounded(row[name]) for name in ("decode_tok_s_low", "decode_tok_s_high")]
    else:
        binding = row["binding"]
        cell.append(SHORT_OF.index(binding) if binding in SHORT_OF else binding)
        if row["verdict"] == "unsupported":
            return cell
        cell += [_rounded(row[name], 3) for name in ("missing_gib", "kv_pool_gib")]
        cell.append(row["max_context"])
    return cell if (row["tp"], row["pp"]) == (row["count"], 1) else [*cell, row["tp"], row["pp"]]


def weights_by_split(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float | int]]:
    """Variant → ``tp×pp`` → GiB of weights a card; the least over GPUs: ROCm logs 0.2 GiB more with them."""
    weights: dict[str, dict[str, float | int]] = {}
    for row in rows:
        gib = _rounded(row["weights_gib"], 3)
        if gib is not None:
            splits = weights.setdefault(row["variant_id"], {})
            split = f"{row['tp']}x{row['pp']}"
            splits[split] = min(gib, splits.get(split, gib))
    return weights


def declared_contexts(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Variant → the context, in tokens, that its verdicts are about."""
    return {row["variant_id"]: row["context"] for row in rows if row["context"] is not None}


def _rounded(value: float | None, digits: int = 2) -> float | int | None:
    """So many digits, from a hundred on whole numbers: what the pages show, and no more bytes than that."""
    if value is None:
        return None
    short = round(value) if abs(value) >= 100 else float(f"{value:.{digits}g}")
    return int(short) if float(short).is_integer() else short


def fewest_cards(rows: Sequence[Mapping[str, Any]], variants: Sequence[str]) -> dict[str, str]:
    """Variant → one character: the fewest cards that hold it (1, 2, 4 or 8), else why there is no count.

    ``-`` even the largest count does not hold it, ``x`` no engine serves it there, ``?`` unknown.
    """
    running: dict[str, int] = {}
    verdicts: dict[str, set[str]] = {}
    for row in rows:
        variant, count = row["variant_id"], row["count"]
        verdicts.setdefault(variant, set()).add(row["verdict"])
        if row["verdict"] in ("fits", "tight"):
            running[variant] = min(count, running.get(variant, count))
    return {variant: _sign(running.get(variant), verdicts.get(variant, set())) for variant in variants}


def _sign(count: int | None, verdicts: set[str]) -> str:
    if count is not None:
        return str(count)
    if not verdicts or verdicts == {"unknown"}:
        return "?"
    return "x" if verdicts <= {"unsupported", "unknown"} else "-"
