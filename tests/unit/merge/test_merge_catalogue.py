"""The whole merge: complete, independent of the order of rows, and true to its rules."""

import random
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from merge_rows import (
    gpustack_set,
    gpustack_spec,
    hf_repo,
    lab_model,
    limits,
    ms_repo,
    offer,
    price,
    provider,
    small_world,
)

from modelscan_catalog.errors import OverrideError
from modelscan_catalog.merge.catalogue import Catalogue, merge_catalogue
from modelscan_catalog.merge.documents import SourceDocument
from modelscan_catalog.records import Override

DOCUMENTS = [
    SourceDocument("models_dev", "https://models.dev/api.json", "2026-09-30T00:00:00Z", "a" * 64),
    SourceDocument("models_dev", "https://models.dev/models.json", "2026-09-29T00:00:00Z", "b" * 64),
    SourceDocument("gpustack", "https://gpustack.example/catalog.yaml", "2026-09-28T00:00:00Z", "c" * 64),
    SourceDocument(
        "huggingface", "https://hub.example/Qwen3-8B", "2026-09-27T00:00:00Z", "d" * 64, "Qwen/Qwen3-8B"
    ),
]


def merged(staged: dict[str, list[Any]], **more: Any) -> Catalogue:
    return merge_catalogue(staged, documents=DOCUMENTS, pairs=(), **more)


def by_id(rows: tuple[Any, ...]) -> dict[str, Any]:
    return {row.id: row for row in rows}


def test_an_empty_world_gives_an_empty_catalogue() -> None:
    assert merged({}).models == ()


def test_the_closed_model_is_a_model_with_its_sellers() -> None:
    model = by_id(merged(small_world()).models)["openai/gpt-4o"]
    assert (model.open_weights, model.offers, model.variants) == (False, 2, ())


def test_the_quantized_repositories_are_variants_of_their_base() -> None:
    catalogue = merged(small_world())
    variants = by_id(catalogue.variants)
    assert by_id(catalogue.models)["alibaba/qwen3-8b"].variants == (
        "Qwen/Qwen3-8B",
        "Qwen/Qwen3-8B-FP8",
        "vllm-ascend/Qwen3-8B-W8A8",
    )
    assert (variants["Qwen/Qwen3-8B-FP8"].official, variants["vllm-ascend/Qwen3-8B-W8A8"].official) == (
        True,
        False,
    )


def test_the_finetune_is_a_model_of_its_own() -> None:
    assert "someone/qwen3-8b-roleplay" in by_id(merged(small_world()).models)


def test_the_modelscope_copy_is_no_variant_of_its_own() -> None:
    variant = by_id(merged(small_world()).variants)["Qwen/Qwen3-8B"]
    assert (variant.hub, variant.modelscope_repo) == ("huggingface", "Qwen/Qwen3-8B")


def test_a_variant_states_bytes_context_and_storage_with_their_basis() -> None:
    variant = by_id(merged(small_world()).variants)["Qwen/Qwen3-8B"]
    assert (variant.weights_bytes, variant.weights_basis) == (2 * 8190735360, "safetensors_dtypes")
    assert variant.context == 40960
    assert variant.quantization is not None
    assert (variant.quantization.scheme, variant.quantization.evidence) == ("bf16", "safetensors")


def test_a_variant_without_a_configuration_has_no_context() -> None:
    assert by_id(merged(small_world()).variants)["someone/Qwen3-8B-Roleplay"].context is None


def test_a_repository_that_only_a_recipe_names_has_no_invented_facts() -> None:
    variant = by_id(merged(small_world()).variants)["vllm-ascend/Qwen3-8B-W8A8"]
    assert (variant.parameters, variant.weights_bytes, variant.revision) == (None, None, None)
    assert variant.quantization is not None
    assert variant.quantization.evidence == "recipe"


def test_a_repository_that_only_its_copy_describes_has_the_facts_of_the_copy() -> None:
    staged = small_world()
    staged["gpustack_specs"].append(gpustack_spec("Qwen3-8B", "zai-org/GLM-9", 8))
    staged["modelscope_repos"].append(ms_repo("ZhipuAI/GLM-9", model_type="glm9"))
    catalogue = merged(staged)
    variant = by_id(catalogue.variants)["zai-org/GLM-9"]
    assert (variant.hub, variant.modelscope_repo, variant.model_type) == (
        "huggingface",
        "ZhipuAI/GLM-9",
        "glm9",
    )
    assert by_id(catalogue.models)["zhipuai/glm-9"].model_type == "glm9"
    (row,) = [p for p in catalogue.provenance if p.record == "variant:zai-org/GLM-9"]
    assert row.source == "modelscope"


