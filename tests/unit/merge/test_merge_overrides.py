"""Overrides on disk: each with a reason, none twice, a malformed one named."""

import json
from pathlib import Path
from typing import Any

import pytest

from modelscan_catalog.errors import OverrideError
from modelscan_catalog.merge.overrides import read_overrides
from modelscan_catalog.settings import REPOSITORY_ROOT

ROW = {
    "record": "model:a/b",
    "field": "parameters.total",
    "value": 5,
    "reason": "counted by hand",
    "author": "tests",
    "date": "2026-01-01",
}


def written(folder: Path, *rows: dict[str, Any], name: str = "one.json") -> Path:
    (folder / name).write_text(json.dumps(rows))
    return folder


def test_overrides_of_all_files_are_read_in_order(tmp_path: Path) -> None:
    written(tmp_path, ROW | {"record": "model:z/z"})
    written(tmp_path, ROW, name="two.json")
    assert [row.record for row in read_overrides(tmp_path)] == ["model:a/b", "model:z/z"]


def test_no_overrides_are_no_error(tmp_path: Path) -> None:
    assert read_overrides(tmp_path) == ()


@pytest.mark.parametrize(
    "change",
    [{"reason": ""}, {"record": "nonsense"}, {"date": "yesterday"}, {"surprise": 1}, {"author": None}],
)
def test_a_malformed_override_is_an_error_that_names_its_file(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(OverrideError, match=r"one\.json: entry 0"):
        read_overrides(written(tmp_path, ROW | change))


def test_a_file_that_is_not_json_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(OverrideError, match=r"bad\.json"):
        read_overrides(tmp_path)


def test_one_field_is_overridden_once(tmp_path: Path) -> None:
    written(tmp_path, ROW)
    with pytest.raises(OverrideError, match="twice"):
        read_overrides(written(tmp_path, ROW | {"value": 6}, name="two.json"))


def test_stable_is_said_with_evidence_that_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "overrides"
    folder.mkdir()
    stable = ROW | {"field": "status", "value": "stable"}
    for source in ({}, {"source": "fit/runs.jsonl"}):
        with pytest.raises(OverrideError, match="needs evidence"):
            read_overrides(written(folder, stable | source))
    (tmp_path / "fit").mkdir()
    (tmp_path / "fit" / "runs.jsonl").write_text("{}")
    for source in ("fit/runs.jsonl", "https://example.org/runs"):
        assert read_overrides(written(folder, stable | {"source": source}))[0].value == "stable"


def test_every_committed_override_can_be_checked_somewhere() -> None:
    rows = read_overrides(REPOSITORY_ROOT / "registry" / "overrides")
    assert rows
    assert all(row.source and row.source.startswith("https://") for row in rows)
