"""Claims about one answer: the batch contract, verdicts with their arithmetic, monotony, and bad input."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelscan_catalog.errors import FitInputError, UnknownIdError
from modelscan_catalog.fit.card_rules import card_rules
from modelscan_catalog.fit.engine_rules import batch_defaults, engine_rules, parse_version
from modelscan_catalog.fit.evaluate import EMPTY, evaluate, evaluate_line
from modelscan_catalog.fit.known import corrected_config, known_config
from modelscan_catalog.fit.requests import KEYS
from modelscan_catalog.fit.tables import table

RANK = {"does_not_fit": 0, "tight": 1, "fits": 2}
LLAMA_8B = {"model": "meta-llama/Llama-3.1-8B-Instruct", "gpu_total_gib": 79.1, "engine_version": "0.33.0"}


def answer(**changes: Any) -> dict[str, Any]:
    return evaluate({**LLAMA_8B, **changes})


def test_answer_has_exactly_the_keys_of_the_contract() -> None:
    assert set(answer()) == set(EMPTY)
    assert set(evaluate_line({"id": "7"})) == set(EMPTY)
    assert json.loads(json.dumps(answer())) == answer()


def test_same_request_gives_the_same_answer() -> None:
    assert answer(id="a") == answer(id="a")


def test_terms_add_up_to_the_budget() -> None:
    found = answer(gpu_memory_utilization=0.9)
    spent = sum(
        found[key] for key in ("weights_gib", "kv_pool_gib", "activation_gib", "graphs_gib", "non_torch_gib")
    )

    assert spent == pytest.approx(79.1 * 0.9, abs=0.001)


def test_given_pool_answers_the_capacity_alone() -> None:
    found = evaluate(
        {"model": "moonshotai/Kimi-K2-Instruct", "tp": 8, "engine_version": "0.11.0", "kv_pool_gib": 46.8}
    )

    assert found["kv_tokens"] == 715_072
    assert found["kv_pool_gib"] == 46.8
    assert found["bands"]["kv_tokens"] == [715_072, 715_072]


@pytest.mark.parametrize(("pool_gib", "verdict"), [(20.0, "fits"), (4.0, "tight"), (1.0, "does_not_fit")])
def test_given_pool_decides_without_a_gpu(pool_gib: float, verdict: str) -> None:
    request = {"model": "meta-llama/Llama-3.1-8B-Instruct", "engine_version": "0.11.0"}
    found = evaluate({**request, "gpu": "unknown", "max_model_len": 32768, "kv_pool_gib": pool_gib})

    assert found["verdict"] == verdict
    assert found["weights_gib"] == pytest.approx(14.989, rel=0.001)
    assert found["max_concurrency"] == pytest.approx(pool_gib / 4, rel=0.001)
    assert found["max_context"] == min(131_072, int(pool_gib * 8192))
    assert found["missing_gib"] == max(0.0, 4.0 - pool_gib)


def test_without_gpu_and_pool_everything_but_pool_and_verdict_is_answered() -> None:
    found = evaluate({"model": "Qwen/Qwen3-Next-80B-A3B-Instruct", "tp": 2, "engine_version": "0.10.2"})

    assert found["verdict"] == "unknown"
    assert found["attention_block"] == 544
    assert found["kv_bytes_per_token"]
    assert found["weights_gib"] == pytest.approx(74.28, rel=0.001)
    assert found["kv_pool_gib"] is None
    assert "no GPU" in found["reason"]


def test_llama_70b_fp8_does_not_start_on_one_h100_and_does_on_two() -> None:
    request = {
        "model": "RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic",
        "quantization": "fp8-dynamic",
        "gpu": "h100-80gb",
        "engine_version": "0.11.0",
        "gpu_memory_utilization": 0.9,
        "max_model_len": 16000,
    }

    assert evaluate(request)["verdict"] == "does_not_fit"
    assert evaluate({**request, "tp": 2})["verdict"] == "fits"


def test_llama_8b_at_29k_does_not_start_on_a_24_gib_card_that_batches_whole_prompts() -> None:
    found = answer(gpu_total_gib=23.57, max_model_len=29_000, engine_version="0.7.0")

    assert found["verdict"] != "fits"
    assert found["missing_gib"] > 0


def test_deepseek_r1_on_a_24_gib_card_is_refused_with_the_arithmetic() -> None:
    found = evaluate({"model": "deepseek-ai/DeepSeek-R1", "quantization": "int4", "gpu": "rtx-4090"})

    assert found["verdict"] == "does_not_fit"
    assert found["missing_gib"] > 288
    assert "weights" in found["reason"]


def test_gguf_under_llama_cpp_says_how_many_layers_stay_on_the_card() -> None:
    request = {
        "model": "meta-llama/Llama-3.1-70B-Instruct",
        "quantization": "gguf q4_k_m",
        "engine": "llama.cpp",
        "gpu": "rtx-4090",
        "max_model_len": 8192,
    }
    found = evaluate(request)

    assert found["verdict"] == "offload_only"
    assert "of 80 layers" in found["reason"]
    assert evaluate({**request, "gpu": "h100-80gb"})["verdict"] == "fits"


def test_layout_without_rules_keeps_a_bound_from_its_bytes() -> None:
    config = {"model_type": "dbrx", "hidden_size": 6144, "num_hidden_layers": 40, "num_attention_heads": 48}
    found = evaluate({"config": config, "exact_params": 131_600_000_000, "gpu": "rtx-4090"})

    assert found["verdict"] == "does_not_fit"
    assert found["weights_gib"] == pytest.approx(245.1, abs=0.1)
    assert "dbrx" in found["reason"]


def test_capacity_in_tokens_is_concurrency_times_length_from_021_on() -> None:
    request = {
        "model": "Qwen/Qwen3-Next-80B-A3B-Instruct",
        "tp": 2,
        "kv_pool_gib": 44.59,
        "max_model_len": 262_144,
    }
    old, new = (evaluate({**request, "engine_version": version}) for version in ("0.10.2", "0.24.0"))

    assert old["kv_tokens"] == 973_760
    assert new["kv_tokens"] == pytest.approx(new["max_concurrency"] * 262_144, rel=1e-5)
    assert old["max_concurrency"] == pytest.approx(14.77, abs=0.005)


@settings(max_examples=40, deadline=None)
@given(
    model=st.sampled_from(
        ["Qwen/Qwen3-32B", "openai/gpt-oss-20b", "Qwen/Qwen3-30B-A3B-FP8", "google/gemma-3-27b-it"]
    ),
    low=st.floats(8, 150),
    more=st.floats(0, 100),
    context=st.integers(256, 131_072),
    fewer=st.integers(0, 100_000),
)
def test_more_memory_or_fewer_tokens_never_make_it_worse(
    model: str, low: float, more: float, context: int, fewer: int
) -> None:
    request = {
        "model": model,
        "max_num_seqs": 256,
        "max_num_batched_tokens": 8192,
        "gpu_memory_utilization": 0.9,
    }
    base = evaluate({**request, "gpu_total_gib": low, "max_model_len": context})
    roomy = evaluate({**request, "gpu_total_gib": low + more, "max_model_len": context})
    short = evaluate({**request, "gpu_total_gib": low, "max_model_len": max(256, context - fewer)})

    for better in (roomy, short):
        assert RANK[better["verdict"]] >= RANK[base["verdict"]]
        assert better["missing_gib"] <= base["missing_gib"]
        assert better["max_context"] >= base["max_context"]
    assert roomy["max_concurrency"] >= base["max_concurrency"]


@settings(max_examples=40, deadline=None)
@given(
    model=st.sampled_from(["Qwen/Qwen3-32B", "openai/gpt-oss-20b", "meta-llama/Llama-3.1-70B-Instruct"]),
    total=st.floats(12, 150),
    ranks=st.sampled_from([(1, 2), (2, 4), (4, 8)]),
    context=st.integers(256, 131_072),
)
def test_more_gpus_never_make_it_worse(
    model: str, total: float, ranks: tuple[int, int], context: int
) -> None:
    request = {"model": model, "gpu_total_gib": total, "max_model_len": context}
    few, many = (evaluate({**request, "tp": size}) for size in ranks)

    assert RANK[many["verdict"]] >= RANK[few["verdict"]]
    assert many["max_concurrency"] >= few["max_concurrency"]
    assert many["missing_gib"] <= few["missing_gib"]


@settings(max_examples=40, deadline=None)
@given(
    model=st.sampled_from(sorted(table("fit/configs.json")["models"])),
    gpu=st.sampled_from(["h100-80gb", "rtx-4090", "gb10", "mi300x", "t4"]),
    ranks=st.sampled_from([1, 2, 8]),
    version=st.sampled_from(["0.7.0", "0.10.2", "0.17.0", "0.33.0"]),
)
def test_bands_contain_the_point(model: str, gpu: str, ranks: int, version: str) -> None:
    found = evaluate({"model": model, "gpu": gpu, "tp": ranks, "engine_version": version})

    for key, (low, high) in found["bands"].items():
        assert low <= found[key] <= high, key


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"tp": -1}, "tp"),
        ({"tp": "two"}, "tp"),
        ({"pp": 5000}, "pp"),
        ({"pp": 64}, "pp"),
        ({"max_model_len": 0}, "max_model_len"),
        ({"max_model_len": 1e40}, "max_model_len"),
        ({"gpu_total_gib": -80}, "gpu_total_gib"),
        ({"gpu_total_gib": float("inf")}, "gpu_total_gib"),
        ({"gpu_memory_utilization": 1.5}, "gpu_memory_utilization"),
        ({"kv_cache_dtype": "int3"}, "kv_cache_dtype"),
        ({"quantization": "magic"}, "quantization"),
        ({"engine": "tensorflow"}, "engine"),
        ({"engine_version": "0.2.0"}, "engine_version"),
        ({"engine_version": "yesterday"}, "engine_version"),
        ({"model": "nobody/nothing-at-all"}, "model"),
        ({"config": "llama"}, "config"),
        (
            {
                "config": {
                    "model_type": "llama",
                    "hidden_size": -1,
                    "num_hidden_layers": 2,
                    "num_attention_heads": 2,
                }
            },
            "hidden_size",
        ),
    ],
)
def test_bad_fields_are_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(FitInputError, match=field):
        answer(**changes)
    line = evaluate_line({**LLAMA_8B, "id": "x", **changes})
    assert (line["id"], line["verdict"]) == ("x", "unknown")
    assert field in line["reason"]


def test_misspelt_field_is_said_to_have_no_effect() -> None:
    assert "gpu_memory_utilisation" in answer(gpu_memory_utilisation=0.9)["reason"]


def test_card_without_a_profile_is_taken_by_the_size_in_its_name() -> None:
    found = evaluate({"model": "Qwen/Qwen3-4B", "gpu": "24GB class"})

    assert found["verdict"] == "fits"
    low, high = found["bands"]["kv_pool_gib"]
    assert high - low > 1


def test_unknown_gpu_is_refused_by_name() -> None:
    with pytest.raises(UnknownIdError, match="hal-9000"):
        evaluate({"model": "Qwen/Qwen3-32B", "gpu": "hal-9000"})


JUNK = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=10)
    | st.lists(st.integers(), max_size=2)
)


@settings(max_examples=200, deadline=None)
@given(changes=st.dictionaries(st.sampled_from(sorted(KEYS)), JUNK, max_size=4))
def test_no_line_of_a_batch_can_raise(changes: dict[str, Any]) -> None:
    found = evaluate_line({**LLAMA_8B, **changes})

    assert found["verdict"] in {"fits", "tight", "does_not_fit", "unknown", "unsupported", "offload_only"}
    assert found["reason"]


def test_lines_that_are_no_objects_are_answered() -> None:
    assert evaluate_line(["a"])["verdict"] == "unknown"
    assert evaluate_line(None)["reason"]


@pytest.mark.parametrize(
    ("text", "number", "engine"),
    [
        ("v0.26.1rc1.dev156+g0eec856cc.d20260731", (0, 26, 1), None),
        ("v0.11.x (V1)", (0, 11, 0), "v1"),
        ("v0.8.5 V0", (0, 8, 5), "v0"),
        ("v0.14-0.15 ROCm", (0, 14, 0), None),
        ("", (99, 0, 0), None),
    ],
)
def test_versions_of_logs_are_read(text: str, number: tuple[int, int, int], engine: str | None) -> None:
    assert parse_version("vllm", text) == (number, engine)


def test_engine_defaults_follow_the_version_and_the_card() -> None:
    assert engine_rules("vllm", "0.19.0").utilization == 0.9
    assert engine_rules("vllm", "0.20.0").utilization == 0.92
    assert not engine_rules("vllm", "0.20.0").graphs_deducted
    assert engine_rules("vllm", "0.21.0").graphs_deducted
    newest = engine_rules("vllm", "0.33.0")
    assert batch_defaults(newest, 79.1, "NVIDIA H100", 4096) == (1024, 8192)
    assert batch_defaults(newest, 79.1, "NVIDIA A100 80GB", 4096) == (256, 2048)
    assert batch_defaults(newest, 178.0, "NVIDIA B200", 4096) == (1024, 16384)
    assert batch_defaults(engine_rules("vllm", "0.7.0 V0"), 79.1, "NVIDIA H100", 10_000) == (256, 10_000)


def test_card_on_unified_memory_has_the_smallest_batch_and_a_reserve() -> None:
    shared, own = card_rules(119.7, "GB10", unified=True), card_rules(119.7, "H200")

    assert (shared.batched_tokens, own.batched_tokens) == (2048, 8192)
    assert shared.reserve_gib > own.reserve_gib


def test_models_are_known_under_other_owners_and_quantizations() -> None:
    assert known_config("meta-llama/Llama-3.1-8B-Instruct") is not None
    mirrored = known_config("unsloth/Qwen3-14B-unsloth-bnb-4bit")
    sibling = known_config("Qwen/Qwen3-32B-Thinking")
    assert mirrored is not None
    assert mirrored.name == "Qwen/Qwen3-14B"
    assert sibling is not None
    assert not sibling.exact
    assert known_config("nobody/nothing") is None


@pytest.mark.parametrize(
    ("model", "method"),
    [
        ("Qwen/Qwen3-30B-A3B-FP8", "fp8"),
        ("mirror/Qwen3-30B-A3B-FP8", "fp8"),
        ("Qwen/Qwen3-30B-A3B", None),
        ("Qwen/Qwen3-30B-A3B-GPTQ-Int4", None),
        ("unsloth/gpt-oss-20b", "mxfp4"),
    ],
)
def test_another_quantizations_config_lends_its_architecture_alone(model: str, method: str | None) -> None:
    known = known_config(model)

    assert known is not None
    assert known.config["num_hidden_layers"]
    assert known.config.get("quantization_config", {}).get("quant_method") == method


def test_copied_context_length_is_replaced_by_the_models_own() -> None:
    config = {"max_position_embeddings": 131_072}

    assert corrected_config("meta-llama/Meta-Llama-3-8B-Instruct", config)["max_position_embeddings"] == 8192
    assert corrected_config("meta-llama/Llama-3.1-8B-Instruct", config) == config
