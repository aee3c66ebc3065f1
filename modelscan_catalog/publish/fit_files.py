"""The fit as it is published, a GPU a file: every count in Parquet, each variant's best answer in JSON."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from modelscan_catalog.errors import PublishError
from modelscan_catalog.fit.checkpoints import StoredConfig
from modelscan_catalog.records import Variant
from modelscan_catalog.store import write_bytes, write_table

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
    QUALIFY row_number() OVER (
        PARTITION BY variant_id
        ORDER BY CASE verdict WHEN 'fits' THEN 0 WHEN 'tight' THEN 1 WHEN 'does_not_fit' THEN 2 ELSE 3 END,
                 CASE WHEN verdict IN ('fits', 'tight') THEN count ELSE -count END) = 1
    ORDER BY variant_id
"""


def published_variants(
    variants: Iterable[Variant], configs: Mapping[str, StoredConfig], most: int
) -> frozenset[str]:
    """The at most ``most`` variants whose fit is published: every model's most downloaded ones in turn.

    The matrix of all variants stays in the data directory; this bound keeps the registry fit for git.
    """
    known = [variant for variant in variants if variant.id in configs]
    known.sort(key=lambda variant: (-(variant.downloads or 0), variant.id))
    place: Counter[str] = Counter()
    turns: list[tuple[int, int, str]] = []
    for variant in known:
        turns.append((place[variant.model], len(turns), variant.id))
        place[variant.model] += 1
    return frozenset(identifier for _, _, identifier in sorted(turns)[:most])


def write_fit_files(matrix: Path, gpu: str, variants: Collection[str], directory: Path) -> dict[str, int]:
    """Write ``<gpu>.parquet`` and ``<gpu>.json`` below ``directory`` from the profile's matrix file.

    Both hold ``variants`` at their declared context with the checkpoint's own KV dtype; the Parquet file has
    every count. Returns all cells of the matrix file by verdict. Raises ``PublishError`` when unreadable.
    """
    source = matrix / f"{gpu}.parquet"
    try:
        cells = pq.read_table(source)
    except (OSError, pa.ArrowException) as error:
        raise PublishError(f"{source}: the fit of {gpu} cannot be read: {error}; build it anew") from error
    tally = cells["verdict"].value_counts()
    counted = dict(zip(tally.field("values").to_pylist(), tally.field("counts").to_pylist(), strict=True))
    wanted = pc.field("variant_id").cast(pa.string()).isin(sorted(variants))
    declared = pc.field("context_is_declared") & (pc.field("kv_dtype").cast(pa.string()) == "auto")
    kept = cells.filter(wanted & declared).drop_columns(["context_is_declared", "kv_dtype", "gpu"])
    kept = kept.set_column(0, "variant_id", kept["variant_id"].cast(pa.string()).dictionary_encode())
    write_table(directory / source.name, kept)
    with duckdb.connect() as connection:
        connection.register("cells", kept)
        rows = connection.execute(_BEST).fetchall()
    write_bytes(directory / f"{gpu}.json", _json(gpu, rows))
    return {str(verdict): count for verdict, count in counted.items() if count}


def declared_verdicts(matrix_file: Path, count: int) -> dict[str, int]:
    """Variants by verdict on ``count`` cards, at their declared context with their own KV dtype."""
    wanted = pc.field("context_is_declared") & (pc.field("count") == count)
    cells = pq.read_table(matrix_file, columns=["verdict", "kv_dtype"], filters=wanted).to_pydict()
    own = (
        verdict for verdict, dtype in zip(cells["verdict"], cells["kv_dtype"], strict=True) if dtype == "auto"
    )
    return dict(Counter(own))


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
