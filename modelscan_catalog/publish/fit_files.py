"""The fit matrix as it is published: a GPU's every cell in Parquet, each variant's best answer in JSON."""

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb

from modelscan_catalog.errors import PublishError

COLUMNS = (
    "variant",
    "verdict",
    "count",
    "tp",
    "pp",
    "context",
    "binding",
    "weights_gib",
    "kv_pool_gib",
    "max_context",
    "max_concurrency",
    "missing_gib",
    "decode_tok_s_low",
    "decode_tok_s_high",
)
"""Of a row in ``fit/<gpu>.json``; GiB are per GPU of the largest rank."""

# Each variant at its declared context with the checkpoint's own KV dtype; the fewest cards that hold it, and
# where none do the largest count that was tried, with what is missing there.
_BEST = """
    SELECT variant_id, verdict, count, tp, pp, context, binding,
           round(weights_gib::DOUBLE, 3), round(kv_pool_gib::DOUBLE, 3), max_context,
           round(max_concurrency::DOUBLE, 2), round(missing_gib::DOUBLE, 3),
           round(decode_tok_s_low::DOUBLE, 1), round(decode_tok_s_high::DOUBLE, 1)
    FROM cells
    WHERE context_is_declared AND kv_dtype = 'auto'
    QUALIFY row_number() OVER (
        PARTITION BY variant_id
        ORDER BY CASE verdict WHEN 'fits' THEN 0 WHEN 'tight' THEN 1 WHEN 'does_not_fit' THEN 2 ELSE 3 END,
                 CASE WHEN verdict IN ('fits', 'tight') THEN count ELSE -count END) = 1
    ORDER BY variant_id
"""


def write_fit_files(matrix: Path, gpu: str, directory: Path) -> dict[str, int]:
    """Write ``<gpu>.parquet`` and ``<gpu>.json`` below ``directory`` from the profile's matrix file.

    Returns its cells by verdict. Raises ``PublishError`` when the matrix file cannot be read.
    """
    directory.mkdir(parents=True, exist_ok=True)
    source = matrix / f"{gpu}.parquet"
    try:
        with duckdb.connect() as connection:
            connection.execute("SET threads = 1")
            connection.read_parquet(str(source)).create_view("cells")
            rows = connection.execute(_BEST).fetchall()
            counted = connection.execute("SELECT verdict, count(*) FROM cells GROUP BY 1").fetchall()
    except duckdb.Error as error:
        raise PublishError(f"{source}: the fit of {gpu} cannot be read: {error}; build it anew") from error
    shutil.copyfile(source, directory / source.name)
    (directory / f"{gpu}.json").write_bytes(_json(gpu, rows))
    return {str(verdict): int(cells) for verdict, cells in counted}


def _json(gpu: str, rows: list[tuple[Any, ...]]) -> bytes:
    """Rows of variants with an answer, names of refused ones by reason; the unknown stay in Parquet."""
    answered = [row for row in rows if row[1] not in ("unsupported", "unknown")]
    lines = ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in answered)
    refused: dict[str, list[str]] = {}
    for variant, verdict, *_, binding in (row[:7] for row in rows):
        if verdict == "unsupported":
            refused.setdefault(str(binding), []).append(variant)
    head = json.dumps({"gpu": gpu, "columns": COLUMNS, "unsupported": refused}, sort_keys=True)[:-1]
    return f'{head}, "rows": [\n{lines}\n]}}\n'.encode()
