"""Twins: a ModelScope repository is linked to a HuggingFace one by a rule with evidence, or not at all."""

from dataclasses import replace

import pytest

from modelscan_catalog.merge.facts import RepoFacts
from modelscan_catalog.merge.tables import OwnerAlias, load_tables
from modelscan_catalog.merge.twins import Hub, Twin, TwinLinker, gpustack_pairs
from modelscan_catalog.records import Ambiguity

ALIASES = {
    "zhipuai": (OwnerAlias("ZhipuAI", "zai-org", 24, ("shown",)),),
    "llm-research": (
        OwnerAlias("LLM-Research", "meta-llama", 13, ("shown",)),
        OwnerAlias("LLM-Research", "unsloth", 1, ("shown",)),
    ),
}
TABLES = replace(load_tables(), owner_aliases=ALIASES)
QWEN = RepoFacts(model_type="qwen3", layers=36, hidden_size=4096)
OTHER_SHAPE = RepoFacts(model_type="qwen3", layers=28, hidden_size=2048)


def found(
    modelscope: str, *huggingface: str, mine: RepoFacts | None = None, theirs: RepoFacts | None = None
) -> Twin | Ambiguity | None:
    hub = Hub(dict.fromkeys(huggingface, theirs))
    return TwinLinker(hub, Hub({modelscope: mine}), TABLES).link(modelscope)


def linked(*arguments: str, **facts: RepoFacts) -> tuple[str, str] | None:
    twin = found(*arguments, **facts)
    return (twin.huggingface, twin.rule) if isinstance(twin, Twin) else None


def test_the_same_id_is_the_same_repository() -> None:
    assert linked("Qwen/Qwen3-8B", "Qwen/Qwen3-8B", "x/Qwen3-8B") == ("Qwen/Qwen3-8B", "same_id")


def test_the_same_id_in_another_case_is_the_same_repository() -> None:
    assert linked("OpenBMB/MiniCPM-V", "openbmb/MiniCPM-V") == ("openbmb/MiniCPM-V", "same_id_other_case")


def test_the_same_id_with_another_shape_is_ambiguous() -> None:
    doubt = found("Qwen/Qwen3-8B", "Qwen/Qwen3-8B", mine=QWEN, theirs=OTHER_SHAPE)
    assert isinstance(doubt, Ambiguity)
    assert "layers" in doubt.reason


def test_a_known_owner_alias_links_the_same_name() -> None:
    assert linked("ZhipuAI/GLM-5", "zai-org/GLM-5") == ("zai-org/GLM-5", "owner_alias_same_name")


@pytest.mark.parametrize(
    "other", ["zai-org/GLM-5-Air", "zai-org/GLM-5.1", "zai-org/GLM-5-Base", "zai-org/GLM-5-9B"]
)
def test_a_known_owner_alias_does_not_link_another_name(other: str) -> None:
    assert found("ZhipuAI/GLM-5", other) is None


def test_an_owner_never_seen_is_found_by_a_unique_name_with_equal_facts() -> None:
    twin = linked("NewOrg/Model-7B", "Maker-Labs/Model-7B", mine=QWEN, theirs=QWEN)
    assert twin == ("Maker-Labs/Model-7B", "unique_name_same_facts")


def test_an_owner_never_seen_is_found_by_a_distinctive_unique_name_without_facts() -> None:
    assert linked("NewOrg/Model-7B", "Maker-Labs/Model-7B") == ("Maker-Labs/Model-7B", "unique_name")
    assert isinstance(found("NewOrg/model", "Maker-Labs/model"), Ambiguity)


@pytest.mark.parametrize(
    ("one", "other", "rule"),
    [
        ("TeleAI", "Tele-AI", "same_owner_other_spelling"),
        ("MiniMax", "MiniMaxAI", "owner_of_longer_name"),
        ("openai-mirror", "openai", "owner_of_longer_name"),
    ],
)
def test_an_owner_of_nearly_the_same_name_is_the_same(one: str, other: str, rule: str) -> None:
    assert linked(f"{one}/Thing-7B", f"{other}/Thing-7B", f"{one}/Else", "x/Thing-7B") == (
        f"{other}/Thing-7B",
        rule,
    )


