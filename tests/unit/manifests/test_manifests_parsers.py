"""Parsers come from recipes, in the engine's own names, or not at all."""

import json

import pytest

from modelscan_catalog.manifests.carry import carry_parsers
from modelscan_catalog.manifests.engines import ENGINE_DATA, load_engine
from modelscan_catalog.manifests.parsers import ParserChoice, parsers_for


@pytest.mark.parametrize(
    ("engine", "version", "repos", "choice"),
    [
        ("vllm", "0.33.0", ["Qwen/Qwen3-8B"], ParserChoice("hermes", "qwen3")),
        ("sglang", "0.5.23", ["Qwen/Qwen3-8B"], ParserChoice("qwen", "qwen3")),
        ("vllm", "0.33.0", ["someone/Qwen3-8B-AWQ", "Qwen/Qwen3-8B"], ParserChoice("hermes", "qwen3")),
        ("vllm", "0.11.0", ["deepseek-ai/DeepSeek-V3.2"], ParserChoice(None, None)),
        ("vllm", "0.33.0", ["nobody/knows"], ParserChoice(None, None)),
    ],
)
def test_given_a_checkpoint_when_parsers_are_chosen_then_the_engines_own_names_come_back(
    engine, version, repos, choice
):
    assert parsers_for(engine, version, *repos) == choice


@pytest.mark.parametrize(("engine", "version"), [("vllm", "0.33.0"), ("sglang", "0.5.23")])
def test_given_every_known_checkpoint_when_parsers_are_chosen_then_the_version_has_them(engine, version):
    table = load_engine(engine, version)
    for repo in json.loads((ENGINE_DATA / "parsers.json").read_text())["checkpoints"]:
        choice = parsers_for(engine, version, repo)
        assert choice.tool is None or choice.tool in table.tool_parsers
        assert choice.reasoning is None or choice.reasoning in table.reasoning_parsers


def test_given_recipes_that_differ_when_carried_then_only_what_they_agree_on_is_kept():
    def recipe(tool, reasoning):
        return {
            "model": {"model_id": "a/b", "base_args": ["--reasoning-parser", reasoning]},
            "features": {"tools": {"args": ["--tool-call-parser", tool]}},
            "variants": {"fp8": {"model_id": "a/b-FP8"}, "default": {}},
        }

    assert carry_parsers([recipe("x", "r"), recipe("y", "r")]) == {
        "a/b": {"reasoning": "r"},
        "a/b-FP8": {"reasoning": "r"},
    }
