"""Quantization: the strongest evidence wins, and nothing is guessed where there is none."""

from typing import Any

import pytest

from modelscan_catalog.merge.quantization import dtype_bytes, quantization_of
from modelscan_catalog.merge.tables import load_tables

TABLES = load_tables()


def scheme(
    repo: str = "x/Model",
    config: dict[str, Any] | None = None,
    modelopt: str | None = None,
    dtypes: dict[str, int] | None = None,
    recipe: tuple[str, ...] = (),
) -> tuple[str, float | None, str] | None:
    found = quantization_of(repo, config or {}, modelopt, dtypes or {}, recipe, TABLES)
    return (found.scheme, found.bits, found.evidence) if found else None


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"quant_method": "fp8", "fmt": "e4m3"}, ("fp8", 8)),
        ({"quant_method": "fbgemm_fp8"}, ("fp8", 8)),
        ({"quant_method": "mxfp4"}, ("mxfp4", 4)),
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, ("awq", 4)),
        ({"quant_method": "gptq", "bits": 8}, ("gptq", 8)),
        (
            {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"},
            ("bnb-nf4", 4),
        ),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, ("int8", 8)),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, ("nvfp4", 4)),
        ({"quant_algo": "MIXED_PRECISION"}, ("mixed", None)),
        ({"quant_method": "compressed-tensors", "format": "mxfp4-pack-quantized"}, ("mxfp4", 4)),
        (
            {
                "quant_method": "compressed-tensors",
                "format": "pack-quantized",
                "config_groups": {"group_0": {"weights": {"num_bits": 4, "type": "int", "group_size": 32}}},
            },
            ("int4", 4),
        ),
        (
            {
                "quant_method": "compressed-tensors",
                "format": "float-quantized",
                "config_groups": {"group_0": {"weights": {"num_bits": 8, "type": "float"}}},
            },
            ("fp8", 8),
        ),
        (
            {
                "quant_method": "compressed-tensors",
                "format": "int-quantized",
                "config_groups": {
                    "group_0": {
                        "weights": {"num_bits": 8, "type": "int"},
                        "input_activations": {"num_bits": 8},
                    }
                },
            },
            ("w8a8-int8", 8),
        ),
    ],
)
def test_the_configuration_says_how_weights_are_stored(
    block: dict[str, Any], expected: tuple[str, float | None]
) -> None:
    assert scheme(config={"quantization_config": block}) == (*expected, "config")


def test_a_nested_text_config_is_read_too() -> None:
    assert scheme(config={"text_config": {"quantization_config": {"quant_method": "fp8"}}}) == (
        "fp8",
        8,
        "config",
    )


def test_the_configuration_beats_tensors_recipe_and_name() -> None:
    config = {"quantization_config": {"quant_method": "awq", "bits": 4}}
    assert scheme("x/Model-FP8", config, None, {"I32": 10}, ("W8A8",)) == ("awq", 4, "config")


def test_modelopt_states_the_scheme_and_the_kv_cache() -> None:
    text = '{"quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}}'
    found = quantization_of("x/M", {}, text, {}, (), TABLES)
    assert found is not None
    assert (found.scheme, found.method, found.kv_cache_dtype) == ("fp8", "modelopt", "fp8")


def test_tensors_say_the_dtype_that_holds_most_parameters() -> None:
    assert scheme(dtypes={"BF16": 900, "F32": 10}) == ("bf16", 16, "safetensors")


def test_integer_tensors_do_not_say_how_they_are_packed() -> None:
    assert scheme("x/Model-AWQ", dtypes={"I32": 900, "BF16": 10}) == ("awq", None, "repo_name")
    assert scheme("x/Model", dtypes={"I32": 900}) is None


def test_a_recipe_label_beats_the_name_and_the_name_beats_nothing() -> None:
    assert scheme("x/Model-FP8", recipe=("W8A8",)) == ("w8a8-int8", 8, "recipe")
    assert scheme("x/Model-MLX-4bit") == ("int4", 4, "repo_name")
    assert scheme("x/Model") is None


def test_a_plain_configuration_gives_its_dtype() -> None:
    assert scheme(config={"torch_dtype": "bfloat16"}) == ("bf16", 16, "config")


@pytest.mark.parametrize("text", ["not json", "[]", '{"quantization": 3}', '{"quantization": {}}'])
def test_a_damaged_modelopt_file_says_nothing(text: str) -> None:
    assert scheme(modelopt=text) is None


def test_bytes_are_parameters_times_width_and_unknown_with_an_unknown_dtype() -> None:
    assert dtype_bytes({"BF16": 10, "F8_E4M3": 4}, TABLES) == 24
    assert dtype_bytes({"BF16": 10, "F3": 4}, TABLES) is None
    assert dtype_bytes({}, TABLES) is None


def test_an_owner_that_converts_everything_to_one_runtime_is_the_method_whatever_the_name_says() -> None:
    found = quantization_of("mlx-community/gpt-oss-20b-MXFP4-Q8", {}, None, {}, (), TABLES)
    assert found is not None
    assert (found.scheme, found.method) == ("mxfp4", "mlx")
    assert quantization_of("mlx-community/Model", {}, None, {}, (), TABLES) is None
