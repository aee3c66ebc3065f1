"""Claims about reading config.json: layouts, defaults, and errors that name the field."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelscan_catalog.errors import FitInputError
from modelscan_catalog.fit.architecture import (
    Architecture,
    Attention,
    DeltaNet,
    Experts,
    LatentAttention,
    Mamba,
    Unsupported,
)
from modelscan_catalog.fit.architecture_parse import parse_architecture
from modelscan_catalog.fit.tables import table
from modelscan_catalog.fit.tensors import parameter_count

MODELS: dict[str, Any] = table("fit/configs.json")["models"]
LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "num_hidden_layers": 2,
    "hidden_size": 64,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "vocab_size": 256,
    "max_position_embeddings": 128,
}


def parsed(config: dict[str, Any]) -> Architecture:
    found = parse_architecture(config)
    assert isinstance(found, Architecture)
    return found


@pytest.mark.parametrize("model", sorted(MODELS))
def test_every_config_of_the_registry_parses(model: str) -> None:
    assert parsed(MODELS[model]["config"]).layers


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        ("01-ai/Yi-34B", 34_388_917_248),
        ("ByteDance-Seed/Seed-OSS-36B-Instruct", 36_151_104_512),
        ("CohereLabs/c4ai-command-r-v01", 34_980_831_232),
        ("LGAI-EXAONE/EXAONE-3.5-7.8B-Instruct", 7_818_448_896),
        ("MiniMaxAI/MiniMax-M2.7", 228_689_764_864),
        ("Qwen/Qwen2-VL-7B-Instruct", 8_291_375_616),
        ("Qwen/Qwen2.5-VL-7B-Instruct", 8_292_166_656),
        ("Qwen/Qwen3-235B-A22B", 235_093_634_560),
        ("Qwen/Qwen3-VL-235B-A22B-Instruct", 235_670_022_896),
        ("deepseek-ai/DeepSeek-V2-Lite", 15_706_484_224),
        ("deepseek-ai/DeepSeek-V2.5", 235_741_434_880),
        ("google/gemma-2-9b", 9_241_705_984),
        ("google/gemma-3-1b-it", 999_885_952),
        ("ibm-granite/granite-4.0-h-350m", 340_332_224),
        ("meta-llama/Llama-3.1-8B-Instruct", 8_030_261_248),
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", 108_641_793_536),
        ("nvidia/Llama-3_3-Nemotron-Super-49B-v1", 49_867_145_216),
        ("nvidia/Nemotron-H-56B-Base-8K", 56_324_350_464),
        ("openai/gpt-oss-120b", 116_829_156_672),
        ("poolside/Laguna-S-2.1", 117_561_977_600),
    ],
)
def test_shapes_add_up_to_the_published_parameter_count(model: str, parameters: int) -> None:
    assert parameter_count(parsed(MODELS[model]["config"])) == parameters


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        ("Qwen/Qwen3-Next-80B-A3B-Instruct", 81_324_862_720),
        ("Qwen/Qwen3.5-397B-A17B", 403_397_928_944),
        ("XiaomiMiMo/MiMo-7B-Base", 7_833_409_536),
        ("nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-FP8", 123_611_012_096),
        ("zai-org/GLM-5", 753_864_139_008),
    ],
)
def test_draft_layers_complete_the_count_of_checkpoints_that_hold_them(model: str, parameters: int) -> None:
    assert parameter_count(parsed(MODELS[model]["config"]), with_draft=True) == parameters


def test_missing_head_dim_and_kv_heads_mean_the_class_defaults() -> None:
    mixer = parsed(LLAMA).layers[0].mixer

    assert isinstance(mixer, Attention)
    assert (mixer.head_dim, mixer.kv_heads) == (16, 4)


def test_nested_text_config_is_read_and_inherits_tying() -> None:
    nested = {"model_type": "wrapper", "tie_word_embeddings": True, "text_config": LLAMA}

    assert parsed(nested).tied
    assert parsed(nested).hidden == 64


def test_qwen2_ignores_its_window_unless_the_config_turns_it_on() -> None:
    config = {**LLAMA, "model_type": "qwen2", "sliding_window": 32}
    off, on = parsed(config), parsed({**config, "use_sliding_window": True, "max_window_layers": 1})

    assert [layer.mixer.kind for layer in off.layers if isinstance(layer.mixer, Attention)] == [
        "full",
        "full",
    ]
    assert [layer.mixer.kind for layer in on.layers if isinstance(layer.mixer, Attention)] == [
        "full",
        "sliding",
    ]


def test_gemma_global_layers_have_their_own_heads_and_width() -> None:
    layers = parsed(MODELS["google/gemma-4-26B-A4B"]["config"]).layers
    sliding, full = layers[0].mixer, layers[5].mixer

    assert isinstance(sliding, Attention)
    assert isinstance(full, Attention)
    assert (sliding.kv_heads, sliding.head_dim, full.kv_heads, full.head_dim) == (8, 256, 2, 512)


def test_latent_recurrent_and_state_space_layers_are_told_apart() -> None:
    def mixers(model: str) -> set[type]:
        return {type(layer.mixer) for layer in parsed(MODELS[model]["config"]).layers}

    assert mixers("deepseek-ai/DeepSeek-V3") == {LatentAttention}
    assert mixers("Qwen/Qwen3.5-35B-A3B") == {DeltaNet, Attention}
    assert mixers("ibm-granite/granite-4.0-h-350m") == {Mamba, Attention}
    assert mixers("moonshotai/Kimi-K3") == {DeltaNet, LatentAttention}


def test_first_dense_layers_stay_dense_and_the_rest_have_experts() -> None:
    layers = parsed(MODELS["deepseek-ai/DeepSeek-V3"]["config"]).layers

    assert [isinstance(layer.feed_forward, Experts) for layer in layers[:4]] == [False, False, False, True]


def test_layout_without_a_rule_is_unsupported_and_says_why() -> None:
    found = parse_architecture({**LLAMA, "model_type": "dbrx"})

    assert isinstance(found, Unsupported)
    assert "dbrx" in found.reason


def test_config_without_dimensions_names_what_is_missing() -> None:
    found = parse_architecture({"model_type": "something"})

    assert isinstance(found, Unsupported)
    assert found.missing == ("hidden_size", "num_hidden_layers", "num_attention_heads")


def test_unknown_model_type_with_the_usual_fields_is_marked_as_assumed() -> None:
    assert parsed({**LLAMA, "model_type": "brand_new"}).assumed
    assert not parsed(LLAMA).assumed


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hidden_size", -64),
        ("hidden_size", "64"),
        ("num_hidden_layers", 1e30),
        ("num_hidden_layers", 100_000),
        ("num_attention_heads", 2.5),
        ("vocab_size", True),
        ("intermediate_size", float("nan")),
        ("tie_word_embeddings", "maybe"),
        ("layer_types", "full_attention"),
        ("layer_types", ["quantum_attention"]),
    ],
)
def test_absurd_values_are_refused_with_the_field_in_the_message(field: str, value: Any) -> None:
    with pytest.raises(FitInputError, match=field):
        parse_architecture({**LLAMA, field: value})


def test_nesting_without_end_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"text_config": deep}

    with pytest.raises(FitInputError, match="deep"):
        parse_architecture(deep)


def test_three_megabytes_of_unknown_keys_still_parse() -> None:
    config = {**LLAMA, "quantized": {f"layer.{index}": {"a": 1} for index in range(130_000)}}

    assert len(json.dumps(config)) > 3_000_000
    assert parsed(config) == parsed(LLAMA)


def outcome(config: dict[str, Any]) -> Architecture | Unsupported | str | None:
    """The parsed config, or the field that its error names."""
    try:
        return parse_architecture(config)
    except FitInputError as error:
        return error.field


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(model=st.sampled_from(sorted(MODELS)), data=st.data())
def test_a_damaged_config_gives_an_architecture_or_an_error_that_names_a_field(
    model: str, data: st.DataObject
) -> None:
    config = dict(MODELS[model]["config"])
    key = data.draw(st.sampled_from(sorted(config)))
    config[key] = data.draw(JUNK)
    found = outcome(config)
    assert isinstance(found, Architecture | Unsupported | str)
    assert found


@pytest.mark.parametrize(
    ("model", "field"),
    [
        ("deepseek-ai/DeepSeek-V4-Flash", "compress_ratios"),
        ("deepseek-ai/DeepSeek-V4-Pro", "compress_ratios"),
    ],
)
@pytest.mark.parametrize("value", [[None], ["4"], [[4]], [-1], [True]])
def test_lists_of_numbers_that_hold_anything_else_are_named(model: str, field: str, value: Any) -> None:
    with pytest.raises(FitInputError, match=field):
        parse_architecture({**MODELS[model]["config"], field: value})
