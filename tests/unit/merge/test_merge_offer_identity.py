"""Linking offers: exact ids first, then names with evidence, else a listed ambiguity."""

from typing import Any

import pytest
from merge_rows import limits, offer

from modelscan_catalog.merge.offer_identity import KnownModel, OfferLinker
from modelscan_catalog.merge.tables import load_tables
from modelscan_catalog.records import Limits

MODELS = {
    model.id: model
    for model in (
        KnownModel("openai/gpt-4o", frozenset({"gpt"}), False, frozenset({128000}), named_by_lab=True),
        KnownModel(
            "deepseek/deepseek-v3.2", frozenset({"deepseek"}), True, frozenset({163840}), named_by_lab=True
        ),
        KnownModel("zhipuai/glm-5", frozenset({"glm"}), True, frozenset({200000}), named_by_lab=True),
        KnownModel("alibaba/qwen3-8b", open_weights=True, contexts=frozenset({40960})),
        KnownModel("a/twin-7b", open_weights=True),
        KnownModel("b/twin-7b", open_weights=True),
    )
}


def link(seller: str, identifier: str, **more: Any) -> tuple[str, str] | tuple[str, ...]:
    linker = OfferLinker(MODELS, {"qwen/qwen3-8b": "alibaba/qwen3-8b"}, load_tables(), {})
    row = offer(seller, identifier, **more)
    homes, doubts = linker.link_all([row])
    home = homes.get((row.provider, row.id))
    return (home.model, home.rule) if home else doubts[0].candidates


@pytest.mark.parametrize(
    ("seller", "identifier", "expected"),
    [
        ("shop", "openai/gpt-4o", ("openai/gpt-4o", "lab_model_id")),
        ("shop", "OPENAI/GPT-4o:free", ("openai/gpt-4o", "lab_model_id")),
        ("shop", "Qwen/Qwen3-8B", ("alibaba/qwen3-8b", "repo_id")),
        ("shop", "qwen/qwen3-8b-maas", ("alibaba/qwen3-8b", "repo_id")),
        ("shop", "z-ai/GLM-5", ("zhipuai/glm-5", "lab_spelling_and_name")),
        ("shop", "Pro/deepseek-ai/DeepSeek-V3-2", ("deepseek/deepseek-v3.2", "lab_spelling_and_name")),
        ("shop", "openai-gpt-4o", ("openai/gpt-4o", "lab_spelling_and_name")),
        ("openai", "gpt-9-nano", ("openai/gpt-9-nano", "first_party_id")),
    ],
)
def test_an_exact_id_is_linked(seller: str, identifier: str, expected: tuple[str, str]) -> None:
    assert link(seller, identifier) == expected


def test_a_unique_name_is_linked_when_a_fact_agrees() -> None:
    assert link("shop", "glm-5", open_weights=True) == ("zhipuai/glm-5", "unique_name_same_facts")
    assert link("shop", "glm-5", limits=limits(200000)) == ("zhipuai/glm-5", "unique_name_same_facts")


def test_a_distinctive_unique_name_is_linked_without_facts() -> None:
    assert link("shop", "deepseek-v3.2", limits=Limits()) == (
        "deepseek/deepseek-v3.2",
        "unique_distinctive_name",
    )


def test_a_unique_name_of_another_family_is_not_linked() -> None:
    assert link("shop", "deepseek-v3.2", family="llama") == ("deepseek/deepseek-v3.2",)


@pytest.mark.parametrize(
    "identifier", ["gpt-4o-2024-05-13", "glm-5-air", "deepseek-v3.2-exp", "glm-5.1", "auto"]
)
def test_another_version_or_variant_is_not_linked(identifier: str) -> None:
    assert link("shop", identifier, open_weights=True) == ()


def test_a_name_of_two_models_is_listed_with_both() -> None:
    assert link("shop", "twin-7b", open_weights=True) == ("a/twin-7b", "b/twin-7b")


def test_a_labs_own_provider_that_resells_another_labs_model_creates_nothing() -> None:
    assert link("openai", "deepseek-v9") == ()
    assert link("openai", "some/other") == ()


def test_the_labs_new_model_is_known_to_other_sellers() -> None:
    linker = OfferLinker(MODELS, {}, load_tables(), {})
    rows = [offer("shop", "openai/gpt-9-nano"), offer("openai", "gpt-9-nano")]
    homes, _ = linker.link_all(rows)
    assert (
        homes["shop", "openai/gpt-9-nano"].model == homes["openai", "gpt-9-nano"].model == "openai/gpt-9-nano"
    )


def test_a_canonical_id_of_models_dev_is_taken_at_its_word() -> None:
    assert link("shop", "anything", canonical_model_id="zhipuai/glm-5") == (
        "zhipuai/glm-5",
        "models_dev_canonical",
    )
