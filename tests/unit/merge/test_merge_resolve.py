"""Resolving an id: explained when it is known, an error with candidates when it is not."""

from pathlib import Path

import pytest
from merge_rows import hf_repo, offer, small_world

from modelscan_catalog.errors import AmbiguousIdError, PublishError, UnknownIdError
from modelscan_catalog.merge.catalogue import merge_catalogue
from modelscan_catalog.merge.resolve import CrosswalkIndex, index_of, read_index, resolve
from modelscan_catalog.store import write_jsonl


@pytest.fixture(scope="module")
def index() -> CrosswalkIndex:
    staged = small_world()
    staged["huggingface_repos"] += [
        hf_repo("zai-org/GLM-5"),
        hf_repo("a/Twin-7B"),
        hf_repo("b/Twin-7B"),
        hf_repo("deepseek-ai/deepseek-coder-33b-base"),
    ]
    staged["models_dev_offers"].append(offer("shop", "twin-7b", open_weights=True))
    catalogue = merge_catalogue(staged, pairs=())
    return index_of(catalogue.models, catalogue.crosswalk, catalogue.ambiguities)


@pytest.mark.parametrize(
    ("query", "model", "rule"),
    [
        ("openai/gpt-4o", "openai/gpt-4o", "model_id"),
        ("OpenAI/GPT-4o", "openai/gpt-4o", "model_id"),
        ("gpt-4o", "openai/gpt-4o", "unique_name"),
        ("Qwen/Qwen3-8B", "alibaba/qwen3-8b", "own_repo"),
        ("qwen/qwen3-8b-fp8", "alibaba/qwen3-8b", "quantized_sibling"),
        ("vllm-ascend/Qwen3-8B-W8A8", "alibaba/qwen3-8b", "gpustack_set"),
        ("gpustack:Qwen3-8B", "alibaba/qwen3-8b", "gpustack_set_repos"),
        ("shop/Qwen/Qwen3-8B", "alibaba/qwen3-8b", "repo_id"),
        ("ZhipuAI/GLM-5-hf", "zhipuai/glm-5", "owner_alias_same_name"),
    ],
)
def test_a_known_id_is_explained(index: CrosswalkIndex, query: str, model: str, rule: str) -> None:
    found = resolve(index, query)
    assert (found.model, found.rule) == (model, rule)
    assert query in found.explanation
    assert model in found.explanation


def test_an_unknown_id_names_what_is_near(index: CrosswalkIndex) -> None:
    with pytest.raises(UnknownIdError, match="did you mean deepseek/deepseek-coder-33b-base") as caught:
        resolve(index, "deepseek-ai/DeepSeek-Coder")
    assert "deepseek/deepseek-coder-33b-base" in caught.value.candidates


def test_a_name_of_two_models_is_ambiguous(index: CrosswalkIndex) -> None:
    with pytest.raises(AmbiguousIdError) as caught:
        resolve(index, "twin-7b")
    assert caught.value.candidates == ("a/twin-7b", "b/twin-7b")


def test_an_offer_that_no_rule_linked_says_so(index: CrosswalkIndex) -> None:
    with pytest.raises(UnknownIdError, match="no known model has this id or name"):
        resolve(index, "shop/mystery")


def test_a_sellers_ambiguous_offer_names_its_candidates(index: CrosswalkIndex) -> None:
    with pytest.raises(AmbiguousIdError) as caught:
        resolve(index, "shop/twin-7b")
    assert caught.value.candidates == ("a/twin-7b", "b/twin-7b")


def test_the_published_files_are_all_that_is_needed(index: CrosswalkIndex, tmp_path: Path) -> None:
    catalogue = merge_catalogue(small_world(), pairs=())
    for name in ("models", "crosswalk", "ambiguities"):
        rows = getattr(catalogue, name)
        write_jsonl(
            tmp_path / f"{name}.jsonl", [row.model_dump(mode="json", exclude_none=True) for row in rows]
        )
    assert resolve(read_index(tmp_path), "Qwen/Qwen3-8B").model == "alibaba/qwen3-8b"


def test_a_registry_that_is_not_there_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="modelscan build"):
        read_index(tmp_path)


def test_nothing_is_sought_that_is_like_an_id_longer_than_any(
    index: CrosswalkIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sought(*_: object) -> tuple[str, ...]:
        raise AssertionError("it takes seconds")

    monkeypatch.setattr("modelscan_catalog.merge.resolve.near_ids", sought)
    with pytest.raises(UnknownIdError, match=r"a-a\.\.\.: no model") as caught:
        resolve(index, "-a" * 20_000)
    assert caught.value.candidates == ()
