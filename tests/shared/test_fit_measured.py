"""Claims that need the recorded source data: all published configs parse, counts and runs agree with the
sources.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from modelscan_catalog.fit.architecture import Architecture
from modelscan_catalog.fit.architecture_parse import parse_architecture
from modelscan_catalog.fit.quality import read_configs, read_runs, score_runs, summary
from modelscan_catalog.fit.quantization import scheme_of
from modelscan_catalog.fit.tables import table
from modelscan_catalog.fit.tensors import parameter_count
from modelscan_catalog.fit.weights import Parallel, stage_weights

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("MODELSCAN_SHARED", ROOT / ".." / "shared")).resolve()
CONFIGS = SHARED / "sources" / "huggingface" / "configs"
RUNS = SHARED / "sources" / "fit"

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not CONFIGS.is_dir(), reason=f"NO SHARED SOURCES at {SHARED}: set MODELSCAN_SHARED"),
]


def published() -> dict[str, Any]:
    return {
        path.stem.replace("__", "/"): json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(CONFIGS.glob("*.json"))
    }


def test_every_published_config_parses_and_its_own_scheme_gives_weights() -> None:
    for model, config in published().items():
        found = parse_architecture(config)
        assert isinstance(found, Architecture), (model, found)
        assert not found.assumed, model
        scheme = scheme_of(config, model=model)
        assert stage_weights(found, scheme, Parallel())[0].total_gib > 0, model


def test_registry_keeps_what_the_parser_reads_of_every_config() -> None:
    kept = table("fit/configs.json")["models"]
    for model, config in published().items():
        assert parse_architecture(config) == parse_architecture(kept[model]["config"]), model


def test_parameter_counts_agree_with_the_published_ones() -> None:
    with gzip.open(SHARED / "sources/huggingface/params/llmfit_hf_models.1.1.17.json.gz") as stream:
        counts = {row["name"]: row.get("parameters_raw") for row in json.load(stream)}
    exact = checked = 0
    for model, config in published().items():
        found = parse_architecture(config)
        if (
            not isinstance(found, Architecture)
            or not counts.get(model)
            or "quantization_config" in str(config)
        ):
            continue
        checked += 1
        exact += counts[model] in {parameter_count(found), parameter_count(found, with_draft=True)}

    assert checked >= 60
    assert exact / checked >= 0.65  # the table also counts packed words, reward heads and names' figures


def test_registry_runs_carry_the_numbers_of_the_source() -> None:
    with (RUNS / "measured_runs.csv").open(encoding="utf-8", newline="") as stream:
        source = {row["id"]: row for row in csv.DictReader(stream)}
    for run in read_runs():
        for column in ("weights_gib", "kv_avail_gib", "kv_tokens", "max_conc_x", "gpu_total_gib"):
            assert run[column] == source[run["id"]][column], (run["id"], column)


def test_scores_hold_with_the_configs_that_came_with_the_runs() -> None:
    row = summary(
        "all", score_runs(read_runs(RUNS / "measured_runs.csv"), read_configs(RUNS / "configs.json"))
    )

    assert row["weights_median_percent"] <= 0.2
    assert row["capacity_given_pool_within_0.3_percent"] >= 95
    assert row["pool_median_percent"] <= 1
    assert row["capacity_median_percent"] <= 1
    assert row["blocks_exact_percent"] == 100
