"""The matrix: its cells are the single formulas' answers, its bytes depend on nothing but its inputs."""

from __future__ import annotations

import math
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fit_plan_samples import ALL, LLAMA, LLAMA_GGUF, MOE_FP8, R1, R1_GGUF, SLIDING
from hypothesis import given, settings
from hypothesis import strategies as st

from modelscan_catalog.fit import formulas
from modelscan_catalog.fit.candidates import Placement, judge
from modelscan_catalog.fit.card_rules import card_rules
from modelscan_catalog.fit.matrix import (
    MATRIX_SCHEMA,
    matrix_partition,
    partition_file,
    write_matrix,
)
from modelscan_catalog.fit.matrix_cells import VERDICTS
from modelscan_catalog.fit.matrix_terms import COUNTS, KV_DTYPES, FitVariant, build_terms, resident_gib
from modelscan_catalog.fit.memory import Plan, variant_terms
from modelscan_catalog.fit.profiles import GpuProfile, find_profile
from modelscan_catalog.fit.quantization import scheme_of
from modelscan_catalog.fit.weights import Parallel

TERMS = build_terms(ALL)
H100, T4, L40S = (find_profile(name) for name in ("h100-80gb", "t4", "l40s"))


def rows(profile: GpuProfile, variants: list[FitVariant] | None = None) -> list[dict[str, Any]]:
    """The partition's rows as dictionaries."""
    terms = TERMS if variants is None else build_terms(variants)
    return matrix_partition(terms, profile).to_pylist()


def cell(
    found: list[dict[str, Any]], variant: FitVariant, count: int, context: int | None, kv: str
) -> dict[str, Any]:
    """One row; context None is the declared one."""
    (row,) = [
        row
        for row in found
        if row["variant_id"] == variant.variant_id
        and row["count"] == count
        and row["kv_dtype"] == kv
        and (row["context_is_declared"] if context is None else row["context"] == context)
        and row["context_is_declared"] == (context is None)
    ]
    return row


def test_a_partition_has_every_cell_once_under_the_schema_in_order() -> None:
    table = matrix_partition(TERMS, H100)
    assert table.schema == MATRIX_SCHEMA
    assert len(table) == len(ALL) * len(COUNTS) * len(KV_DTYPES) * 4
    keys = [
        (row["variant_id"], row["count"], row["kv_dtype"], row["context_is_declared"], row["context"] or 0)
        for row in table.to_pylist()
    ]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)
    assert set(table.column("gpu").to_pylist()) == {"h100-80gb"}


@pytest.mark.parametrize("gpu", ["h100-80gb", "rtx-4090", "a100-40gb", "mi300x", "gb10"])
@pytest.mark.parametrize("kv", KV_DTYPES)
def test_cells_are_what_the_formulas_say_with_scalars(gpu: str, kv: str) -> None:
    profile = find_profile(gpu)
    found = rows(profile, [LLAMA, SLIDING])
    for variant in (LLAMA, SLIDING):
        for count in (1, 2):
            assert variant.architecture is not None
            assert variant.scheme is not None
            card = card_rules(
                profile.memory.gib,
                profile.name,
                rocm=profile.vendor == "amd",
                unified=profile.unified_memory,
                ranks=count,
                pcie=profile.interconnect == "pcie",
            )
            extra = card.weights_extra_gib + card.reserve_gib
            plan = Plan(parallel=Parallel(tensor=count), kv_cache_dtype=kv)
            terms = variant_terms(variant.architecture, variant.scheme, plan)
            row = cell(found, variant, count, 32768, kv)
            if row["verdict"] == "unsupported":
                assert kv == "fp8"
                continue
            arguments = (profile.memory.gib, card.utilization, card.batched_tokens, card.max_sequences)
            pool = float(formulas.pool_gib(terms, *arguments)) - extra
            assert row["kv_pool_gib"] == pytest.approx(pool, rel=1e-6)
            assert row["weights_gib"] == pytest.approx(
                float(terms.weights_gib) + card.weights_extra_gib, rel=1e-6
            )
            requests = formulas.capacity_requests(terms, pool, 32768.0, card.batched_tokens)
            assert row["max_concurrency"] == pytest.approx(float(requests), rel=1e-6)
            longest = formulas.max_context_tokens(terms, pool, 1.0, card.batched_tokens)
            assert row["max_context"] == int(longest)


