"""A fresh clone without a network builds the whole catalogue, twice the same, and keeps it when it fails."""

import hashlib
import json
import shutil
from pathlib import Path

import duckdb
import pytest

from modelscan_catalog.publish.registry import read_index, verify_published
from modelscan_catalog.settings import REPOSITORY_ROOT

from .conftest import Builder, Built


def tree(directory: Path) -> dict[str, str]:
    return {
        path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def test_the_build_ends_well_and_reports_what_it_did(built: Built) -> None:
    assert built.exit_code == 0, built.output
    for word in ("models_dev", "snapshot", "rejected", "fit cells: fits", "Published to"):
        assert word in built.output


def test_every_row_of_the_sources_is_kept_or_rejected_with_a_reason(built: Built) -> None:
    index = read_index(built.published)
    assert index is not None
    assert (index.counts["providers"], index.counts["offers"]) == (225, 8337)
    assert index.counts["deployments"] == 216 + 211
    for state in index.sources:
        assert state.rows_read == state.rows_kept + state.rows_rejected
    rejects = [json.loads(line) for line in (built.published / "rejects.jsonl").read_text().splitlines()]
    whole = [reject for reject in rejects if reject["whole_row"]]
    assert len(whole) >= sum(state.rows_rejected for state in index.sources)
    assert all(reject["reason"] for reject in rejects)


def test_the_index_names_every_file_with_its_hash(built: Built) -> None:
    assert verify_published(built.published) == []
    index = read_index(built.published)
    assert index is not None
    assert {entry.path for entry in index.files} | {"index.json"} == set(tree(built.published))


def test_duckdb_and_any_json_reader_open_what_is_published(built: Built) -> None:
    with duckdb.connect() as connection:
        for path in sorted(built.published.rglob("*.parquet")):
            assert connection.read_parquet(str(path)).count("*").fetchall()[0][0] > 0 or path.stem in (
                "changes", "tombstones", "price_history",
            )  # fmt: skip
        offers = connection.read_json(str(built.published / "offers" / "*.jsonl")).count("*").fetchall()
    assert offers[0][0] == 8337
    for path in built.published.rglob("*.json"):
        json.loads(path.read_bytes())


def test_what_is_published_stays_fit_for_git(built: Built) -> None:
    sizes = [path.stat().st_size for path in built.published.rglob("*") if path.is_file()]
    assert max(sizes) <= 5_000_000
    assert sum(sizes) <= 40_000_000


def test_the_committed_registry_is_what_this_code_builds(built: Built) -> None:
    committed = REPOSITORY_ROOT / "registry" / "published"
    # The last digits of the fit may depend on the processor; its verdicts may not. What changed is told
    # against the registry before, and a build into an empty place has none.
    differing = ("fit/", "index.", "changes.", "tables/changes.", "site/changes.")
    exact = [
        {path: content for path, content in tree(where).items() if not path.startswith(differing)}
        for where in (committed, built.published)
    ]
    assert exact[0] == exact[1]
    indexes = [read_index(where) for where in (committed, built.published)]
    assert all(indexes)
    assert indexes[0].verdicts == indexes[1].verdicts  # type: ignore[union-attr]


def test_a_second_build_gives_the_same_bytes(built: Built, builder: Builder) -> None:
    before = tree(built.published)
    again = builder("--offline")
    assert again.exit_code == 0, again.output
    assert tree(built.published) == before


def test_a_damaged_snapshot_is_named_and_the_published_registry_stays(
    built: Built, builder: Builder, tmp_path: Path
) -> None:
    registry = tmp_path / "registry"
    shutil.copytree(REPOSITORY_ROOT / "registry", registry, ignore=shutil.ignore_patterns("published"))
    damaged = registry / "snapshot" / "gpustack.jsonl"
    damaged.write_bytes(damaged.read_bytes()[:1000])
    before = tree(built.published)
    failed = builder(
        "--offline", MODELSCAN_REGISTRY_DIR=str(registry), MODELSCAN_DATA_DIR=str(tmp_path / "data")
    )
    assert failed.exit_code != 0
    assert "gpustack" in failed.output
    assert "Traceback" not in failed.output
    assert tree(built.published) == before


def test_a_build_that_lost_most_of_its_rows_is_refused_until_that_is_accepted(
    built: Built, builder: Builder, tmp_path: Path
) -> None:
    published = tmp_path / "published"
    shutil.copytree(built.published, published)
    index = json.loads((published / "index.json").read_bytes())
    index["counts"]["offers"] *= 3
    (published / "index.json").write_text(json.dumps(index))
    before = tree(published)
    refused = builder("--offline", "--out", str(published), MODELSCAN_DATA_DIR=str(tmp_path / "data"))
    assert refused.exit_code == 1, refused.output
    assert "models.counts: offers: 8337 rows, 25011 are published" in refused.output
    assert "--accept-shrink" in refused.output
    assert tree(published) == before


def test_an_override_of_nothing_stops_the_build_with_its_file(
    built: Built, builder: Builder, tmp_path: Path
) -> None:
    registry = tmp_path / "registry"
    shutil.copytree(REPOSITORY_ROOT / "registry", registry, ignore=shutil.ignore_patterns("published"))
    (registry / "overrides" / "wrong.json").write_text('[{"record": "model:no/such"}]')
    before = tree(built.published)
    failed = builder(
        "--offline", MODELSCAN_REGISTRY_DIR=str(registry), MODELSCAN_DATA_DIR=str(tmp_path / "data")
    )
    assert failed.exit_code == 2
    assert "wrong.json" in failed.output
    assert tree(built.published) == before


@pytest.mark.parametrize("pair", ["nonsense=live", "gpustack=sometimes", "gpustack"])
def test_a_wrong_source_option_is_refused_with_the_choices(builder: Builder, pair: str) -> None:
    refused = builder("--source", pair)
    assert refused.exit_code == 2
    assert "models_dev, gpustack" in refused.output
