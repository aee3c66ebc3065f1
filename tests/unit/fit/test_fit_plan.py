"""Plans: the choice among checkpoints, refusals with their arithmetic, and what would run instead."""

from __future__ import annotations

from typing import Any

import pytest
from fit_plan_samples import (
    GEMMA,
    LLAMA,
    LLAMA_8B,
    LLAMA_AWQ,
    LLAMA_FP8,
    LLAMA_GGUF,
    MOE,
    MOE_FP8,
    QWEN_MOE,
    R1,
    R1_GGUF,
    R1_NVFP4,
    SLIDING,
    UNREAD_BARE,
    UNREAD_LARGE,
    UNREAD_SMALL,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from modelscan_catalog.errors import FitInputError
from modelscan_catalog.fit.candidates import VERDICT_ORDER, Placement, judge, knows_architecture
from modelscan_catalog.fit.evaluate import evaluate
from modelscan_catalog.fit.matrix import matrix_partition
from modelscan_catalog.fit.matrix_terms import FitVariant, build_terms
from modelscan_catalog.fit.plan import ServingPlan, plan, policy_for
from modelscan_catalog.fit.profiles import resolve_gpu
from modelscan_catalog.fit.tables import table

LLAMAS = [LLAMA, LLAMA_FP8, LLAMA_AWQ, LLAMA_GGUF]
DEEPSEEKS = [R1, R1_NVFP4, R1_GGUF]


def planned(variants: list[FitVariant], gpu: str, **options: Any) -> ServingPlan:
    """A plan on `gpu` (`name:count`)."""
    profile, count = resolve_gpu(gpu)
    return plan(variants, profile, count, **options)


def choice(found: ServingPlan) -> tuple[str, str, str]:
    """Verdict, checkpoint and engine."""
    assert found.chosen is not None
    return found.verdict, found.chosen.variant.variant_id, found.chosen.engine


def test_deepseek_r1_on_one_24_gb_card_is_refused_with_the_arithmetic_and_lists_what_would_run() -> None:
    found = planned(DEEPSEEKS, "rtx-4090")
    assert found.verdict == "does_not_fit"
    assert found.binding == "weights"
    assert found.missing_gib is not None
    assert found.missing_gib > 300
    assert "23.64 GiB x 0.92 = 21.75; weights 371" in found.reasons[0]
    assert any("DeepSeek-R1 keeps more bits, but: does_not_fit" in line for line in found.reasons)
    lines = [one.text for one in found.alternatives]
    assert "nvidia/DeepSeek-R1-NVFP4 on 4 x b200-180gb (TP 4, 163840 tokens, vllm): fits" in lines
    assert any("8 x h100-80gb" in line for line in lines)
    assert any(
        one.change == "offload" and 340 < (one.candidate.host_gib or 0) < 400 for one in found.alternatives
    )
    assert found.settings() == {}


def test_deepseek_r1_fp8_alone_needs_eight_h200() -> None:
    found = planned([R1], "rtx-4090")
    assert found.missing_gib is not None
    assert found.missing_gib > 600
    lines = [one.text for one in found.alternatives]
    assert "deepseek-ai/DeepSeek-R1 on 8 x h200-141gb (TP 8, 163840 tokens, vllm): fits" in lines
    assert not any("4 x h200" in line or "8 x h100" in line for line in lines)


def test_with_enough_system_memory_a_gguf_file_is_offload_only_and_never_fits() -> None:
    found = planned(DEEPSEEKS, "rtx-4090", host_memory_gib=512)
    assert choice(found) == ("offload_only", R1_GGUF.variant_id, "llama.cpp")
    assert planned(DEEPSEEKS, "rtx-4090", host_memory_gib=256).verdict == "does_not_fit"


@pytest.mark.parametrize(
    ("gpu", "options", "expected"),
    [
        ("rtx-4090", {"context": 8192}, ("fits", LLAMA.variant_id, "vllm")),
        ("a100-80gb", {"concurrency": 64, "context": 8192}, ("fits", LLAMA_AWQ.variant_id, "vllm")),
        ("h100-80gb", {"goal": "throughput"}, ("fits", LLAMA_FP8.variant_id, "sglang")),
        ("h100-80gb", {"goal": "latency"}, ("fits", LLAMA_FP8.variant_id, "vllm")),
        ("a100-80gb", {"goal": "latency"}, ("fits", LLAMA.variant_id, "vllm")),
        ("apple-m4-max-128gb", {}, ("fits", LLAMA_GGUF.variant_id, "llama.cpp")),
        ("gb10", {}, ("fits", LLAMA.variant_id, "vllm")),
        ("910b", {}, ("fits", LLAMA.variant_id, "vllm")),
        ("t4", {"context": 4096}, ("fits", LLAMA_FP8.variant_id, "vllm")),
        ("h100-80gb", {"engine": "sglang"}, ("fits", LLAMA.variant_id, "sglang")),
    ],
)
def test_the_highest_fidelity_checkpoint_that_meets_the_target_is_chosen(
    gpu: str, options: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    assert choice(planned(LLAMAS, gpu, **options)) == expected


def test_a_choice_of_sglang_says_that_its_model_list_is_not_known() -> None:
    assert any("SGLang's list" in line for line in planned(LLAMAS, "h100-80gb", goal="throughput").reasons)
    assert not any("SGLang's list" in line for line in planned(LLAMAS, "h100-80gb").reasons)


def test_the_order_of_choice_is_a_setting() -> None:
    policy = dict(table("fit/policy.json"))
    policy["fidelity"] = [["awq"], ["fp8"], ["none"], ["gguf"]]
    assert choice(planned(LLAMAS, "h100-80gb", policy=policy))[1] == LLAMA_AWQ.variant_id
    assert choice(planned(LLAMAS, "h100-80gb"))[1] == LLAMA.variant_id


def test_without_an_asked_context_the_longest_that_fits_is_taken_and_said() -> None:
    found = planned([LLAMA], "rtx-4090")
    assert found.verdict == "fits"
    assert found.chosen is not None
    context = found.chosen.context or 0
    assert 32768 <= context < 131072
    assert context % 1024 == 0
    assert f"the declared 131072 tokens do not fit; {context} do" in found.reasons
    assert found.settings() == {"tensor_parallel": 1, "pipeline_parallel": 1, "max_model_len": context}
    assert planned([LLAMA], "rtx-4090", context=131072).verdict == "does_not_fit"


def test_a_weight_only_format_is_named_as_such() -> None:
    found = planned([LLAMA_FP8], "a100-80gb", context=8192)
    assert found.verdict == "fits"
    assert any("no FP8 tensor cores below 8.9" in line for line in found.reasons)
    nvfp4 = planned([R1_NVFP4], "h100-80gb:8", context=8192)
    assert any("FP4 tensor cores start with Blackwell" in line for line in nvfp4.reasons)


def test_an_fp8_cache_and_a_shorter_context_are_offered_where_they_help() -> None:
    found = planned([LLAMA], "rtx-4090", context=65536)
    assert found.verdict == "does_not_fit"
    changes = {one.change: one.candidate for one in found.alternatives}
    assert changes["kv_cache_dtype"].kv_cache_dtype == "fp8"
    assert changes["kv_cache_dtype"].context == 65536
    assert changes["context"].context == 32768
    assert changes["count"].tp == 2


def test_every_alternative_starts_or_says_that_it_offloads() -> None:
    for variants, gpu in ((DEEPSEEKS, "rtx-4090"), (LLAMAS, "t4"), ([MOE, MOE_FP8], "rtx-4090")):
        for one in planned(variants, gpu, context=32768).alternatives:
            assert one.candidate.starts or one.change == "offload"
            assert one.text


def test_mig_instances_hold_one_engine_each() -> None:
    found = planned([LLAMA], "h100-80gb-mig-3g.40gb:2", context=8192)
    assert (found.verdict, found.binding) == ("unsupported", "split")
    assert "no peer-to-peer" in found.reasons[0]


@pytest.mark.parametrize(
    ("options", "binding"),
    [
        ({"context": 10_000_000}, "context"),
        ({"tp": 3}, "split"),
        ({"kv_cache_dtype": "fp8"}, "kv_cache_dtype"),
    ],
)
def test_what_no_memory_could_help_is_unsupported_with_its_constraint(
    options: dict[str, Any], binding: str
) -> None:
    found = planned([LLAMA], "t4:4", **options)
    assert (found.verdict, found.binding) == ("unsupported", binding)


def test_unread_models_are_refused_by_their_weights_or_unknown() -> None:
    assert planned([UNREAD_LARGE], "h100-80gb:8").verdict == "does_not_fit"
    assert planned([UNREAD_SMALL], "h100-80gb").verdict == "unknown"
    assert planned([UNREAD_BARE], "h100-80gb").verdict == "unknown"


def test_an_engine_version_that_lacks_the_class_is_unsupported() -> None:
    assert knows_architecture(LLAMA, "vllm", "0.33.0") is True
    assert knows_architecture(LLAMA, "sglang", None) is None
    profile, count = resolve_gpu("h100-80gb")
    unknown = FitVariant(
        "lab/new",
        "lab/new",
        "lab/new",
        architecture=_renamed("NeverReleasedForCausalLM"),
        scheme=LLAMA.scheme,
        declared_context=8192,
    )
    found = judge(unknown, Placement(profile, count), "vllm", "0.33.0")
    assert (found.verdict, found.binding) == ("unsupported", "architecture")


def _renamed(name: str) -> Any:
    from dataclasses import replace

    assert LLAMA.architecture is not None
    return replace(LLAMA.architecture, name=name)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"context": 0}, "context"),
        ({"context": -5}, "context"),
        ({"concurrency": 0}, "concurrency"),
        ({"utilization": 1.5}, "gpu_memory_utilization"),
        ({"goal": "cheapest"}, "goal"),
        ({"engine": "tgi"}, "engine"),
        ({"engine_version": "newest"}, "engine_version"),
        ({"host_memory_gib": -1.0}, "host_memory_gib"),
        ({"tp": 0}, "tp"),
    ],
)
def test_an_impossible_input_names_its_field(options: dict[str, Any], field: str) -> None:
    with pytest.raises(FitInputError, match=field) as caught:
        planned([LLAMA], "h100-80gb", **options)
    assert caught.value.field == field


