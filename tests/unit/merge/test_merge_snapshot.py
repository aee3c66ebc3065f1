"""The merge on the embedded snapshot: real data, whole, in a fresh clone."""

from collections import Counter

import pytest

from modelscan_catalog.merge.catalogue import Catalogue, merge_catalogue
from modelscan_catalog.merge.overrides import read_overrides
from modelscan_catalog.merge.resolve import index_of, resolve
from modelscan_catalog.settings import REPOSITORY_ROOT, Settings
from modelscan_catalog.sources.runner import ADAPTERS, run_source

OVERRIDES = REPOSITORY_ROOT / "registry" / "overrides"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    results = {name: run_source(name, Settings(), "snapshot", offline=True) for name in ADAPTERS}
    staged = {
        f"{name}_{table}": rows for name, result in results.items() for table, rows in result.tables.items()
    }
    return merge_catalogue(staged, read_overrides(OVERRIDES))


def test_every_row_of_models_dev_and_gpustack_is_there(catalogue: Catalogue) -> None:
    assert len(catalogue.providers) >= 225
    assert len(catalogue.offers) >= 8337
    sets = {(d.catalogue, d.set_name) for d in catalogue.deployments}
    assert Counter(name for name, _ in sets) >= Counter({"huggingface": 130, "modelscope": 124})
    assert Counter(d.catalogue for d in catalogue.deployments) >= Counter(
        {"huggingface": 216, "modelscope": 211}
    )
    assert [reject for reject in catalogue.rejects if reject.whole_row] == []


def test_every_reference_and_every_id_is_sound(catalogue: Catalogue) -> None:
    models = {model.id for model in catalogue.models}
    variants = {variant.id for variant in catalogue.variants}
    assert len(models) == len(catalogue.models)
    assert len(variants) == len(catalogue.variants)
    assert {v.model for v in catalogue.variants} <= models
    assert {o.model for o in catalogue.offers if o.model} <= models
    assert {d.variant for d in catalogue.deployments} <= variants
    assert len({(link.kind, link.id) for link in catalogue.crosswalk}) == len(catalogue.crosswalk)


def test_four_of_five_offers_are_linked_and_every_other_is_listed(catalogue: Catalogue) -> None:
    unlinked = {offer.id for offer in catalogue.offers if offer.model is None}
    assert len(unlinked) < 0.2 * len(catalogue.offers)
    assert unlinked == {doubt.id for doubt in catalogue.ambiguities if doubt.kind == "models_dev"}


def test_gpt_4o_is_the_real_record_and_not_a_sample(catalogue: Catalogue) -> None:
    (model,) = [m for m in catalogue.models if m.id == "openai/gpt-4o"]
    (offer,) = [o for o in catalogue.offers if o.id == "openai/gpt-4o"]
    assert (model.open_weights, model.limits.context, model.knowledge) == (False, 128000, "2023-09")
    assert offer.price is not None
    assert (offer.price.input, offer.price.output) == (2.5, 10.0)


@pytest.mark.parametrize(
    "ids",
    [
        ("Qwen/Qwen3-8B", "Qwen/Qwen3-8B-FP8", "vllm-ascend/Qwen3-8B-W8A8", "gpustack:Qwen3-8B"),
        ("zai-org/GLM-5.1", "ZhipuAI/GLM-5.1", "ZhipuAI/GLM-5.1-FP8", "Eco-Tech/GLM-5.1-w8a8", "GLM-5.1"),
        ("openai/gpt-oss-120b", "openai-mirror/gpt-oss-120b", "gpt-oss-120b"),
        ("MiniMaxAI/MiniMax-M2.5", "MiniMax/MiniMax-M2.5"),
        ("nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-BF16", "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-NVFP4"),
    ],
)
def test_all_names_of_one_model_lead_to_it(catalogue: Catalogue, ids: tuple[str, ...]) -> None:
    index = index_of(catalogue.models, catalogue.crosswalk, catalogue.ambiguities)
    assert len({resolve(index, identifier).model for identifier in ids}) == 1


@pytest.mark.parametrize(
    "ids",
    [
        ("Qwen/Qwen3-30B-A3B-Instruct-2507", "Qwen/Qwen3-30B-A3B-Thinking-2507", "Qwen/Qwen3-30B-A3B"),
        ("deepseek-ai/DeepSeek-V3", "deepseek-ai/DeepSeek-V3.2", "deepseek-ai/DeepSeek-R1"),
        ("google/gemma-4-31B-it", "google/gemma-4-26B-A4B-it", "google/gemma-4-E2B-it"),
        ("zai-org/GLM-4.6", "zai-org/GLM-4.7", "zai-org/GLM-4.7-Flash"),
    ],
)
def test_siblings_stay_apart(catalogue: Catalogue, ids: tuple[str, ...]) -> None:
    index = index_of(catalogue.models, catalogue.crosswalk, catalogue.ambiguities)
    assert len({resolve(index, identifier).model for identifier in ids}) == len(ids)


def test_every_canonical_id_whose_sellers_disagree_on_open_weights_is_a_conflict(
    catalogue: Catalogue,
) -> None:
    said: dict[str, set[bool]] = {}
    linked = {link.id: link for link in catalogue.crosswalk if link.kind == "models_dev"}
    for offer in catalogue.offers:
        if linked.get(offer.id) and linked[offer.id].rule == "models_dev_canonical" and offer.model:
            said.setdefault(offer.model, set()).add(bool(offer.open_weights))
    divided = {f"model:{model}" for model, values in said.items() if len(values) > 1}
    assert len(divided) >= 11
    assert divided <= {c.record for c in catalogue.conflicts if c.field == "open_weights"}


def test_the_committed_overrides_apply_and_none_is_stale(catalogue: Catalogue) -> None:
    assert catalogue.stale_overrides == ()
    applied = {(p.record, p.field) for p in catalogue.provenance if p.source == "override"}
    assert applied == {(o.record, o.field) for o in read_overrides(OVERRIDES)}


def test_no_parameter_count_is_below_its_active_part(catalogue: Catalogue) -> None:
    wrong = [
        m.id
        for m in catalogue.models
        if m.parameters.total and m.parameters.active and m.parameters.active > m.parameters.total
    ]
    assert wrong == []
