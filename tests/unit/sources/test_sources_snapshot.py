"""The snapshot that the repository carries: complete, small, free of prose and of places it was made in."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.settings import REPOSITORY_ROOT, Settings
from modelscan_catalog.sources.adapter import Document
from modelscan_catalog.sources.runner import ADAPTERS, SourceResult, run_source
from modelscan_catalog.sources.snapshot import save_snapshot
from modelscan_catalog.sources.snapshot_format import (
    LARGEST_FILE_BYTES,
    LARGEST_SNAPSHOT_BYTES,
    read_snapshot,
    write_snapshot,
)
from modelscan_catalog.sources.staged import GpustackSet, GpustackSpec

FOLDER = REPOSITORY_ROOT / "registry" / "snapshot"


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, SourceResult]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"))
    return {name: run_source(name, settings, "snapshot") for name in ADAPTERS}


def test_every_source_is_there_and_reads_without_a_problem(embedded: dict[str, SourceResult]) -> None:
    for result in embedded.values():
        assert (result.state.origin, result.state.problems) == ("snapshot", ())
        assert result.state.rows_read == result.state.rows_kept + result.state.rows_rejected
        assert all(reject.reason for reject in result.rejects)


def test_models_dev_is_complete(embedded: dict[str, SourceResult]) -> None:
    tables = embedded["models_dev"].tables
    assert (len(tables["providers"]), len(tables["offers"]), len(tables["lab_models"])) == (225, 8337, 231)


def test_both_gpustack_catalogues_are_complete(embedded: dict[str, SourceResult]) -> None:
    sets = [row.catalogue for row in embedded["gpustack"].tables["sets"] if isinstance(row, GpustackSet)]
    specs = [row.catalogue for row in embedded["gpustack"].tables["specs"] if isinstance(row, GpustackSpec)]
    assert (sets.count("huggingface"), specs.count("huggingface")) == (130, 216)
    assert (sets.count("modelscope"), specs.count("modelscope")) == (124, 211)


def test_the_files_fit_git() -> None:
    sizes = {path.name: path.stat().st_size for path in FOLDER.iterdir()}
    assert max(sizes.values()) < LARGEST_FILE_BYTES
    assert sum(sizes.values()) < LARGEST_SNAPSHOT_BYTES


def test_the_notice_names_every_source_with_date_and_licence() -> None:
    notice = json.loads((FOLDER / "NOTICE.json").read_text())["sources"]
    assert [entry["source"] for entry in notice] == list(ADAPTERS)
    for entry in notice:
        assert entry["licence"]
        assert entry["fetched_at"]["first"] <= entry["fetched_at"]["last"]
        assert sum(entry["rows"].values()) > 0


def test_addresses_are_the_public_ones(embedded: dict[str, SourceResult]) -> None:
    for name, result in embedded.items():
        public = ADAPTERS[name].public_url  # type: ignore[index]
        assert {document.url[: len(public)] for document in result.documents} == {public}


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for entry in value.values() for text in _texts(entry)]
    if isinstance(value, list):
        return [text for entry in value for text in _texts(entry)]
    return [value] if isinstance(value, str) else []


def test_no_sentence_of_prose_is_in_any_document() -> None:
    for path in FOLDER.glob("*.jsonl"):
        for line in path.read_text().splitlines():
            long = [text for text in _texts(json.loads(line)) if len(text.split()) > 12]
            assert not long, (path.name, long[:1])


@pytest.mark.parametrize(
    "body", [{}, [], None, {"a": 1}, {str(n): "x" * 99 for n in range(99)}, [["y" * 99]] * 99]
)
def test_what_is_written_is_read_again(tmp_path: Path, body: Any) -> None:
    document = Document(
        "d/1", "https://x", "/p", 404 if body is None else 200, "2026-01-01T00:00:00Z", "0" * 64
    )
    write_snapshot(tmp_path / "s.jsonl", {"d/1": document}, {"d/1": body})
    once = (tmp_path / "s.jsonl").read_bytes()
    found = read_snapshot(tmp_path / "s.jsonl")["d/1"]
    assert (json.loads(found.body) if found.body else None) == body
    assert (found.url, found.fetched_at, found.origin) == ("https://x/p", "2026-01-01T00:00:00Z", "snapshot")
    write_snapshot(tmp_path / "s.jsonl", {"d/1": found}, {"d/1": body})
    assert (tmp_path / "s.jsonl").read_bytes() == once


def test_a_recorded_document_keeps_its_own_day(tmp_path: Path) -> None:
    registry = tmp_path / "registry"
    shutil.copytree(REPOSITORY_ROOT / "registry" / "snapshot", registry / "snapshot")
    settings = Settings(registry_dir=registry, data_dir=tmp_path / "data")
    save_snapshot(settings, {"models_dev/api.json": "2025-02-03"})
    result = run_source("models_dev", settings, offline=True)
    days = {document.name: document.fetched_at for document in result.documents}
    assert days["api.json"] == "2025-02-03T00:00:00Z"
    assert days["models.json"] != days["api.json"]


@pytest.mark.parametrize(
    "recorded",
    [{"models_dev/none.json": "2025-02-03"}, {"x/api.json": "2025-02-03"}, {"models_dev/api.json": "May"}],
)
def test_a_recording_that_is_not_there_or_has_no_day_is_named(
    recorded: dict[str, str], tmp_path: Path
) -> None:
    registry = tmp_path / "registry"
    shutil.copytree(REPOSITORY_ROOT / "registry" / "snapshot", registry / "snapshot")
    settings = Settings(registry_dir=registry, data_dir=tmp_path / "data")
    with pytest.raises(SettingsError, match=next(iter(recorded))):
        save_snapshot(settings, recorded)
