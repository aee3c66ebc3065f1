"""The fit of the whole catalogue on every card, by the single answer's formulas: one Parquet file a profile.

A partition holds variants x counts x KV dtypes x contexts. It needs only the stacked terms and its profile,
so partitions run in this process, in a pool of processes, or on a Dask cluster, and give the same bytes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from modelscan_catalog.fit.matrix_cells import (
    BINDINGS,
    CONTEXTS,
    UNSUPPORTED,
    VERDICTS,
    CardCells,
    Codes,
    card_cells,
    evaluate_cells,
    refusals,
)
from modelscan_catalog.fit.matrix_terms import (
    COUNTS,
    KV_DTYPES,
    Executor,
    FitVariant,
    MatrixTerms,
    build_terms,
    slice_terms,
)
from modelscan_catalog.fit.profiles import GpuProfile
from modelscan_catalog.fit.speed import BASIS
from modelscan_catalog.store import write_bytes

CHUNK_VARIANTS = 256
"""Variants computed at a time: their arrays stay in the processor's cache. The bytes do not depend on it."""
BATCH, AHEAD = 4, 8
"""Profiles a task computes, so that a process gets the terms seldom; tasks under way at once."""

_TEXT = pa.dictionary(pa.int32(), pa.string())
_WORD = pa.dictionary(pa.int8(), pa.string())
MATRIX_SCHEMA = pa.schema(
    [
        pa.field("variant_id", _TEXT, nullable=False),
        pa.field("gpu", _TEXT, nullable=False),
        pa.field("count", pa.int8(), nullable=False),
        pa.field("tp", pa.int8()),
        pa.field("pp", pa.int8()),
        pa.field("context", pa.int32()),
        pa.field("context_is_declared", pa.bool_(), nullable=False),
        pa.field("kv_dtype", _WORD, nullable=False),
        pa.field("verdict", _WORD, nullable=False),
        pa.field("binding", _WORD),
        pa.field("weights_gib", pa.float32()),
        pa.field("kv_pool_gib", pa.float32()),
        pa.field("max_context", pa.int32()),
        pa.field("max_concurrency", pa.float32()),
        pa.field("missing_gib", pa.float32()),
        pa.field("headroom_gib", pa.float32()),
        pa.field("decode_tok_s_low", pa.float32()),
        pa.field("decode_tok_s_high", pa.float32()),
        pa.field("basis", _WORD),
    ]
)
"""GiB are per GPU of the largest rank; tokens, requests and tokens per second are for the whole engine."""


def _numbers(values: Any, known: NDArray[np.bool_], dtype: Any) -> pa.Array[Any]:
    """A column of `dtype` over the cells of `known`, null where that is false."""
    data = np.zeros(known.shape, dtype=dtype)
    np.copyto(data, values, where=known, casting="unsafe")
    column: Any = pa.array(data.reshape(-1), mask=~known.reshape(-1))
    return cast("pa.Array[Any]", column)


def _words(codes: NDArray[Any], words: Sequence[str]) -> pa.Array[Any]:
    flat = np.ascontiguousarray(codes).reshape(-1)
    indices: Any = pa.array(flat, type=pa.int8(), mask=flat < 0)
    column: Any = pa.DictionaryArray.from_arrays(indices, pa.array(words, type=pa.string()))
    return cast("pa.Array[Any]", column)


def _block(
    terms: MatrixTerms,
    profile: GpuProfile,
    card: CardCells,
    refusal: tuple[Codes, Codes],
    start: int,
    names: pa.Array[Any],
    gpu: pa.Array[Any],
) -> pa.RecordBatch:
    cells = evaluate_cells(terms, profile, card, refusal)
    shape = cells.verdict.shape
    size, per_variant = int(np.prod(shape)), int(np.prod(shape[1:]))
    places: Any = pa.array(np.repeat(np.arange(start, start + shape[0], dtype=np.int32), per_variant))
    zeros: Any = pa.array(np.zeros(size, dtype=np.int32))
    # Unread models are held against the whole card: what exceeds that fits at no utilization.
    limit = np.where(terms.modelled[:, None, None, None], card.budget_gib, card.total_gib)
    short = cells.required_gib - limit
    has_speed = cells.started & np.isfinite(cells.decode_low)
    legal = np.broadcast_to(terms.split_legal[:, :, None, None], shape)
    weighed = cells.counted | (terms.has_weights[:, None, None, None] & (cells.verdict != UNSUPPORTED))
    counts = np.array(COUNTS, dtype=np.int8)[None, :, None, None]
    declared = np.arange(len(CONTEXTS) + 1) == len(CONTEXTS)
    dtypes = np.arange(len(KV_DTYPES), dtype=np.int8)[:, None]
    columns = [
        pa.DictionaryArray.from_arrays(places, names),
        pa.DictionaryArray.from_arrays(zeros, gpu),
        pa.array(np.broadcast_to(counts, shape).reshape(-1)),
        _numbers(terms.tp[:, :, None, None], legal, np.int8),
        _numbers(terms.pp[:, :, None, None], legal, np.int8),
        _numbers(cells.contexts, np.broadcast_to(np.isfinite(cells.contexts), shape), np.int32),
        pa.array(np.broadcast_to(declared, shape).reshape(-1)),
        _words(np.broadcast_to(dtypes, shape), KV_DTYPES),
        _words(cells.verdict, VERDICTS),
        _words(cells.binding, BINDINGS),
        _numbers(terms.memory.weights_gib + card.weights_extra_gib, weighed, np.float32),
        _numbers(cells.pool_gib, cells.modelled, np.float32),
        _numbers(cells.max_context, cells.modelled, np.int32),
        _numbers(cells.concurrency, cells.modelled, np.float32),
        _numbers(np.maximum(short, 0.0), cells.counted, np.float32),
        _numbers(np.maximum(-short, 0.0), cells.modelled, np.float32),
        _numbers(cells.decode_low, has_speed, np.float32),
        _numbers(cells.decode_high, has_speed, np.float32),
        _words(np.where(has_speed, np.int8(0), np.int8(-1)), (BASIS,)),
    ]
    return pa.record_batch(columns, schema=MATRIX_SCHEMA)


