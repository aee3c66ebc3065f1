"""Claims about the matrix of features: model, engine, version, card."""

from pathlib import Path

import pytest

from modelscan_catalog.errors import UnknownIdError
from modelscan_catalog.manifests.engines import engine_versions
from modelscan_catalog.registry import Registry
from modelscan_catalog.registry.features import FeatureRow, feature_matrix

QWEN = "Qwen/Qwen3-8B"
FEATURES = ["starts", "weights", "lora", "speculative_decoding", "pipeline_parallel", "fp8_kv_cache",
            "tool_calls", "reasoning"]  # fmt: skip


@pytest.fixture
def registry(published: Path) -> Registry:
    return Registry(published)


def newest(rows: list[FeatureRow], engine: str = "vllm") -> dict[str, FeatureRow]:
    return {
        row.feature: row
        for row in rows
        if (row.engine, row.engine_version) == (engine, engine_versions(engine)[-1])  # type: ignore[arg-type]
    }


def test_every_recorded_version_of_every_engine_answers_for_every_feature(registry: Registry) -> None:
    checkpoint, rows = feature_matrix(registry, "alibaba/qwen3-8b", "rtx-4090")
    assert checkpoint == QWEN
    asked = [
        (engine, version, feature)
        for engine in ("vllm", "sglang")
        for version in engine_versions(engine)  # type: ignore[arg-type]
        for feature in FEATURES
    ]
    assert [(row.engine, row.engine_version, row.feature) for row in rows] == asked


def test_what_decides_a_feature_is_named(registry: Registry) -> None:
    found = newest(feature_matrix(registry, QWEN, "rtx-4090")[1])
    assert {name: row.support for name, row in found.items()} == dict.fromkeys(FEATURES, "native")
    assert found["lora"].source == "engines/vllm_models.json"
    assert found["tool_calls"].reason == "--tool-call-parser hermes"


def test_a_card_without_a_kernel_has_no_fp8_cache_and_other_features_stay(registry: Registry) -> None:
    found = newest(feature_matrix(registry, QWEN, "t4")[1])
    assert found["fp8_kv_cache"].support == "unsupported"
    assert "compute capability" in found["fp8_kv_cache"].reason
    assert found["lora"].support == "native"


def test_an_engine_that_does_not_start_there_has_no_feature(registry: Registry) -> None:
    found = newest(feature_matrix(registry, QWEN, "t4")[1], "sglang")
    assert {row.support for name, row in found.items() if name != "weights"} == {"unsupported"}


def test_what_no_table_records_is_unknown(registry: Registry) -> None:
    rows = feature_matrix(registry, QWEN, "rtx-4090")[1]
    oldest = [row for row in rows if row.engine_version == engine_versions("vllm")[0]]
    assert {row.feature: row.support for row in oldest}["lora"] == "unknown"
    assert newest(rows, "sglang")["lora"].support == "unknown"


def test_closed_weights_and_unknown_cards_are_refused_with_a_reason(registry: Registry) -> None:
    with pytest.raises(UnknownIdError, match="closed"):
        feature_matrix(registry, "openai/gpt-4o", "rtx-4090")
    with pytest.raises(UnknownIdError, match="no GPU profile"):
        feature_matrix(registry, QWEN, "h1000")
