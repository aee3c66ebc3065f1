"""A recipe's flags are taken over where they say something about the model, and only if they are valid."""

import dataclasses

import pytest

from modelscan_catalog.fit.profiles import find_profile
from modelscan_catalog.manifests.engines import load_engine
from modelscan_catalog.manifests.recipes import RecipeFlags, reading_flags, recipe_flags
from modelscan_catalog.records import Deployment, GpuFilter

VLLM = load_engine("vllm", "0.33.0")
NOTHING = RecipeFlags(None, None, None, False, (), ())


def test_given_a_recipe_when_read_then_parsers_are_taken_and_sizes_are_left_to_the_plan():
    assert recipe_flags(
        VLLM,
        [
            "--max-model-len=65536",
            "--tensor-parallel-size 8",
            "--tool-call-parser=step3p5",
            "--enable-auto-tool-choice",
            "--reasoning-parser",
            "step3p5",
            "--trust-remote-code",
            "--quantization=fp8",
            "--mm-encoder-tp-mode=data",
            "--no-enable-prefix-caching",
        ],
    ) == RecipeFlags(
        tool_parser="step3p5",
        reasoning_parser="step3p5",
        quantization="fp8",
        trust_remote_code=True,
        extra_parameters=("--mm-encoder-tp-mode=data", "--no-enable-prefix-caching"),
        dropped=(
            ("--max-model-len", "the plan decides it"),
            ("--tensor-parallel-size", "the plan decides it"),
            ("--enable-auto-tool-choice", "the plan decides it"),
        ),
    )


def test_given_a_flag_that_the_version_lacks_when_read_then_it_is_dropped_with_the_reason():
    flags = recipe_flags(VLLM, ["--omni", "--swap-space=4", "--chat-template={data_dir}/x.jinja"])
    assert dataclasses.replace(flags, dropped=()) == NOTHING
    assert [name for name, _ in flags.dropped] == ["--omni", "--swap-space", "--chat-template"]
    assert "left vllm after 0.16.0" in flags.dropped[1][1]


def test_given_a_value_of_a_plugin_when_the_recipe_is_for_its_accelerator_then_it_is_taken():
    assert recipe_flags(VLLM, ["--quantization=ascend"], vendors=["ascend"]).quantization == "ascend"
    assert recipe_flags(VLLM, ["--quantization=ascend"], vendors=["nvidia"]).quantization is None


def recipe(**changes):
    fields = {
        "id": "gpustack/huggingface/v4/0",
        "model": "deepseek/v4",
        "variant": "deepseek-ai/V4",
        "source": "gpustack",
        "catalogue": "huggingface",
        "set_name": "V4",
        "position": 0,
        "mode": "standard",
        "engine": "vLLM",
        "parameters": (
            "--tokenizer-mode=deepseek_v4",
            "--tool-call-parser=deepseek_v4",
            "--enable-expert-parallel",
            "--trust-remote-code",
            "--max-model-len=4096",
        ),
        **changes,
    }
    return Deployment(**fields)


def test_given_a_recipe_of_the_checkpoint_when_read_then_only_how_it_is_read_is_taken_over():
    flags = reading_flags([recipe()], "deepseek-ai/V4", VLLM, find_profile("h100-80gb"))
    assert flags.extra_parameters == ("--tokenizer-mode=deepseek_v4",)
    assert flags.tool_parser == "deepseek_v4"
    assert (flags.trust_remote_code, flags.quantization) == (False, None)


@pytest.mark.parametrize(
    "other",
    [
        recipe(variant="deepseek-ai/V3"),
        recipe(mode="throughput"),
        recipe(engine="SGLang"),
        recipe(gpu_filter=GpuFilter(vendors=("amd",))),
        recipe(gpu_filter=GpuFilter(vendors=("nvidia",), compute_capability=">=10.0")),
        recipe(gpu_filter=GpuFilter(vendors=("ascend",), vendor_variant="910b")),
    ],
    ids=["checkpoint", "mode", "engine", "vendor", "generation", "variant of the card"],
)
def test_given_a_recipe_for_something_else_when_read_then_nothing_is_taken_over(other):
    assert reading_flags([other], "deepseek-ai/V4", VLLM, find_profile("h100-80gb")) is None


def test_given_two_recipes_that_match_when_read_then_the_first_of_its_catalogue_wins():
    first = recipe(gpu_filter=GpuFilter(compute_capability=">=9.0"), parameters=("--load-format=auto",))
    second = recipe(id="gpustack/huggingface/v4/1", position=1)
    flags = reading_flags([second, first], "deepseek-ai/V4", VLLM, find_profile("h100-80gb"))
    assert flags.extra_parameters == ("--load-format=auto",)