def matrix_partition(terms: MatrixTerms, profile: GpuProfile) -> pa.Table:
    """Every cell of one GPU profile as a table of `MATRIX_SCHEMA`: by variant, count, KV dtype, context."""
    if not terms.variant_ids:
        return MATRIX_SCHEMA.empty_table()
    verdict, binding = refusals(terms, profile)
    card = card_cells(profile, terms)
    names = pa.array(terms.variant_ids, type=pa.string())
    gpu = pa.array([profile.id], type=pa.string())
    blocks = []
    for start in range(0, len(terms.variant_ids), CHUNK_VARIANTS):
        stop = start + CHUNK_VARIANTS
        part = slice_terms(terms, start, stop)
        refusal = (verdict[start:stop], binding[start:stop])
        blocks.append(_block(part, profile, card.part(start, stop), refusal, start, names, gpu))
    return pa.Table.from_batches(blocks, schema=MATRIX_SCHEMA)


Written = tuple[bytes, dict[str, int]]
"""A partition's Parquet file and its cells by verdict."""


def partition_file(terms: MatrixTerms, profile: GpuProfile) -> Written:
    """A partition as a Parquet file: equal inputs give equal bytes, wherever it is computed."""
    table = matrix_partition(terms, profile)
    sink = pa.BufferOutputStream()
    words: Any = [field.name for field in MATRIX_SCHEMA if pa.types.is_dictionary(field.type)]
    pq.write_table(
        table,
        sink,
        compression="zstd",
        compression_level=1,
        row_group_size=1 << 20,
        use_dictionary=words,
        write_statistics=False,
    )
    counted: Any = table.column("verdict").value_counts()
    counts = {str(entry["values"]): int(entry["counts"]) for entry in counted.to_pylist()}
    return sink.getvalue().to_pybytes(), dict(sorted(counts.items()))


def partition_files(terms: MatrixTerms, profiles: Sequence[GpuProfile]) -> list[Written]:
    """Partitions of some profiles; the unit of work of an executor."""
    return [partition_file(terms, profile) for profile in profiles]


def _results(
    terms: MatrixTerms, profiles: Sequence[GpuProfile], executor: Executor | None
) -> Iterator[Written]:
    """Partitions in the profiles' order; a few batches ahead at a time, so that memory stays bounded."""
    batches = [profiles[start : start + BATCH] for start in range(0, len(profiles), BATCH)]
    if executor is None:
        for batch in batches:
            yield from partition_files(terms, batch)
        return
    scatter = getattr(executor, "scatter", None)
    shared = scatter(terms, broadcast=True, hash=False) if scatter is not None else terms
    ahead: deque[Any] = deque()
    for batch in batches:
        ahead.append(executor.submit(partition_files, shared, batch))
        if len(ahead) >= AHEAD:
            yield from ahead.popleft().result()
    while ahead:
        yield from ahead.popleft().result()


def write_matrix(
    variants: Sequence[FitVariant] | MatrixTerms,
    profiles: Iterable[GpuProfile],
    out_dir: Path,
    executor: Executor | None = None,
    on_written: Callable[[int], None] | None = None,
) -> dict[str, dict[str, int]]:
    """Write `<out_dir>/<gpu>.parquet` for every profile and return its cells by verdict.

    `executor`: None for this process, a `concurrent.futures` pool, or a `distributed.Client`; the files'
    bytes do not depend on it. Each file appears whole or not at all; `on_written` is told how many there are.
    """
    terms = variants if isinstance(variants, MatrixTerms) else build_terms(variants, executor=executor)
    chosen = list(profiles)
    counts: dict[str, dict[str, int]] = {}
    for profile, (content, counted) in zip(chosen, _results(terms, chosen, executor), strict=True):
        write_bytes(out_dir / f"{profile.id}.parquet", content)
        counts[profile.id] = counted
        if on_written is not None:
            on_written(len(counts))
    return counts