def test_no_checkpoint_and_no_goal_are_errors_of_ours() -> None:
    with pytest.raises(FitInputError, match="model"):
        planned([], "h100-80gb")
    with pytest.raises(FitInputError, match="goal"):
        policy_for("fastest")


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([LLAMA, LLAMA_FP8, MOE, SLIDING]),
    st.integers(min_value=1024, max_value=40960),
    st.integers(min_value=1, max_value=64),
    st.sampled_from(["rtx-4090", "l40s", "a100-40gb", "h100-80gb"]),
)
def test_fewer_tokens_or_requests_never_make_a_verdict_worse(
    variant: FitVariant, context: int, concurrency: int, gpu: str
) -> None:
    profile, _ = resolve_gpu(gpu)

    def verdict(tokens: int, requests: int) -> int:
        found = judge(variant, Placement(profile, 1, tokens, requests), "vllm")
        return VERDICT_ORDER.index(found.verdict)

    assert verdict(max(1, context // 2), concurrency) <= verdict(context, concurrency)
    assert verdict(context, max(1, concurrency // 2)) <= verdict(context, concurrency)


def test_more_cards_need_less_of_each() -> None:
    profile, _ = resolve_gpu("h100-80gb")
    needs = [judge(MOE, Placement(profile, count, 32768), "vllm").required_gib for count in (1, 2, 4, 8)]
    assert None not in needs
    assert needs == sorted(needs, reverse=True)  # type: ignore[type-var]


def test_a_plan_that_fits_has_headroom_and_speed_and_nothing_missing() -> None:
    found = planned([MOE], "h100-80gb:2", context=32768, concurrency=4)
    assert found.verdict == "fits"
    assert found.missing_gib == 0.0
    assert found.headroom_gib is not None
    assert found.headroom_gib > 0
    chosen = found.chosen
    assert chosen is not None
    assert chosen.decode_tok_s is not None
    assert chosen.throughput_tok_s is not None
    assert chosen.throughput_tok_s.point > chosen.decode_tok_s.point
    assert chosen.ttft_s is not None
    assert (chosen.weights_gib or 0) + (chosen.overhead_gib or 0) + 4 * (
        chosen.kv_gib_per_request or 0
    ) == pytest.approx(chosen.required_gib)


@pytest.mark.parametrize("gpu", ["rtx-4090", "h100-80gb", "a100-40gb", "gb10", "mi300x", "l40s"])
@pytest.mark.parametrize("tp", [1, 2])
@pytest.mark.parametrize(("config", "variant"), [(LLAMA_8B, LLAMA), (QWEN_MOE, MOE), (GEMMA, SLIDING)])
def test_a_plan_and_a_single_answer_say_the_same(
    config: dict[str, Any], variant: FitVariant, tp: int, gpu: str
) -> None:
    profile, _ = resolve_gpu(gpu)
    answer = evaluate({"config": config, "gpu": gpu, "tp": tp, "max_model_len": 32768, "concurrency": 2})
    found = judge(variant, Placement(profile, tp, 32768, 2), "vllm")
    assert found.verdict == answer["verdict"]
    assert found.weights_gib == pytest.approx(answer["weights_gib"], abs=1e-3)
    assert found.kv_pool_gib == pytest.approx(answer["kv_pool_gib"], abs=1e-3)
    assert found.max_concurrency == pytest.approx(answer["max_concurrency"], abs=1e-3)
    assert found.max_context == answer["max_context"]
    assert found.missing_gib == pytest.approx(answer["missing_gib"], abs=1e-3)


@pytest.mark.parametrize(
    "gpu", ["rtx-4090", "h100-80gb", "a100-40gb", "gb10", "t4", "h200-141gb", "apple-m4-max-128gb"]
)
def test_the_matrix_and_the_plan_give_the_same_verdicts(gpu: str) -> None:
    profile, _ = resolve_gpu(gpu)
    by_id = {variant.variant_id: variant for variant in [*LLAMAS, MOE, MOE_FP8, SLIDING, R1, UNREAD_LARGE]}
    engines = {name: "llama.cpp" if name == LLAMA_GGUF.variant_id else "vllm" for name in by_id}
    for row in matrix_partition(build_terms(list(by_id.values())), profile).to_pylist():
        name = row["variant_id"]
        if row["context"] is None or (name == LLAMA_GGUF.variant_id and row["verdict"] == "offload_only"):
            continue
        place = Placement(profile, row["count"], row["context"], kv_cache_dtype=row["kv_dtype"])
        found = judge(by_id[name], place, engines[name])
        assert found.verdict == row["verdict"], row
        if row["missing_gib"] is not None:
            assert found.missing_gib == pytest.approx(row["missing_gib"], abs=1e-3)
