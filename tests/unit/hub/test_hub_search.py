"""Rows of the hub's answers, whatever the hub sends."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.hub import search
from modelscan_catalog.hub.describe import compatibility
from modelscan_catalog.sources import hub_documents

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
ITEM = st.fixed_dictionaries(
    {"id": st.text(max_size=8)},
    optional={
        "config": JSON | st.fixed_dictionaries({"architectures": JSON}),
        "safetensors": JSON | st.fixed_dictionaries({"total": JSON}),
        "tags": JSON | st.lists(st.sampled_from(["license:mit", "base_model:a/b"]) | JSON, max_size=3),
        "downloads": JSON,
        "gated": JSON,
        "pipeline_tag": JSON,
    },
)


class Nothing:
    """A registry that knows no checkpoint."""

    def has(self, checkpoint: str) -> bool:
        return False


@given(ITEM)
def test_a_row_has_facts_of_the_right_type_or_null(item: dict[str, Any]) -> None:
    (parsed,) = hub_documents.parse("popular/", json.dumps([item]).encode())
    row = search._row(parsed, Nothing())  # type: ignore[arg-type]
    assert all(isinstance(name, str) for name in row["architectures"])
    assert row["vllm"] is search.served_by_vllm(row["architectures"])
    for name, kind in (
        ("downloads", int),
        ("likes", int),
        ("parameters", int),
        ("task", str),
        ("license", str),
    ):
        assert row[name] is None or isinstance(row[name], kind)


def test_one_known_architecture_is_enough_and_none_is_unknown() -> None:
    assert search.served_by_vllm(["NobodysForCausalLM", "Qwen3ForCausalLM"]) is True
    assert search.served_by_vllm(["NobodysForCausalLM"]) is False
    assert search.served_by_vllm([]) is None


def test_compatibility_names_the_recorded_versions_that_have_the_architecture() -> None:
    found = compatibility(("Qwen3ForCausalLM",))
    assert found["supported"] is True
    assert found["newest_known"] in found["architectures"][0]["versions"]
    assert compatibility(())["supported"] is None