def test_both_catalogues_recipes_serve_the_one_variant() -> None:
    deployments = by_id(merged(small_world()).deployments)
    assert deployments["gpustack/huggingface/qwen3-8b/0"].variant == "Qwen/Qwen3-8B"
    assert deployments["gpustack/modelscope/qwen3-8b/1"].variant == "Qwen/Qwen3-8B"
    assert deployments["gpustack/modelscope/qwen3-8b/0"].vram_claim_bytes == 123


def test_an_offer_that_no_rule_links_keeps_its_terms_and_is_listed() -> None:
    catalogue = merged(small_world())
    assert by_id(catalogue.offers)["shop/mystery"].model is None
    assert "shop/mystery" in {doubt.id for doubt in catalogue.ambiguities}


def test_the_labs_record_is_believed_before_its_sellers_and_they_are_kept_as_conflicts() -> None:
    catalogue = merged(small_world())
    assert by_id(catalogue.models)["openai/gpt-4o"].limits.context == 128000
    (conflict,) = [c for c in catalogue.conflicts if c.record == "model:openai/gpt-4o"]
    assert (conflict.field, conflict.chosen, conflict.other) == ("limits.context", 128000, 64000)


def test_every_published_field_leads_to_a_document() -> None:
    rows = {(row.record, row.field): row for row in merged(small_world()).provenance}
    assert rows["model:openai/gpt-4o", "*"].url == "https://models.dev/models.json"
    assert rows["variant:Qwen/Qwen3-8B", "*"].document_sha256 == "d" * 64
    assert rows["offer:*", "*"].url == "https://models.dev/api.json"


def test_the_active_size_of_a_trillion_model_is_read_in_billions() -> None:
    staged = small_world()
    staged["gpustack_sets"].append(gpustack_set("Kimi", size=1, activated_size=32, size_unit="T"))
    staged["gpustack_specs"].append(gpustack_spec("Kimi", "moonshotai/Kimi-K9"))
    model = by_id(merged(staged).models)["moonshotai/kimi-k9"]
    assert (model.parameters.total, model.parameters.active) == (10**12, 32 * 10**9)


def test_a_tie_between_sellers_leaves_a_fact_unknown() -> None:
    staged = small_world()
    staged["models_dev_providers"] += [provider("a"), provider("b")]
    staged["models_dev_offers"] += [
        offer("a", "m", canonical_model_id="writer/m", open_weights=True),
        offer("b", "m", canonical_model_id="writer/m", open_weights=False),
    ]
    catalogue = merged(staged)
    assert by_id(catalogue.models)["writer/m"].open_weights is None
    conflicts = [c for c in catalogue.conflicts if c.record == "model:writer/m"]
    assert {(c.field, c.chosen, c.other) for c in conflicts} == {
        ("open_weights", None, True),
        ("open_weights", None, False),
    }


@pytest.mark.parametrize(
    ("name", "category"),
    [("gemini-embedding-001", "embedding"), ("nemotron-rerank-v2", "reranker"), ("embedded-chat", "llm")],
)
def test_where_no_source_says_what_a_model_does_a_word_of_its_name_may(name: str, category: str) -> None:
    staged = small_world()
    staged["models_dev_providers"].append(provider("a"))
    staged["models_dev_offers"].append(offer("a", name, canonical_model_id=f"writer/{name}"))
    assert by_id(merged(staged).models)[f"writer/{name}"].category == category


def test_a_row_that_repeats_a_key_is_rejected_with_a_reason() -> None:
    staged = small_world()
    staged["models_dev_offers"].append(offer("shop", "mystery", open_weights=True))
    (reject,) = merged(staged).rejects
    assert (reject.record, reject.whole_row) == ("shop/mystery", True)


def test_a_recipe_for_something_that_is_no_repository_is_rejected_with_a_reason() -> None:
    staged = small_world()
    staged["gpustack_specs"].append(gpustack_spec("Qwen3-8B", "/models/local", 7))
    (reject,) = merged(staged).rejects
    assert reject.table == "gpustack_specs"
    assert "/models/local" in reject.reason


