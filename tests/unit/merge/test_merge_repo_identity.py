"""Which model a repository is of: rules in the order of their evidence."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from modelscan_catalog.merge.facts import RepoFacts
from modelscan_catalog.merge.repo_identity import RepoIdentity, RepoView
from modelscan_catalog.merge.tables import load_tables

TABLES = load_tables()
QWEN, LLAMA = RepoFacts(model_type="qwen3"), RepoFacts(model_type="llama")


def identity(*views: RepoView, canonical: tuple[str, ...] = (), **more: Any) -> RepoIdentity:
    known: dict[str, Any] = {"weights": {}, "sold_as": {}, "elsewhere": {}, "lab_of": TABLES.lab_of} | more
    return RepoIdentity(
        kind="huggingface",
        repos={view.id: view for view in views},
        tables=TABLES,
        canonical=frozenset(canonical),
        **known,
    )


def homes(*views: RepoView, canonical: tuple[str, ...] = (), **more: Any) -> Mapping[str, tuple[str, str]]:
    found = identity(*views, canonical=canonical, **more)
    return {view.id: (found.home(view.id).model, found.home(view.id).rule) for view in views}


def repo(identifier: str, facts: RepoFacts | None = None, **more: Any) -> RepoView:
    return RepoView(identifier, facts or RepoFacts(), **more)


def test_a_repository_that_nobody_else_names_is_its_own_model() -> None:
    assert homes(repo("Some_One/My.Model+x")) == {"Some_One/My.Model+x": ("some_one/my.model+x", "own_repo")}


def test_a_labs_repository_is_the_lab_model_of_its_name() -> None:
    found = homes(repo("zai-org/GLM-4.5-Air"), canonical=("zhipuai/glm-4.5-air", "zhipuai/glm-4.5"))
    assert found["zai-org/GLM-4.5-Air"] == ("zhipuai/glm-4.5-air", "lab_and_name")


def test_the_labs_name_before_the_models_makes_no_other_model() -> None:
    found = homes(repo("nvidia/NVIDIA-Nemotron-9B"), canonical=("nvidia/nemotron-9b",))
    assert found["nvidia/NVIDIA-Nemotron-9B"] == ("nvidia/nemotron-9b", "lab_and_name_respelled")


def test_a_weights_link_names_the_model_of_a_repository_with_another_name() -> None:
    found = homes(
        repo("mistralai/Mistral-Large-3-675B-Instruct-2512"),
        canonical=("mistral/mistral-large-2512", "mistral/mistral-large-latest"),
        weights={
            "mistralai/mistral-large-3-675b-instruct-2512": [
                "mistral/mistral-large-2512",
                "mistral/mistral-large-latest",
            ]
        },
    )
    assert set(found.values()) == {("mistral/mistral-large-2512", "models_dev_weights_link")}


def test_two_weights_links_that_the_name_does_not_decide_are_ambiguous() -> None:
    found = identity(repo("x/Model-7B"), weights={"x/model-7b": ["x/one", "x/two"]})
    assert found.home("x/Model-7B").rule == "own_repo"
    assert [doubt.candidates for doubt in found.ambiguities] == [("x/one", "x/two")]


@pytest.mark.parametrize(
    ("quantized", "more", "rule"),
    [
        ("Qwen/Qwen3-8B-FP8", {}, "quantized_sibling"),
        ("anyone/Qwen3-8B-AWQ", {}, "quantized_name"),
        ("anyone/whatever-GGUF", {"quantized_from": ("Qwen/Qwen3-8B",)}, "declared_base"),
        ("anyone/Qwen3-8B-w8a8", {"set_names": ("S",)}, "gpustack_set"),
    ],
)
def test_a_quantization_is_of_its_bases_model(quantized: str, more: dict[str, Any], rule: str) -> None:
    base = repo("Qwen/Qwen3-8B", QWEN, set_names=("S",))
    assert homes(base, repo(quantized, QWEN, **more))[quantized] == ("alibaba/qwen3-8b", rule)


def test_a_quantization_of_another_architecture_is_not_of_that_model() -> None:
    found = homes(repo("Qwen/Qwen3-8B", QWEN), repo("anyone/Qwen3-8B-AWQ", LLAMA))
    assert found["anyone/Qwen3-8B-AWQ"] == ("anyone/qwen3-8b-awq", "own_repo")


def test_a_quantization_without_facts_of_an_unofficial_base_is_ambiguous() -> None:
    found = identity(repo("someone/Model-7B"), repo("other/Model-7B-AWQ"))
    assert found.home("other/Model-7B-AWQ").rule == "own_repo"
    assert [doubt.candidates for doubt in found.ambiguities] == [("someone/Model-7B",)]


def test_labelled_repositories_of_one_owner_share_their_stem_and_others_join_them() -> None:
    found = homes(
        repo("nvidia/Nano-4B-BF16", QWEN),
        repo("nvidia/Nano-4B-FP8", QWEN),
        repo("RedHatAI/Nano-4B-NVFP4", QWEN),
    )
    assert {model for model, _ in found.values()} == {"nvidia/nano-4b"}


def test_a_copiers_copy_is_of_the_labs_model_and_anyone_elses_is_its_own() -> None:
    found = homes(repo("google/gemma-9", LLAMA), repo("unsloth/gemma-9", LLAMA), repo("x/gemma-9", LLAMA))
    assert found["unsloth/gemma-9"] == ("google/gemma-9", "copy_of_official_repo")
    assert found["x/gemma-9"] == ("x/gemma-9", "own_repo")


def test_sellers_link_a_repository_only_while_the_model_has_no_repository_of_its_own() -> None:
    sold = {
        "qwen/qwen3-30b-a3b-instruct-2507": Counter({"alibaba/qwen3-30b-a3b": 2}),
        "x/new-7b": Counter({"x/other-7b": 1}),
    }
    found = homes(
        repo("Qwen/Qwen3-30B-A3B"),
        repo("Qwen/Qwen3-30B-A3B-Instruct-2507"),
        repo("x/New-7B"),
        canonical=("alibaba/qwen3-30b-a3b", "x/other-7b"),
        sold_as=sold,
    )
    assert found["Qwen/Qwen3-30B-A3B-Instruct-2507"] == ("alibaba/qwen3-30b-a3b-instruct-2507", "own_repo")
    assert found["x/New-7B"] == ("x/other-7b", "sellers_repo_id")


def test_sellers_do_not_link_a_repository_to_a_model_of_another_size() -> None:
    found = homes(
        repo("x/New-7B"), canonical=("x/other-9b",), sold_as={"x/new-7b": Counter({"x/other-9b": 5})}
    )
    assert found["x/New-7B"] == ("x/new-7b", "own_repo")


def test_two_repositories_that_call_each_other_their_base_end() -> None:
    one = repo("a/M-7B-AWQ", quantized_from=("b/M-7B-GPTQ",))
    other = repo("b/M-7B-GPTQ", quantized_from=("a/M-7B-AWQ",))
    assert len({model for model, _ in homes(one, other).values()}) == 1
