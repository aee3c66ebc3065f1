"""Claims about weights: logged figures to the fourth digit, splits over ranks, formats and the allocator."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.errors import FitInputError
from modelscan_catalog.fit.allocator import allocator_excess
from modelscan_catalog.fit.architecture import Architecture
from modelscan_catalog.fit.architecture_parse import parse_architecture
from modelscan_catalog.fit.quant_formats import (
    Names,
    Padding,
    canonical,
    expert_padding,
    format_named,
)
from modelscan_catalog.fit.quantization import UNQUANTIZED, from_document, label_key, scheme_of
from modelscan_catalog.fit.tables import table
from modelscan_catalog.fit.tensors import Tensor, tensor_list
from modelscan_catalog.fit.weights import (
    Parallel,
    largest_stage,
    local_shape,
    stage_ranges,
    stage_weights,
)

MODELS: dict[str, Any] = table("fit/configs.json")["models"]
MIB = 1 << 20


def architecture(model: str) -> Architecture:
    found = parse_architecture(MODELS[model]["config"])
    assert isinstance(found, Architecture)
    return found


def weights_gib(model: str, label: str | None = None, **parallel: int) -> float:
    config = MODELS[model]["config"]
    scheme = scheme_of(config, label=label, model=model)
    return largest_stage(stage_weights(architecture(model), scheme, Parallel(**parallel))).total_gib


@pytest.mark.parametrize(
    ("model", "label", "ranks", "logged_gib"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "bf16/fp16", 1, 14.9889),
        ("Qwen/Qwen2.5-3B", "bf16/fp16", 1, 5.7916),
        ("Qwen/Qwen3-4B", "bf16/fp16", 1, 7.5552),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "bf16/fp16", 1, 14.2717),
        ("Qwen/Qwen3-30B-A3B-Instruct-2507", "bf16/fp16", 1, 56.9342),
        ("Qwen/Qwen3-Next-80B-A3B-Instruct", "bf16/fp16", 2, 74.2812),
        ("neuralmagic/Meta-Llama-3.1-70B-Instruct-quantized.w8a8", "w8a8-int8", 1, 67.7229),
        ("RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic", "fp8-dynamic", 2, 33.88),
    ],
)
def test_logged_weights_are_predicted_within_a_hundredth_of_a_percent(
    model: str, label: str, ranks: int, logged_gib: float
) -> None:
    assert weights_gib(model, label, tensor=ranks) == pytest.approx(logged_gib, rel=2e-4)


def test_gpt_oss_experts_are_padded_to_the_kernels_width() -> None:
    assert weights_gib("openai/gpt-oss-20b", "mxfp4") == pytest.approx(12.87, abs=0.02)
    stages = stage_weights(
        architecture("openai/gpt-oss-20b"),
        scheme_of(MODELS["openai/gpt-oss-20b"]["config"], label="mxfp4"),
        Parallel(),
        padding=Padding(256, 1),
    )
    assert stages[0].total_gib == pytest.approx(13.47, rel=0.003)


def test_ranks_share_linear_layers_and_repeat_norms_routers_and_latent_projections() -> None:
    by_name = {tensor.name: tensor for tensor in tensor_list(architecture("deepseek-ai/DeepSeek-V3"))}
    eight = Parallel(tensor=8)

    def share(name: str) -> float:
        rows, columns, copies = local_shape(by_name[name], eight)
        return rows * columns * copies / by_name[name].elements

    assert share("model.layers.3.self_attn.o_proj") == 1 / 8
    assert share("model.layers.3.mlp.experts.0.down_proj") == 1 / 8
    for repeated in ("self_attn.q_a_proj", "self_attn.kv_a_proj_with_mqa", "mlp.gate", "norms"):
        assert share(f"model.layers.3.{repeated}") == 1


def test_key_and_value_heads_repeat_where_ranks_outnumber_them() -> None:
    keys = Tensor("k_proj", 0, "linear", 256, 64, "kv", kv_heads=2)

    assert local_shape(keys, Parallel(tensor=2))[0] == 128
    assert local_shape(keys, Parallel(tensor=8))[0] == 128


def test_expert_parallel_holds_whole_experts() -> None:
    up = Tensor("mlp.experts.0.gate_up_proj", 0, "linear", 128, 64, "experts", copies=10)

    assert local_shape(up, Parallel(tensor=4)) == (32, 64, 10)
    assert local_shape(up, Parallel(tensor=4, expert=4)) == (128, 64, 3)


def test_left_over_layers_go_to_the_stages_before_the_last() -> None:
    assert [end - start for start, end in stage_ranges(61, 4)] == [15, 15, 16, 15]
    assert stage_ranges(4, 1) == [(0, 4)]


@given(layers=st.integers(1, 200), stages=st.integers(1, 16))
def test_stages_cover_every_layer_once(layers: int, stages: int) -> None:
    ranges = stage_ranges(layers, stages)

    assert ranges[0][0] == 0
    assert ranges[-1][1] == layers
    assert all(left[1] == right[0] for left, right in pairwise(ranges))


def test_first_pipeline_stage_of_deepseek_v25_is_the_logged_one() -> None:
    stages = stage_weights(
        architecture("deepseek-ai/DeepSeek-V2.5"), UNQUANTIZED, Parallel(8, 2), latent_copies=False
    )

    assert stages[0].total_gib == pytest.approx(27.63, rel=1e-3)


def test_allocator_counts_a_rest_it_does_not_split_off() -> None:
    assert allocator_excess([int(47.5 * MIB) * 2]) == 1 * MIB
    assert allocator_excess([48 * MIB]) == 0
    assert allocator_excess([int(12.5 * MIB)]) == 0
    assert allocator_excess([600_000] * 10) == 0


def test_allocator_reuses_what_it_split_off() -> None:
    assert allocator_excess([int(12.25 * MIB), int(1.7 * MIB)]) == pytest.approx(0.05 * MIB, rel=0.05)


@given(st.lists(st.integers(1, 200 * MIB), max_size=40))
def test_allocator_never_adds_more_than_a_mebibyte_a_parameter(sizes: list[int]) -> None:
    assert 0 <= allocator_excess(sizes) <= len(sizes) * MIB


@pytest.mark.parametrize(
    ("name", "rows", "columns", "bits"),
    [
        ("fp8_block", 4096, 4096, 8 + 32 / (128 * 128)),
        ("int4_zeros", 4096, 4096, 4.15625),
        ("int4_g32", 4096, 4096, 4.5),
        ("mxfp4", 4096, 4096, 4.25),
        ("nvfp4", 4096, 4096, 4.5),
        ("gguf_q8_0", 4096, 4096, 8.5),
    ],
)
def test_formats_take_the_documented_bits_a_weight(name: str, rows: int, columns: int, bits: float) -> None:
    assert format_named(name).bytes_of(rows, columns) * 8 / (rows * columns) == pytest.approx(bits)


@pytest.mark.parametrize(
    ("label", "key"),
    [
        ("bf16/fp16", "bf16/fp16"),
        ("AWQ_Marlin", "awq_marlin"),
        ("int4 (compressed-tensors)", "int4"),
        ("gguf q8_0", "q8_0"),
        ("modelopt_mixed (nvfp4+fp8)", "modelopt_mixed"),
        ("fp8-dynamic", "fp8-dynamic"),
        ("w8a8-int8", "w8a8-int8"),
    ],
)
def test_labels_of_logs_are_understood_with_their_remarks(label: str, key: str) -> None:
    assert label_key(label) == key


def test_unknown_label_is_refused_and_the_known_ones_are_listed() -> None:
    with pytest.raises(FitInputError, match="awq") as caught:
        label_key("int1.58-magic")
    assert caught.value.field == "quantization"


def test_dtype_label_does_not_overrule_a_quantized_checkpoint() -> None:
    config = {"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}}

    assert scheme_of(config, label="bf16/fp16").label == "fp8"
    assert scheme_of({}, label="bf16/fp16", model="org/Model-AWQ").label == "awq"
    assert scheme_of({}, label="bf16/fp16", model="org/Model") is UNQUANTIZED


def test_label_of_another_family_overrules_a_config_copied_from_a_base() -> None:
    config = MODELS["moonshotai/Kimi-K2-Instruct"]["config"]
    scheme = scheme_of(config, label="int4 (compressed-tensors)", model="moonshotai/Kimi-K2-Thinking")

    assert scheme.default is not None
    assert (scheme.default.bits, scheme.default.group, scheme.experts_only) == (4, 32, True)


def test_ignore_lists_are_read_in_all_notations() -> None:
    names = Names(
        [
            "lm_head",
            "model.language_model.layers.0.self_attn*",
            "re:.*shared_experts.*",
            "gate",
            "backbone.layers.4.mixer.in_proj",
        ]
    )

    for ignored in (
        "lm_head",
        "model.layers.0.self_attn.q_proj",
        "model.layers.7.mlp.shared_experts.up_proj",
        "model.layers.7.mlp.gate",
        "model.layers.4.mamba.in_proj",
    ):
        assert names.match(ignored), ignored
    for kept in ("model.layers.1.self_attn.q_proj", "model.layers.7.mlp.experts.0.gate_up_proj"):
        assert not names.match(kept), kept


def test_bad_expression_in_an_ignore_list_names_the_field() -> None:
    with pytest.raises(FitInputError, match=r"quantization_config\.ignore"):
        Names(["re:("])


def test_mixed_precision_lists_decide_tensor_by_tensor() -> None:
    scheme = scheme_of(MODELS["nvidia/Qwen3.6-27B-NVFP4"]["config"])
    found = {
        tensor.name: scheme.format_of(tensor)
        for tensor in tensor_list(architecture("nvidia/Qwen3.6-27B-NVFP4"))
    }

    def bits(name: str) -> float | None:
        chosen = found[name]
        return None if chosen is None else chosen.bits

    assert bits("model.layers.0.mlp.up_proj") == 4
    assert bits("model.layers.0.linear_attn.out_proj") == 8
    assert bits("model.layers.0.linear_attn.in_proj_a") is None
    assert bits("lm_head") == 4
    assert scheme.kv_fp8


def test_gptq_and_hf_quant_config_documents_give_their_group_and_bits() -> None:
    gptq = from_document({"quant_method": "gptq", "bits": 4, "group_size": 32})
    modelopt = from_document(
        {"quantization": {"quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8", "group_size": 16}}
    )

    assert gptq.default is not None
    assert (gptq.default.bits, gptq.default.group) == (4, 32)
    assert modelopt.default is not None
    assert (modelopt.default.name, modelopt.kv_fp8) == ("nvfp4", True)


def test_spelling_of_modules_is_made_one() -> None:
    assert canonical("backbone.layers.5.mixer.q_proj") == "model.layers.5.self_attn.q_proj"
    assert canonical("language_model.model.layers.1.mlp.shared_experts.up_proj").startswith(
        "model.layers.1.mlp"
    )


@pytest.mark.parametrize(
    ("card", "logged_gib"), [("NVIDIA H100 80GB", 13.47), ("A100-80GB", 13.72), ("", 13.47)]
)
def test_mxfp4_experts_are_padded_as_the_cards_kernels_ask(card: str, logged_gib: float) -> None:
    scheme = scheme_of(MODELS["openai/gpt-oss-20b"]["config"], label="mxfp4")
    (stage,) = stage_weights(
        architecture("openai/gpt-oss-20b"), scheme, Parallel(), padding=expert_padding(card)
    )

    assert stage.total_gib == pytest.approx(logged_gib, rel=0.003)