def test_a_canonical_id_that_is_no_lab_and_name_is_left_out_with_a_reason() -> None:
    staged = small_world()
    staged["models_dev_offers"].append(offer("shop", "x", canonical_model_id="nameless"))
    catalogue = merged(staged)
    (reject,) = catalogue.rejects
    assert (reject.field, reject.value, reject.whole_row) == ("canonical_model_id", "nameless", False)
    assert by_id(catalogue.offers)["shop/x"].model is None


def test_a_recipe_that_spells_its_repository_otherwise_serves_the_one_that_is_there() -> None:
    staged = small_world()
    staged["huggingface_repos"].append(hf_repo("zai-org/glm-4-9b", requested_as=("THUDM/glm-4-9b",)))
    staged["gpustack_specs"] += [
        gpustack_spec("Qwen3-8B", "qwen/qwen3-8B", 8),
        gpustack_spec("Qwen3-8B", "THUDM/glm-4-9b", 9),
    ]
    deployments = by_id(merged(staged).deployments)
    assert deployments["gpustack/huggingface/qwen3-8b/8"].variant == "Qwen/Qwen3-8B"
    assert deployments["gpustack/huggingface/qwen3-8b/9"].variant == "zai-org/glm-4-9b"


def test_an_offer_of_an_unknown_seller_is_rejected_with_a_reason() -> None:
    staged = small_world()
    staged["models_dev_offers"].append(offer("nobody", "x"))
    assert [r.reason for r in merged(staged).rejects] == ["its provider has no row"]


def test_two_repositories_of_one_id_with_other_weights_stay_two_variants() -> None:
    staged = small_world()
    shape = '{"model_type":"llama","num_hidden_layers":%d}'
    staged["huggingface_repos"].append(hf_repo("both/Model-7B", config_json=shape % 32))
    staged["modelscope_repos"].append(ms_repo("both/Model-7B", config_json=shape % 16))
    variants = by_id(merged(staged).variants)
    assert variants["both/Model-7B"].modelscope_repo is None
    assert variants["modelscope:both/Model-7B"].hub == "modelscope"


def override(record: str, field: str, value: Any, **more: Any) -> Override:
    known = {"reason": "checked by hand", "author": "tests", "date": "2026-01-01"}
    return Override(record=record, field=field, value=value, **known | more)


def test_an_override_wins_over_every_source_and_keeps_what_it_replaced() -> None:
    row = override("model:openai/gpt-4o", "limits.context", 99)
    catalogue = merged(small_world(), overrides=[row])
    assert by_id(catalogue.models)["openai/gpt-4o"].limits.context == 99
    assert [(p.rule) for p in catalogue.provenance if p.source == "override"] == ["checked by hand"]
    assert (99, 128000) in {(c.chosen, c.other) for c in catalogue.conflicts}


def test_an_override_written_against_another_value_is_flagged() -> None:
    row = override("model:openai/gpt-4o", "limits.context", 99, expected_upstream=1000)
    (stale,) = merged(small_world(), overrides=[row]).stale_overrides
    assert (stale.expected_upstream, stale.upstream) == (1000, 128000)


def test_an_override_of_a_vanished_record_is_flagged() -> None:
    (stale,) = merged(small_world(), overrides=[override("model:gone/gone", "name", "x")]).stale_overrides
    assert "no such record" in stale.reason


@pytest.mark.parametrize(("field", "value"), [("nonsense", 1), ("limits.context", -5), ("offers", "many")])
def test_an_override_that_a_record_cannot_hold_is_an_error_that_names_it(field: str, value: Any) -> None:
    with pytest.raises(OverrideError, match=f"openai/gpt-4o.*{field}|{field}"):
        merged(small_world(), overrides=[override("model:openai/gpt-4o", field, value)])