def test_a_model_whose_architecture_is_unread_is_refused_by_its_weights_or_unknown() -> None:
    found = rows(H100)
    for row in found:
        if row["variant_id"] == "lab/unread-large":
            assert (row["verdict"], row["binding"]) == ("does_not_fit", "weights")
            assert row["missing_gib"] > 0
            assert row["kv_pool_gib"] is None
        if row["variant_id"] == "lab/unread-small":
            assert (row["verdict"], row["binding"]) == ("unknown", "architecture")
            assert row["weights_gib"] is not None
        if row["variant_id"] == "lab/unread-bare":
            assert row["verdict"] == "unknown"
            assert row["weights_gib"] is None


def test_contexts_above_the_declared_one_are_unsupported_not_refused_for_memory() -> None:
    row = cell(rows(H100), MOE_FP8, 2, 131072, "auto")
    assert (row["verdict"], row["binding"]) == ("unsupported", "context")


def test_cards_without_links_hold_one_engine_each() -> None:
    for gpu in ("h100-80gb-mig-3g.40gb", "strix-halo-128gb"):
        for row in rows(find_profile(gpu), [LLAMA]):
            if row["count"] > 1:
                assert (row["verdict"], row["binding"]) == ("unsupported", "split")


def test_formats_that_a_card_cannot_run_are_unsupported() -> None:
    assert cell(rows(T4), LLAMA, 1, 4096, "fp8")["binding"] == "format"
    apple = rows(find_profile("apple-m4-max-128gb"), [LLAMA, LLAMA_GGUF])
    assert cell(apple, LLAMA, 1, 4096, "auto")["verdict"] == "unsupported"
    assert cell(apple, LLAMA_GGUF, 1, 4096, "auto")["verdict"] == "fits"


def test_gguf_files_that_exceed_the_card_are_left_to_offloading() -> None:
    row = cell(rows(find_profile("rtx-4090"), [R1_GGUF]), R1_GGUF, 1, 4096, "auto")
    assert row["verdict"] == "offload_only"
    assert row["missing_gib"] > 300


def test_fp8_experts_that_no_rank_can_hold_whole_are_split_into_stages() -> None:
    row = cell(rows(L40S), MOE_FP8, 4, 4096, "auto")
    assert (row["tp"], row["pp"]) == (2, 2)


def test_deepseek_r1_needs_many_cards() -> None:
    assert cell(rows(find_profile("rtx-4090")), R1, 1, 4096, "auto")["verdict"] == "does_not_fit"
    assert cell(rows(find_profile("rtx-4090")), R1, 1, 4096, "auto")["missing_gib"] > 600
    assert cell(rows(find_profile("h200-141gb")), R1, 8, 32768, "auto")["verdict"] == "fits"


def test_speed_is_given_only_where_the_engine_starts() -> None:
    for row in rows(H100):
        if row["verdict"] not in {"fits", "tight"}:
            assert row["decode_tok_s_low"] is None
            assert row["basis"] is None
        elif row["decode_tok_s_low"] is not None:
            assert row["decode_tok_s_low"] < row["decode_tok_s_high"]
            assert row["basis"] == "roofline"


@settings(max_examples=25, deadline=None)
@given(st.floats(min_value=4, max_value=300), st.floats(min_value=1.0, max_value=2.0))
def test_more_memory_never_makes_a_verdict_worse(gib: float, factor: float) -> None:
    rank = {"fits": 0, "tight": 1, "does_not_fit": 2}
    known = replace(L40S, memory_gib_driver_low=None, memory_gib_driver_high=None)
    # Below 70 GiB and above 160 GiB the engine changes its default batch, which costs memory of its own.
    bounded = [value for value in (gib, gib * factor) if value < 69 or 71 < value < 159 or value > 161]
    if (
        len(bounded) < 2
        or sum(value < 70 for value in bounded) == 1
        or sum(value < 160 for value in bounded) == 1
    ):
        return
    small = matrix_partition(TERMS, replace(known, memory_gib_driver=bounded[0])).to_pylist()
    large = matrix_partition(TERMS, replace(known, memory_gib_driver=bounded[1])).to_pylist()
    for before, after in zip(small, large, strict=True):
        if before["verdict"] in rank and after["verdict"] != "unknown":
            assert rank[after["verdict"]] <= rank[before["verdict"]]
        if before["max_context"] is not None and after["max_context"] is not None:
            assert after["max_context"] >= before["max_context"]


