"""The fit as the explorer ships it: cells, splits, fewest cards."""

from pathlib import Path

import pytest
from site_registry import FIT, fit_row

from modelscan_catalog.errors import PublishError
from modelscan_catalog.site.fit_data import (
    declared_contexts,
    fewest_cards,
    fit_rows,
    gpu_cells,
    weights_by_split,
)

NAMES = ["lab/Big", "lab/Small"]


def test_a_running_cell_has_requests_and_speed_and_its_split_where_that_is_not_all_cards() -> None:
    assert gpu_cells(FIT, NAMES)["4"] == [[0, 2.35, 23.5, 21, 40, 2, 2], None]


def test_a_cell_that_does_not_run_says_what_is_short_what_is_left_and_which_context_it_would() -> None:
    cells = gpu_cells(FIT, NAMES)
    assert cells["1"] == [[2, 0, 57.3, -55.2, 0], [4, 3]]
    assert cells["2"] == [[2, 1, 3, 1, 32768], None]


def test_a_count_at_which_no_checkpoint_is_split_is_left_out() -> None:
    refused = [fit_row(name, 2, "unsupported", binding="split") for name in NAMES]
    assert gpu_cells([*FIT[:1], *refused], NAMES).keys() == {"1"}
    assert gpu_cells([*FIT[:2], refused[1]], NAMES).keys() == {"1", "2"}


def test_a_binding_that_the_list_lacks_is_spelt_out_rather_than_lost() -> None:
    assert gpu_cells([fit_row("lab/Big", 1, "unsupported", binding="new")], NAMES)["1"][0] == [4, "new"]


def test_the_fewest_cards_are_of_those_that_hold_it() -> None:
    assert fewest_cards(FIT, [*NAMES, "lab/never-tried"]) == {
        "lab/Big": "4",
        "lab/Small": "x",
        "lab/never-tried": "?",
    }
    assert fewest_cards(FIT[:2], ["lab/Big"]) == {"lab/Big": "-"}


def test_weights_are_told_by_split_and_contexts_by_checkpoint() -> None:
    assert weights_by_split(FIT)["lab/Big"] == {"1x1": 130, "2x1": 65.2, "2x2": 32.6}
    assert declared_contexts(FIT) == {"lab/Big": 131072, "lab/Small": 131072}


def test_given_a_damaged_fit_file_the_error_names_it(tmp_path: Path) -> None:
    (tmp_path / "fit").mkdir()
    (tmp_path / "fit" / "card.parquet").write_bytes(b"half")
    with pytest.raises(PublishError, match=r"card\.parquet: cannot be read"):
        fit_rows(tmp_path, "card")
