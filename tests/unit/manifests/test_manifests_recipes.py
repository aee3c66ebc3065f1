"""A recipe's flags are taken over where they say something about the model, and only if they are valid."""

import dataclasses

from modelscan_catalog.manifests.engines import load_engine
from modelscan_catalog.manifests.recipes import RecipeFlags, recipe_flags

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