def test_a_longer_context_never_holds_more_requests_and_never_fits_better() -> None:
    rank = {"fits": 0, "tight": 1, "does_not_fit": 2}
    grouped: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows(H100):
        if not row["context_is_declared"] and row["verdict"] in rank and row["max_concurrency"] is not None:
            grouped.setdefault((row["variant_id"], row["count"], row["kv_dtype"]), []).append(row)
    assert grouped
    for group in grouped.values():
        assert [row["context"] for row in group] == sorted(row["context"] for row in group)
        requests = [row["max_concurrency"] for row in group]
        assert requests == sorted(requests, reverse=True)
        verdicts = [rank[row["verdict"]] for row in group]
        assert verdicts == sorted(verdicts)


def test_more_cards_of_a_kind_never_make_a_weight_bound_verdict_worse() -> None:
    found = rows(find_profile("h200-141gb"), [R1])
    pools = [cell(found, R1, count, 4096, "auto")["missing_gib"] for count in COUNTS]
    assert pools == sorted(pools, reverse=True)


def test_equal_inputs_give_equal_bytes_in_any_order_of_variants() -> None:
    first = partition_file(build_terms(ALL), H100)
    assert partition_file(build_terms(list(reversed(ALL))), H100) == first


def test_a_process_pool_writes_the_same_files(tmp_path: Path) -> None:
    profiles = [H100, T4, L40S]
    counts = write_matrix(TERMS, profiles, tmp_path / "one")
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        assert write_matrix(ALL, profiles, tmp_path / "pool", pool) == counts
    assert _bytes(tmp_path / "one") == _bytes(tmp_path / "pool")
    assert sum(counts["t4"].values()) == len(ALL) * 32
    assert set(counts["t4"]) <= set(VERDICTS)


def test_a_dask_cluster_writes_the_same_files(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    write_matrix(TERMS, [H100, T4], tmp_path / "one")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        write_matrix(ALL, [H100, T4], tmp_path / "dask", client)
    assert _bytes(tmp_path / "one") == _bytes(tmp_path / "dask")


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_written_partition_reads_back_under_the_schema(tmp_path: Path) -> None:
    write_matrix(TERMS, [H100], tmp_path)
    table = pq.read_table(tmp_path / "h100-80gb.parquet")
    assert table.schema.equals(MATRIX_SCHEMA)
    assert table.equals(matrix_partition(TERMS, H100).cast(table.schema))


def test_an_empty_catalogue_gives_an_empty_partition() -> None:
    assert len(matrix_partition(replace(TERMS, variant_ids=()), H100)) == 0


def test_words_and_numbers_stay_narrow() -> None:
    table = matrix_partition(TERMS, H100)
    assert table.nbytes / len(table) < 90
    assert pa.types.is_dictionary(table.schema.field("verdict").type)
    assert np.isfinite(table.column("weights_gib").drop_null().to_numpy()).all()


def test_no_size_follows_from_the_parameter_count_of_a_packed_checkpoint() -> None:
    packed = replace(LLAMA, architecture=None, weights_bytes=None, parameters=2_000_000_000)

    assert math.isnan(resident_gib(replace(packed, scheme=scheme_of({}, label="awq"))))
    assert resident_gib(replace(packed, scheme=scheme_of({}, label="fp8"))) == pytest.approx(2e9 / (1 << 30))


@pytest.mark.parametrize("variant", [LLAMA, R1, MOE_FP8])
@pytest.mark.parametrize("gpu", ["h100-80gb", "l40s"])
def test_cells_of_sglang_hold_the_share_that_a_plan_takes(variant: FitVariant, gpu: str) -> None:
    profile = find_profile(gpu)
    found = matrix_partition(build_terms([variant], "sglang", "0.5.23"), profile).to_pylist()
    for count in COUNTS:
        row = cell(found, variant, count, 32768, "auto")
        alone = judge(variant, Placement(profile, count, 32768, 1), "sglang", "0.5.23")
        if row["kv_pool_gib"] is not None and alone.kv_pool_gib is not None:
            assert row["kv_pool_gib"] == pytest.approx(alone.kv_pool_gib, rel=1e-5, abs=1e-5)
        assert row["verdict"] == alone.verdict