NAMES = st.sampled_from(["Qwen3-8B", "qwen3-8b", "Qwen3-8B-FP8", "Qwen3-4B", "GLM-5", "glm-5-awq", "Thing"])
OWNERS = st.sampled_from(["Qwen", "zai-org", "ZhipuAI", "unsloth", "someone"])
TYPES = st.sampled_from([None, "qwen3", "glm"])
REPO_IDS = st.builds("{}/{}".format, OWNERS, NAMES)
WORLDS = st.fixed_dictionaries(
    {
        "models_dev_providers": st.just([provider("openai"), provider("shop"), provider("zai")]),
        "models_dev_offers": st.lists(
            st.builds(
                offer,
                st.sampled_from(["openai", "shop", "zai", "ghost"]),
                st.one_of(NAMES, REPO_IDS, st.sampled_from(["gpt-4o", "z-ai/glm-5", "a:b@c~d"])),
                canonical_model_id=st.sampled_from([None, None, "zhipuai/glm-5", "alibaba/qwen3-8b", "odd"]),
                open_weights=st.sampled_from([None, True, False]),
                limits=st.builds(limits, st.sampled_from([8192, 131072])),
                price=st.one_of(st.none(), st.builds(price, st.integers(0, 9))),
            ),
            max_size=8,
        ),
        "models_dev_lab_models": st.lists(st.builds(lab_model, st.just("zhipuai/glm-5")), max_size=1),
        "gpustack_sets": st.just([gpustack_set("S"), gpustack_set("S", "modelscope")]),
        "gpustack_specs": st.lists(
            st.builds(
                gpustack_spec,
                st.sampled_from(["S", "S", "Lost"]),
                st.one_of(REPO_IDS, st.just("no-repository")),
                st.integers(0, 5),
                catalogue=st.sampled_from(["huggingface", "modelscope"]),
            ),
            max_size=6,
        ),
        "huggingface_repos": st.lists(st.builds(hf_repo, REPO_IDS, model_type=TYPES), max_size=8),
        "modelscope_repos": st.lists(st.builds(ms_repo, REPO_IDS, model_type=TYPES), max_size=8),
    }
)
MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@MANY
@given(WORLDS, st.integers(0, 10**6))
def test_the_order_of_rows_never_changes_the_catalogue(staged: dict[str, list[Any]], seed: int) -> None:
    shuffled = {name: random.Random(seed).sample(rows, len(rows)) for name, rows in staged.items()}
    one, other = merged(staged), merged(shuffled)
    for field in fields(Catalogue):
        assert getattr(one, field.name) == getattr(other, field.name), field.name


@MANY
@given(WORLDS)
def test_every_staged_row_is_in_the_catalogue_or_in_the_rejects(staged: dict[str, list[Any]]) -> None:
    catalogue = merged(staged)
    rejected = {(r.table, r.record) for r in catalogue.rejects}
    offers = {o.id for o in catalogue.offers}
    links = {(link.kind, link.id) for link in catalogue.crosswalk}
    recipes = {(d.catalogue, d.set_name, d.position) for d in catalogue.deployments}
    for row in staged["models_dev_offers"]:
        key = f"{row.provider}/{row.id}"
        assert key in offers or ("models_dev_offers", key) in rejected
    for row in staged["gpustack_specs"]:
        key = f"{row.catalogue}/{row.set_name}/{row.position}"
        assert (row.catalogue, row.set_name, row.position) in recipes or ("gpustack_specs", key) in rejected
    for hub in ("huggingface", "modelscope"):
        assert {(hub, row.id) for row in staged[f"{hub}_repos"]} <= links


@MANY
@given(WORLDS)
def test_every_reference_names_a_record_and_every_link_a_rule(staged: dict[str, list[Any]]) -> None:
    catalogue = merged(staged)
    models, variants = by_id(catalogue.models), by_id(catalogue.variants)
    assert {link.model for link in catalogue.crosswalk} == set(models)
    assert all(link.rule and 0 < link.confidence <= 1 for link in catalogue.crosswalk)
    assert {v.model for v in variants.values()} <= set(models)
    assert {o.model for o in catalogue.offers} - {None} <= set(models)
    assert {d.variant for d in catalogue.deployments} <= set(variants)
    assert all(variants[d.variant].model == d.model for d in catalogue.deployments)
    assert len({(link.kind, link.id) for link in catalogue.crosswalk}) == len(catalogue.crosswalk)


@MANY
@given(WORLDS)
def test_a_repository_never_joins_a_model_of_another_size(staged: dict[str, list[Any]]) -> None:
    homes = {link.id: link.model for link in merged(staged).crosswalk if link.kind == "huggingface"}
    small = {model for repo, model in homes.items() if "4B" in repo}
    large = {model for repo, model in homes.items() if "8B" in repo or "8b" in repo}
    assert not small & large
