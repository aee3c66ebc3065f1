"""Looking up checkpoints in a published registry: every line is found, and only the wanted ones."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelscan_catalog.errors import AmbiguousIdError, FitInputError, PublishError, UnknownIdError
from modelscan_catalog.fit.catalogue import fit_variants
from modelscan_catalog.fit.checkpoints import StoredConfig
from modelscan_catalog.fit.known import known_config
from modelscan_catalog.fit.published import PublishedRegistry
from modelscan_catalog.fit.quantization import Scheme
from modelscan_catalog.records import Variant


def write(root: Path, name: str, rows: list[dict[str, object]]) -> None:
    (root / name).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two models, one with a checkpoint that borrows its shape; an id that both claim."""
    known = known_config("Qwen/Qwen3-8B")
    assert known is not None
    variants: list[dict[str, object]] = [
        {"id": "Org/A", "repo": "Org/A", "model": "org/a", "quantization": {"scheme": "bf16"}, "context": 99},
        {"id": "Org/A-FP8", "repo": "Org/A-FP8", "model": "org/a", "quantization": {"scheme": "fp8"}},
        {"id": "Org/A-odd", "repo": "Org/A-odd", "model": "org/a"},
        {"id": "org/b", "repo": "org/b", "model": "org/b"},
    ]
    write(tmp_path, "models.jsonl", [{"id": "org/a"}, {"id": "org/b"}, {"id": "org/c"}])
    write(tmp_path, "variants.jsonl", variants)
    write(
        tmp_path,
        "configs.jsonl",
        [
            {"variant": "Org/A", "config": known.config},
            {"variant": "Org/A-FP8", "config": known.config, "borrowed_from": "Org/A"},
            {"variant": "Org/A-odd", "config": known.config, "borrowed_from": "Org/A"},
            {"variant": "org/b", "config": {**known.config, "hidden_size": -1}},
        ],
    )
    links = [(row["id"], row["model"]) for row in variants] + [("both", "org/a"), ("both", "org/b")]
    write(
        tmp_path,
        "crosswalk.jsonl",
        [
            {"kind": "huggingface", "id": name, "model": model, "rule": "r", "confidence": 1.0}
            for name, model in links
        ],
    )
    return tmp_path


def test_a_model_comes_with_all_its_checkpoints_and_their_architectures(root: Path) -> None:
    found = PublishedRegistry(root).find("org/a")
    assert [variant.variant_id for variant in found.variants] == ["Org/A", "Org/A-FP8", "Org/A-odd"]
    own, borrowed, odd = found.variants
    assert own.architecture is not None
    assert own.declared_context == 99
    assert borrowed.architecture is not None
    assert borrowed.architecture.assumed
    assert odd.architecture is None
    assert set(found.unread) == {"Org/A-odd"}


def test_a_repository_is_named_and_an_id_that_is_both_means_the_model(root: Path) -> None:
    assert PublishedRegistry(root).find("Org/A-FP8").named == "Org/A-FP8"
    assert PublishedRegistry(root).find("org/b").named is None


def test_a_well_known_name_stands_in_for_a_configuration_that_was_not_published(root: Path) -> None:
    row = {
        "id": "x/Qwen3-8B-AWQ",
        "repo": "x/Qwen3-8B-AWQ",
        "model": "org/a",
        "quantization": {"scheme": "awq"},
    }
    variant, reason = PublishedRegistry(root).fit_input(row)
    assert reason == ""
    assert variant.architecture is not None
    assert variant.architecture.assumed
    assert PublishedRegistry(root).fit_input({**row, "repo": "x/unheard-of"})[1] != ""


def test_a_bad_configuration_is_a_reason_not_an_error(root: Path) -> None:
    assert "hidden_size" in PublishedRegistry(root).find("org/b").unread["org/b"]


def test_unknown_ambiguous_and_weightless_models_are_refused(root: Path) -> None:
    registry = PublishedRegistry(root)
    with pytest.raises(UnknownIdError):
        registry.find("org/zzz")
    with pytest.raises(AmbiguousIdError):
        registry.find("both")
    with pytest.raises(FitInputError, match="org/c"):
        registry.find("org/c")


def test_a_repository_is_found_in_any_case(root: Path) -> None:
    row = PublishedRegistry(root).variant("oRG/a-fp8")
    assert row is not None
    assert row["id"] == "Org/A-FP8"
    assert PublishedRegistry(root).variant("Org/A-FP") is None


def test_a_missing_file_and_a_bad_line_are_named(root: Path) -> None:
    with pytest.raises(PublishError, match=r"models\.jsonl"):
        PublishedRegistry(root / "none").find("org/a")
    (root / "variants.jsonl").write_text('{"id":"x"}\n{"id":"Org/A","repo"\n')
    with pytest.raises(PublishError, match=r"variants\.jsonl:2"):
        PublishedRegistry(root).variant("Org/A")


@settings(max_examples=40, deadline=None)
@given(
    names=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), unique=True, max_size=8),
    spaced=st.booleans(),
)
def test_every_row_is_found_by_its_id_whatever_the_id(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], spaced: bool
) -> None:
    root = tmp_path_factory.mktemp("rows")
    separators = (", ", ": ") if spaced else (",", ":")
    lines = (
        json.dumps({"id": name, "other": names[0]}, ensure_ascii=False, separators=separators)
        for name in names
    )
    (root / "rows.jsonl").write_bytes("\n".join(lines).encode())
    registry = PublishedRegistry(root)
    for name in names:
        assert [row["id"] for row in registry.rows("rows.jsonl", "id", name)] == [name]
    assert len(registry.table("rows.jsonl")) == len(names)


def test_a_published_variant_is_the_same_fit_input_as_before_publishing(root: Path) -> None:
    registry = PublishedRegistry(root)
    found = registry.find("org/a")
    configs = {
        row["variant"]: StoredConfig(row["config"], borrowed_from=row.get("borrowed_from"))
        for row in registry.table("configs.jsonl")
    }
    quantization = {
        name: {**row.get("quantization", {}), "evidence": "config"} for name, row in found.rows.items()
    }
    records = [
        Variant.model_validate(
            {
                **row,
                "hub": "huggingface",
                "quantization": quantization[name] if "quantization" in row else None,
            }
        )
        for name, row in found.rows.items()
    ]
    inputs, unread = fit_variants(records, configs)
    assert [replace(one, scheme=None) for one in inputs] == [
        replace(one, scheme=None) for one in found.variants
    ]
    for before, after in zip(inputs, found.variants, strict=True):
        assert _storage(before.scheme) == _storage(after.scheme)
    assert {one.variant: one.reason for one in unread} == found.unread


def _storage(scheme: Scheme | None) -> object:
    return scheme and (scheme.label, scheme.default, scheme.certain, scheme.head, scheme.kv_fp8)
