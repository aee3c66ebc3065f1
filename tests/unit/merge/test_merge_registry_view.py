"""The models_registry.json view: facts of the catalogue in its words, null where nobody knows."""

from merge_rows import small_world

from modelscan_catalog.merge.catalogue import merge_catalogue
from modelscan_catalog.merge.registry_view import ViewInference, ViewRequirements, registry_view

CATALOGUE = merge_catalogue(small_world(), pairs=())


def test_each_variant_is_an_entry_with_the_fields_of_the_shape() -> None:
    view = registry_view(CATALOGUE.models, CATALOGUE.variants, last_updated="2026-09-30")
    entry = view["models"]["Qwen/Qwen3-8B-FP8"]
    assert set(view) == {"version", "last_updated", "categories", "models"}
    assert set(entry) == {
        "id",
        "name",
        "category",
        "provider",
        "base_architecture",
        "parameters",
        "description",
        "tags",
        "status",
        "quantization",
        "requirements",
        "capabilities",
        "training_defaults",
        "inference_defaults",
        "urls",
    }
    assert entry["category"] in view["categories"]
    assert entry["quantization"] == {"method": "fp8", "type": None}


def test_what_nobody_computed_is_null() -> None:
    entry = registry_view(CATALOGUE.models, CATALOGUE.variants, last_updated=None)["models"]["Qwen/Qwen3-8B"]
    assert set(entry["requirements"].values()) == {None}
    assert (entry["training_defaults"], entry["inference_defaults"], entry["status"]) == (None, None, None)


def test_what_the_fit_computed_is_shown() -> None:
    view = registry_view(
        CATALOGUE.models,
        CATALOGUE.variants,
        last_updated=None,
        requirements={"Qwen/Qwen3-8B": ViewRequirements(min_vram_gb=18.0, min_gpus=1)},
        inference={"Qwen/Qwen3-8B": ViewInference(max_model_len=40960, dtype="auto")},
    )
    entry = view["models"]["Qwen/Qwen3-8B"]
    assert (entry["requirements"]["min_vram_gb"], entry["requirements"]["min_gpus"]) == (18.0, 1)
    assert entry["inference_defaults"]["max_model_len"] == 40960


def test_the_description_is_made_of_the_models_facts() -> None:
    entry = registry_view(CATALOGUE.models, CATALOGUE.variants, last_updated=None)["models"]["Qwen/Qwen3-8B"]
    assert entry["description"].endswith(
        "language model of Alibaba, 8.19B parameters, context 40,960 tokens; apache-2.0."
    )


def test_every_category_of_the_catalogue_has_a_word_in_the_view() -> None:
    from typing import get_args

    from modelscan_catalog.merge.tables import read_table
    from modelscan_catalog.records.catalog import Category

    words = {row["from"] for row in read_table("registry_view.json")["categories"].values()}
    assert words == {*get_args(Category), None}
