"""Flag lists are read as each engine's own argument parser reads them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelscan_catalog.manifests.engines import load_engine
from modelscan_catalog.manifests.flags import check_flags, read_parameters

VLLM = load_engine("vllm", "0.33.0")
SGLANG = load_engine("sglang", "0.5.23")


def codes(table, *parameters, **options):
    return [finding.code for finding in check_flags(table, parameters, **options)]


@pytest.mark.parametrize(
    "parameters",
    [
        ("--max-model-len=32768",),
        ("--max-model-len 32768",),
        ("--max-model-len", "32768"),
        ("--max_model_len=32k",),
        ("--max-model-len=auto",),
        ("-tp=8",),
        ("-tp", "8"),
        ("--no-enable-prefix-caching",),
        ("--speculative-config.method=mtp",),
        ('--limit-mm-per-prompt={"image": 1}',),
        ("--kv-cache-dtype=fp8",),
    ],
)
def test_given_a_spelling_that_vllm_accepts_when_checked_then_nothing_is_found(parameters):
    assert codes(VLLM, *parameters) == []


@pytest.mark.parametrize(
    ("parameter", "code"),
    [
        ("--swap-space=4", "removed_flag"),
        ("--disable-cascade-attn", "deprecated_flag"),
        ("--context-length=4096", "unknown_flag"),
        ("--max-model-l=4096", "abbreviated_flag"),
        ("--max-num=4096", "ambiguous_flag"),
        ("--max-model-len=many", "wrong_value"),
        ("--max-model-len", "missing_value"),
        ("--gpu-memory-utilization=1.5", "wrong_value"),
        ("--enable-prefix-caching=true", "wrong_value"),
        ("--kv-cache-dtype=fp9", "wrong_value"),
        ("--performance-mode=fastest", "wrong_value"),
        ("--max-num-batched-tokens=1.5x", "wrong_value"),
        ("--enable-expert-parallel=1", "wrong_value"),
        ("--seed=abc", "wrong_value"),
        ("--quantization=bitsandbytes", "wrong_value"),
        ("--tool-call-parser=qwen", "unknown_parser"),
        ("32768", "stray_value"),
    ],
)
def test_given_a_faulty_vllm_flag_when_checked_then_its_fault_is_named(parameter, code):
    assert codes(VLLM, parameter) == [code]


@pytest.mark.parametrize(
    ("parameter", "code"),
    [
        ("--mem-frac=0.9", "abbreviated_flag"),
        ("--cuda-graph-max-bs=64", "ambiguous_flag"),
        ("--enable-dp-attention", "deprecated_flag"),
        ("--tool-call-parser=qwen25", "deprecated_value"),
        ("--tool-call-parser=deepseek_v32", "unknown_parser"),
        ("--enable-auto-tool-choice", "unknown_flag"),
        ("--mem_fraction_static=0.9", "unknown_flag"),
        ("--kv-cache-dtype=fp8", "wrong_value"),
    ],
)
def test_given_a_faulty_sglang_flag_when_checked_then_its_fault_is_named(parameter, code):
    assert codes(SGLANG, parameter) == [code]


def test_given_a_parser_in_the_other_engines_spelling_when_checked_then_the_right_one_is_named():
    [finding] = check_flags(SGLANG, ["--tool-call-parser=minimax_m2"])
    assert "'minimax-m2' is its name here" in finding.message


def test_given_a_flag_that_gpustack_sets_itself_when_checked_for_gpustack_then_it_is_refused():
    assert codes(VLLM, "--port=9000", target="gpustack") == ["refused_flag"]
    assert codes(VLLM, "--port=9000") == []


def test_given_a_flag_removed_after_0_16_when_the_plan_runs_0_11_then_it_is_accepted():
    assert codes(load_engine("vllm", "0.11.0"), "--swap-space=4") == []


def test_given_a_version_between_two_recorded_ones_when_loaded_then_both_neighbours_count():
    between = load_engine("vllm", "0.18.0")
    assert between.basis == ("0.16.0", "0.20.2")
    assert codes(between, "--swap-space=4") == []
    assert codes(between, "--performance-mode=throughput") == []


@pytest.mark.parametrize("version", ["nightly", None])
def test_given_no_version_number_when_loaded_then_the_newest_table_is_used(version):
    assert load_engine("vllm", version).basis == ("0.33.0",)


def test_given_a_value_of_an_engines_plugin_when_its_accelerator_is_meant_then_it_is_accepted():
    assert codes(VLLM, "--quantization=ascend", vendors=["ascend"]) == []
    assert codes(VLLM, "--quantization=ascend", vendors=["nvidia"]) == ["wrong_value"]


@settings(deadline=None)
@given(st.lists(st.text(max_size=12) | st.sampled_from(["--tp", "-tp=2", "--a=b", "--max-model-len"])))
def test_given_any_words_when_checked_then_every_one_is_read_or_reported(words):
    read, stray = read_parameters(words)
    assert max([p.end for p in read] + [i for i, _ in stray], default=-1) == len(words) - 1
    for table in (VLLM, SGLANG):
        check_flags(table, words)
