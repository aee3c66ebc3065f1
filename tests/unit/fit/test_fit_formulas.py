"""Claims about the array formulas: they broadcast, agree with scalars, and never reward the worse case."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelscan_catalog.fit import formulas
from modelscan_catalog.fit.architecture import Architecture
from modelscan_catalog.fit.architecture_parse import parse_architecture
from modelscan_catalog.fit.formulas import DOES_NOT_FIT, FITS, TIGHT, VariantTerms
from modelscan_catalog.fit.memory import Plan, variant_terms
from modelscan_catalog.fit.quantization import scheme_of
from modelscan_catalog.fit.tables import table
from modelscan_catalog.fit.weights import Parallel

MODELS: dict[str, Any] = table("fit/configs.json")["models"]
SAMPLE = (
    "Qwen/Qwen3-32B",
    "google/gemma-3-27b-it",
    "openai/gpt-oss-20b",
    "Qwen/Qwen3-Next-80B-A3B-Instruct",
    "deepseek-ai/DeepSeek-V3.2",
    "mistralai/Mistral-7B-v0.1",
    "nvidia/Nemotron-H-56B-Base-8K",
)


def terms_of(model: str, ranks: int = 1) -> VariantTerms:
    config = MODELS[model]["config"]
    found = parse_architecture(config)
    assert isinstance(found, Architecture)
    return variant_terms(found, scheme_of(config, model=model), Plan(parallel=Parallel(tensor=ranks)))


TERMS = {model: terms_of(model) for model in SAMPLE}
MODEL = st.sampled_from(SAMPLE)
POOL = st.floats(0.01, 500)
CONTEXT = st.integers(1, 1 << 20)
BATCH = st.sampled_from([512, 2048, 8192])


def test_stacked_variants_give_what_each_gives_alone() -> None:
    stacked = formulas.stack_terms(list(TERMS.values()))
    totals = np.array([[24.0], [80.0], [141.0]])
    pools = formulas.pool_gib(stacked, totals, 0.9, 8192.0, 1024.0)
    requests = formulas.capacity_requests(stacked, np.maximum(pools, 1.0), 32768.0, 8192.0)
    longest = formulas.max_context_tokens(stacked, np.maximum(pools, 1.0), 2.0, 8192.0)

    for row, terms in enumerate(TERMS.values()):
        for column, total in enumerate(totals[:, 0]):
            pool = formulas.pool_gib(terms, float(total), 0.9, 8192.0, 1024.0)
            assert np.asarray(pools)[column, row] == pytest.approx(pool)
            held = max(float(pool), 1.0)
            assert np.asarray(requests)[column, row] == formulas.capacity_requests(
                terms, held, 32768.0, 8192.0
            )
            assert np.asarray(longest)[column, row] == formulas.max_context_tokens(terms, held, 2.0, 8192.0)


@given(MODEL, POOL, POOL, CONTEXT, BATCH)
def test_more_pool_never_holds_fewer_requests(
    model: str, one: float, other: float, context: int, batch: int
) -> None:
    low, high = sorted((one, other))
    less = formulas.capacity_requests(TERMS[model], low, float(context), float(batch))
    more = formulas.capacity_requests(TERMS[model], high, float(context), float(batch))

    assert less <= more


@given(MODEL, CONTEXT, CONTEXT, BATCH)
def test_fewer_tokens_never_need_more_blocks(model: str, one: int, other: int, batch: int) -> None:
    short, long = sorted((one, other))
    assert formulas.request_blocks(TERMS[model], float(short), float(batch)) <= formulas.request_blocks(
        TERMS[model], float(long), float(batch)
    )


@settings(max_examples=300)
@given(MODEL, POOL, st.integers(1, 64), BATCH)
def test_longest_context_fits_and_one_more_block_does_not(
    model: str, pool: float, concurrency: int, batch: int
) -> None:
    terms = TERMS[model]
    blocks = np.floor(formulas.pool_blocks(terms, pool) / concurrency)
    longest = float(formulas.max_context_tokens(terms, pool, float(concurrency), float(batch)))
    if longest > 0:
        assert formulas.request_blocks(terms, longest, float(batch)) <= blocks
    if longest < float(terms.declared_context_tokens):
        step = float(np.max(terms.kind_block_tokens))
        assert formulas.request_blocks(terms, longest + 2 * step, float(batch)) > blocks


@given(MODEL, st.floats(8, 300), st.floats(0.3, 1.0))
def test_pool_lies_within_its_band(model: str, total: float, utilization: float) -> None:
    pool = formulas.pool_gib(TERMS[model], total, utilization, 8192.0, 256.0)
    low, high = formulas.pool_band_gib(TERMS[model], total, utilization, 8192.0, 256.0)

    assert low < pool < high


@given(MODEL, st.integers(1, 2048), st.integers(1, 2048), BATCH)
def test_more_sequences_never_take_less_activation(model: str, one: int, other: int, batch: int) -> None:
    few, many = sorted((one, other))
    assert formulas.activation_gib(TERMS[model], float(batch), float(few)) <= formulas.activation_gib(
        TERMS[model], float(batch), float(many)
    )


def test_need_near_the_budget_is_tight_either_way() -> None:
    codes = formulas.verdict_codes(np.array([90.0, 98.0, 102.0, 104.0]), 100.0, 0.03)

    assert codes.tolist() == [FITS, TIGHT, TIGHT, DOES_NOT_FIT]


def test_doubt_wider_than_the_edge_is_tight() -> None:
    assert formulas.verdict_codes(90.0, 100.0, 0.03, 12.0) == TIGHT


def test_required_memory_is_budget_less_pool_plus_the_requests() -> None:
    terms = TERMS["Qwen/Qwen3-32B"]
    required = formulas.required_gib(terms, 8192.0, 4.0, 8192.0, 256.0)
    pool = formulas.pool_gib(terms, 100.0, 0.9, 8192.0, 256.0)

    assert required == pytest.approx(
        90.0 - float(pool) + 4 * float(formulas.request_gib(terms, 8192.0, 8192.0))
    )
