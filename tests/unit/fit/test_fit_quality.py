"""Claims about accuracy on the measured runs, with every constant refitted without the run that it is
scored on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modelscan_catalog.errors import FitInputError
from modelscan_catalog.fit.quality import (
    quantile,
    read_configs,
    read_runs,
    refitted,
    score,
    score_runs,
    summary,
)
from modelscan_catalog.fit.tables import constant, table, tried

MISLABELLED = {"G037"}
"""Logged with the weights and KV dtype of the NVFP4 checkpoint, under the INT4 one's name."""


@pytest.fixture(scope="module")
def scored() -> list[dict[str, Any]]:
    return score_runs(read_runs(), read_configs())


@pytest.fixture(scope="module")
def left_out() -> list[dict[str, Any]]:
    return score_runs(read_runs(), read_configs(), leave_one_out=True)


def test_weights_are_right_to_a_fifth_of_a_percent_in_the_median(scored: list[dict[str, Any]]) -> None:
    row = summary("all", scored)

    assert row["weights_median_percent"] <= 0.2
    assert row["weights_p90_percent"] <= 4


def test_capacity_given_the_pool_is_exact(scored: list[dict[str, Any]]) -> None:
    row = summary("all", scored)

    assert row["capacity_given_pool_runs"] >= 25
    assert row["capacity_given_pool_within_0.3_percent"] >= 95
    assert row["blocks_exact_percent"] == 100


def test_pool_and_capacity_are_right_to_a_percent_in_the_median(scored: list[dict[str, Any]]) -> None:
    row = summary("all", scored)

    assert row["pool_median_percent"] <= 1
    assert row["capacity_median_percent"] <= 1


def test_errors_stay_close_when_constants_do_not_see_the_run(left_out: list[dict[str, Any]]) -> None:
    row = summary("all", left_out)

    assert row["weights_median_percent"] <= 0.3
    assert row["pool_median_percent"] <= 1.5
    assert row["capacity_median_percent"] <= 1.6


def test_bands_cover_about_nine_of_ten_runs_left_out(left_out: list[dict[str, Any]]) -> None:
    row = summary("all", left_out)

    for metric in ("weights", "pool", "capacity"):
        assert 85 <= row[f"{metric}_band_covers_percent"] <= 97, metric


def test_no_run_that_failed_to_start_is_called_a_fit(left_out: list[dict[str, Any]]) -> None:
    wrong = {one["id"] for one in left_out if one["verdict"] == "fits" and not one["started"]}

    assert wrong <= MISLABELLED


def test_no_run_that_started_is_refused(left_out: list[dict[str, Any]]) -> None:
    assert summary("all", left_out)["wrong_refusals"] == 0


def test_only_runs_without_a_gpu_have_no_verdict(scored: list[dict[str, Any]]) -> None:
    unknown = {one["id"] for one in scored if one["verdict"] in {"unknown", "unsupported"}}

    assert all("no GPU" in one["reason"] for one in scored if one["id"] in unknown)
    assert len(unknown) <= 2


def test_constants_are_what_their_runs_imply() -> None:
    for name, value in refitted(read_runs(), read_configs()).items():
        assert constant(name) == pytest.approx(value, rel=0.06, abs=0.02), name


def test_runs_that_constants_name_exist() -> None:
    ids = {run["id"] for run in read_runs()}

    for name, entry in table("fit/constants.json")["constants"].items():
        assert set(entry.get("runs", ())) <= ids, name
        assert ("runs" in entry) != ("source" in entry), name


def test_tried_constants_hold_only_within_their_block() -> None:
    before = constant("non_torch_1")
    with tried({"non_torch_1": 9.0}):
        assert constant("non_torch_1") == 9.0
        with tried({"non_torch_2": 8.0}):
            assert (constant("non_torch_1"), constant("non_torch_2")) == (9.0, 8.0)
    assert constant("non_torch_1") == before


def test_error_table_has_a_row_for_each_class_and_one_for_all() -> None:
    rows = score()

    assert rows[-1]["class"] == "all"
    assert sum(row["runs"] for row in rows[:-1]) == rows[-1]["runs"] == 48


def test_quantile_is_the_smallest_value_that_enough_do_not_exceed() -> None:
    assert quantile([float(number) for number in range(1, 11)], 0.9) == 9
    assert quantile([5.0], 0.9) == 5
    assert quantile([], 0.9) is None


def test_unusable_files_are_named(tmp_path: Path) -> None:
    bad = tmp_path / "runs.csv"
    bad.write_text("id,model\n1,a\n", encoding="utf-8")

    with pytest.raises(FitInputError, match="no column"):
        read_runs(bad)
    with pytest.raises(FitInputError, match="nowhere"):
        read_runs(tmp_path / "nowhere.csv")
    bad.write_text("{", encoding="utf-8")
    with pytest.raises(FitInputError, match=r"runs\.csv"):
        read_configs(bad)
