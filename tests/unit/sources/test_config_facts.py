"""Reducing a config.json to facts: what stays, what goes, and huge lists without loss."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.sources.config_facts import LARGEST_NAME_LIST_BYTES, config_facts


def test_numbers_flags_nulls_identifiers_and_lists_of_them_stay() -> None:
    config = {
        "hidden_size": 4096,
        "rope_theta": 1e6,
        "tie_word_embeddings": False,
        "sliding_window": None,
        "torch_dtype": "bfloat16",
        "layer_types": ["full_attention", "sliding_attention"],
        "text_config": {"rope_scaling": {"type": "yarn", "factor": 4.0}},
        "quantization_config": {"ignore": ["lm_head", "re:.*self_attn.*"], "weight_block_size": [128, 128]},
        "block_configs": [{"attention": {"no_op": True}}],
    }
    assert config_facts(config) == config


@pytest.mark.parametrize(
    "dropped",
    [
        {"chat_template": "x"},
        {"auto_map": {"AutoModel": "code.Model"}},
        {"id2label": {"0": "cat"}},
        {"task_specific_params": {"summarization": {"prefix": "summarize: "}}},
        {"note": "a sentence of prose"},
        {"note": "x" * 201},
        {"note": "\ud800"},
        {"a key of prose": 1},
        {"size": float("nan")},
        {"size": 2**63},
    ],
    ids=str,
)
def test_prose_code_references_and_impossible_numbers_go(dropped: dict[str, Any]) -> None:
    assert config_facts({"hidden_size": 1, **dropped}) == {"hidden_size": 1}


def _names() -> list[str]:
    experts = [
        f"model.layers.{layer}.mlp.experts.{expert}.{part}_proj"
        for layer in range(3, 23)
        for expert in range(96)
        for part in ("gate", "up", "down")
        if (layer, expert) != (7, 11)
    ]
    return [*experts, "lm_head", "model.layers.5.self_attn.q_proj", "re:.*visual.*", "*.vision.*"]


def test_a_huge_list_of_names_becomes_patterns_that_match_exactly_these_modules() -> None:
    names = _names()
    assert sum(map(len, names)) > LARGEST_NAME_LIST_BYTES
    facts = config_facts({"quantization_config": {"ignore": names}})
    patterns = facts["quantization_config"]["ignore"]
    assert len("".join(patterns)) < LARGEST_NAME_LIST_BYTES / 2
    assert {"re:.*visual.*", "*.vision.*"} <= set(patterns)
    found = re.compile("|".join(f"(?:{p[3:]})" for p in patterns if p.startswith("re:")))
    assert all(found.match(name) for name in names if not name.startswith(("re:", "*")))
    assert found.match("lm_head.weight")
    others = (
        "model.layers.7.mlp.experts.11.up_proj",
        "model.layers.2.mlp.experts.1.up_proj",
        "model.layers.3.mlp.experts.96.up_proj",
        "model.layers.33.mlp.experts.1.up_proj",
        "model.layers.3.mlp.experts.1.up_projection",
        "lm_head_2",
        "xlm_head",
    )
    assert not [name for name in others if found.match(name)]


def test_applying_it_twice_changes_nothing_even_to_patterns() -> None:
    once = config_facts({"ignore": _names()})
    assert config_facts(once) == once


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=30,
)


@given(st.dictionaries(st.text(max_size=8), JSON, max_size=6))
def test_any_config_is_reduced_once_and_for_all(config: dict[str, Any]) -> None:
    facts = config_facts(config)
    assert config_facts(facts) == facts
    assert facts.keys() <= config.keys()


def test_a_deeply_nested_config_is_cut_and_no_error() -> None:
    nested: Any = 1
    for _ in range(500):
        nested = {"a": nested}
    assert config_facts(nested) != nested
