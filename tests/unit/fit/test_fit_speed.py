"""Speed: published runs lie in the bands, and faster hardware never makes an estimate slower."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.fit.architecture import Architecture, Attention, Dense, Experts, Layer
from modelscan_catalog.fit.profiles import find_profile
from modelscan_catalog.fit.speed import (
    UNKNOWN_SPEED,
    Hardware,
    SpeedTerms,
    blended_usd_per_mtok,
    break_even_load,
    break_even_tokens_per_s,
    compute_tflops,
    decode_band,
    decode_tokens_per_s,
    hardware,
    read_share,
    speed_constants,
    speed_terms,
    ttft_band,
    usd_per_mtok,
)

GIB = 2.0**30


def decoder(
    layers: int,
    hidden: int,
    heads: int,
    kv_heads: int,
    feed_forward: Dense | Experts,
    vocabulary: int,
    tied: bool,
) -> Architecture:
    """A plain decoder with head size 128."""
    attention = Attention(kind="full", heads=heads, kv_heads=kv_heads, head_dim=128, value_dim=128)
    return Architecture(
        model_type="llama",
        name="LlamaForCausalLM",
        layers=(Layer(mixer=attention, feed_forward=feed_forward, norm_elements=2 * hidden),) * layers,
        draft_layers=(),
        draft_elements=0,
        hidden=hidden,
        vocabulary=vocabulary,
        tied=tied,
        intermediate=getattr(feed_forward, "intermediate", 0),
        context=131072,
        dtype_bytes=2,
        rope=None,
        vision=None,
    )


LLAMA_8B = decoder(32, 4096, 32, 8, Dense(14336), 128256, tied=False)
QWEN_600M = decoder(28, 1024, 16, 8, Dense(3072), 151936, tied=True)
QWEN_30B_A3B = decoder(48, 2048, 32, 4, Experts(experts=128, top_k=8, intermediate=768), 151936, tied=False)


@pytest.mark.parametrize(
    ("architecture", "gpu", "weights_gib", "kv_gib", "measured"),
    [
        (LLAMA_8B, "a100-40gb", 14.96, 0.13, 75.0),
        (QWEN_600M, "h20-96gb", 1.11, 0.06, 414.17),
    ],
    ids=["Llama-3.1-8B on A100 40GB, vLLM 0.23", "Qwen3-0.6B on H20, SGLang 0.4.6"],
)
def test_published_single_stream_runs_lie_in_the_band(
    architecture: Architecture, gpu: str, weights_gib: float, kv_gib: float, measured: float
) -> None:
    profile = find_profile(gpu)
    machine = hardware(profile, compute_tflops(profile, "none"), 1.0, 1.0)
    band = decode_band(speed_terms(architecture), machine, weights_gib, kv_gib, 1.0)
    assert band.low < measured < band.high
    assert band.low < band.point < band.high
    assert band.basis == "roofline"


def test_active_parameters_are_those_a_token_meets() -> None:
    assert speed_terms(LLAMA_8B).active_parameters == pytest.approx(8.03e9 - 128256 * 4096, rel=0.005)
    assert speed_terms(QWEN_30B_A3B).active_parameters == pytest.approx(3.03e9, rel=0.03)


def test_a_mixture_of_experts_reads_a_growing_share_of_itself_with_the_batch() -> None:
    terms = speed_terms(QWEN_30B_A3B)
    single, wide, full = (float(read_share(terms, batch)) for batch in (1.0, 16.0, 4096.0))
    assert single < 0.15
    assert single < wide < full <= 1.0
    dense = speed_terms(LLAMA_8B)
    assert float(read_share(dense, 1.0)) == float(read_share(dense, 512.0))


def test_products_run_in_the_checkpoints_dtype_only_where_the_card_does_so_natively() -> None:
    h100, a100, t4 = find_profile("h100-80gb"), find_profile("a100-80gb"), find_profile("t4")
    assert compute_tflops(h100, "fp8") == 1978.0
    assert compute_tflops(a100, "fp8") == 312.0
    assert compute_tflops(h100, "awq") == 989.0
    assert compute_tflops(h100, "nvfp4") == 989.0
    assert compute_tflops(find_profile("b200"), "nvfp4") == 9000.0
    assert compute_tflops(t4, "none") == 65.0
    assert math.isnan(compute_tflops(find_profile("a16"), "none"))


def test_unknown_inputs_give_an_unknown_speed_instead_of_a_guess() -> None:
    profile = find_profile("b300")
    machine = hardware(profile, 2250.0, 1.0, 1.0)
    assert not decode_band(UNKNOWN_SPEED, machine, 10.0, 1.0, 1.0).known
    blank = Hardware(math.nan, 100.0, 64.0, 1.0, 1.0)
    assert not decode_band(speed_terms(LLAMA_8B), blank, 10.0, 1.0, 1.0).known
    no_flops = Hardware(1000.0, math.nan, 64.0, 1.0, 1.0)
    assert decode_band(speed_terms(LLAMA_8B), no_flops, 10.0, 1.0, 1.0).known
    assert not ttft_band(speed_terms(LLAMA_8B), no_flops, 1000.0).known


def test_prefill_of_an_8b_model_on_h100_takes_tenths_of_a_second_for_8k_tokens() -> None:
    profile = find_profile("h100-80gb")
    band = ttft_band(speed_terms(LLAMA_8B), hardware(profile, 989.0, 1.0, 1.0), 8192.0)
    assert 0.1 < band.low < band.point < band.high < 1.0


sizes = st.floats(min_value=0.5, max_value=500.0)
rates = st.floats(min_value=50.0, max_value=8000.0)


@given(sizes, st.floats(min_value=0.0, max_value=50.0), rates, rates, st.integers(min_value=1, max_value=512))
def test_more_bandwidth_or_less_to_read_is_never_slower(
    weights: float, kv: float, slow: float, fast: float, batch: int
) -> None:
    terms, point = speed_terms(LLAMA_8B), speed_constants()["point"]
    slow, fast = sorted((slow, fast))

    def tokens(bandwidth: float, gib: float) -> float:
        machine = Hardware(bandwidth, 300.0, 50.0, 1.0, 1.0)
        return float(decode_tokens_per_s(terms, machine, gib, kv, float(batch), point))

    assert tokens(fast, weights) >= tokens(slow, weights)
    assert tokens(slow, weights / 2) >= tokens(slow, weights)


def test_scalars_and_columns_give_the_same_figures() -> None:
    terms = [speed_terms(model) for model in (LLAMA_8B, QWEN_600M, QWEN_30B_A3B)]
    stacked = SpeedTerms(*(np.array([getattr(t, n) for t in terms]) for n in SpeedTerms.__slots__))
    machine, point = Hardware(2039.0, 312.0, 300.0, 2.0, 1.0), speed_constants()["point"]
    columns = decode_tokens_per_s(stacked, machine, np.array([15.0, 1.1, 57.0]), 0.2, 8.0, point)
    for index, (one, gib) in enumerate(zip(terms, (15.0, 1.1, 57.0), strict=True)):
        assert float(decode_tokens_per_s(one, machine, gib, 0.2, 8.0, point)) == np.asarray(columns)[index]


def test_a_pipeline_is_no_faster_for_one_request_and_catches_up_with_a_batch() -> None:
    terms, point = speed_terms(LLAMA_8B), speed_constants()["point"]
    one = Hardware(1000.0, 300.0, 32.0, 1.0, 1.0)
    two = Hardware(1000.0, 300.0, 32.0, 1.0, 2.0)
    assert decode_tokens_per_s(terms, two, 8.0, 0.05, 1.0, point) <= decode_tokens_per_s(
        terms, one, 16.0, 0.1, 1.0, point
    )
    assert decode_tokens_per_s(terms, two, 8.0, 0.05, 64.0, point) > 30 * float(
        decode_tokens_per_s(terms, two, 8.0, 0.05, 1.0, point)
    )


def test_cost_and_break_even_agree() -> None:
    hourly, speed, offer = 2.0, 1000.0, 0.8
    own = float(usd_per_mtok(hourly, speed))
    assert own == pytest.approx(2.0 / 3.6)
    load = float(break_even_load(hourly, speed, offer))
    assert float(usd_per_mtok(hourly, speed * load)) == pytest.approx(offer)
    assert math.isinf(float(break_even_tokens_per_s(hourly, 0.0)))
    assert blended_usd_per_mtok(0.5, 2.0, 3.0) == 3.5