def test_equal_names_with_other_facts_are_not_linked() -> None:
    assert found("NewOrg/Model-7B", "Maker-Labs/Model-7B", mine=QWEN, theirs=OTHER_SHAPE) is None


def test_an_owner_with_an_account_on_both_hubs_is_not_linked_to_others_copies() -> None:
    doubt = found("Qwen/Qwen3-8B", "Qwen/Qwen3-4B", "hamishivi/Qwen3-8B", mine=QWEN, theirs=QWEN)
    assert isinstance(doubt, Ambiguity)


def test_an_owner_with_a_known_account_is_not_linked_to_others_copies() -> None:
    doubt = found("ZhipuAI/GLM-5", "aspctu/GLM-5", mine=QWEN, theirs=QWEN)
    assert isinstance(doubt, Ambiguity)


def test_a_known_copier_is_the_twin_of_a_quantized_checkpoint_only() -> None:
    quantized = "Llama-3.1-8B-Instruct-bnb-4bit"
    assert linked(f"LLM-Research/{quantized}", f"unsloth/{quantized}") is not None
    assert linked("LLM-Research/Llama-3.1-8B-Instruct", "unsloth/Llama-3.1-8B-Instruct") is None


def test_of_several_repositories_of_one_name_the_labs_own_is_the_original() -> None:
    twin = linked("MirrorOrg/Llama-9-8B", "meta-llama/Llama-9-8B", "unsloth/Llama-9-8B", "x/Llama-9-8B")
    assert twin == ("meta-llama/Llama-9-8B", "name_of_official_repo")


def test_several_repositories_of_one_name_without_an_original_are_ambiguous() -> None:
    doubt = found("MirrorOrg/Model-7B", "a/Model-7B", "b/Model-7B")
    assert isinstance(doubt, Ambiguity)
    assert doubt.candidates == ("a/Model-7B", "b/Model-7B")


def test_a_weight_file_with_the_same_sha256_beats_every_name() -> None:
    weights = RepoFacts(weight_sha256s=frozenset({"a" * 64}))
    hub = Hub({"one/Thing": weights, "two/Other": None})
    twin = TwinLinker(hub, Hub({"two/Other": weights}), TABLES).link("two/Other")
    assert isinstance(twin, Twin)
    assert (twin.huggingface, twin.rule) == ("one/Thing", "weight_sha256")


def test_a_stated_pair_links_names_that_have_nothing_in_common() -> None:
    linker = TwinLinker(
        Hub({"DAMO/polylm-13b": None}),
        Hub({"damo/nlp_polylm": None}),
        TABLES,
        stated={"damo/nlp_polylm": ("DAMO/polylm-13b", "ms-swift")},
    )
    twin = linker.link("damo/nlp_polylm")
    assert isinstance(twin, Twin)
    assert (twin.rule, twin.evidence) == ("stated_pair", "ms-swift")


def test_a_former_name_leads_to_the_present_repository() -> None:
    linker = TwinLinker(
        Hub({"zai-org/glm-4-9b": None}),
        Hub({"THUDM/glm-4-9b": None}),
        TABLES,
        renamed={"THUDM/glm-4-9b": "zai-org/glm-4-9b"},
    )
    twin = linker.link("THUDM/glm-4-9b")
    assert isinstance(twin, Twin)
    assert twin.huggingface == "zai-org/glm-4-9b"


def test_gpustack_pairs_repositories_of_one_set_by_name() -> None:
    sets = {
        ("huggingface", "GLM"): ["zai-org/GLM-5", "zai-org/GLM-5-FP8"],
        ("modelscope", "GLM"): ["ZhipuAI/GLM-5", "Eco-Tech/GLM-5-w8a8"],
        ("huggingface", "SenseVoice"): ["FunAudioLLM/SenseVoiceSmall"],
        ("modelscope", "SenseVoice"): ["iic/speech_sense_voice"],
    }
    pairs = gpustack_pairs(sets, {("huggingface", "d"): "t/eagle", ("modelscope", "d"): "g/eagle"})
    assert {one: other for one, (other, _) in pairs.items()} == {
        "ZhipuAI/GLM-5": "zai-org/GLM-5",
        "iic/speech_sense_voice": "FunAudioLLM/SenseVoiceSmall",
        "g/eagle": "t/eagle",
    }
