"""Which fits are published, and what their files hold."""

from modelscan_catalog.fit.checkpoints import StoredConfig
from modelscan_catalog.publish.fit_files import published_variants
from modelscan_catalog.records import Variant


def a_variant(identifier: str, model: str, downloads: int) -> Variant:
    return Variant(id=identifier, model=model, hub="huggingface", repo=identifier, downloads=downloads)


VARIANTS = [
    a_variant("a/1", "lab/a", 900), a_variant("a/2", "lab/a", 800), a_variant("a/3", "lab/a", 700),
    a_variant("b/1", "lab/b", 5), a_variant("c/1", "lab/c", 600),
]  # fmt: skip
CONFIGS = {variant.id: StoredConfig({}) for variant in VARIANTS if variant.id != "c/1"}


def test_every_model_comes_once_before_any_comes_twice() -> None:
    assert published_variants(VARIANTS, CONFIGS, 2) == {"a/1", "b/1"}
    assert published_variants(VARIANTS, CONFIGS, 3) == {"a/1", "b/1", "a/2"}


def test_a_variant_without_a_configuration_has_no_fit_to_publish() -> None:
    assert "c/1" not in published_variants(VARIANTS, CONFIGS, 99)
