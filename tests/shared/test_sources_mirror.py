"""The four sources against the replay server of real recorded data: completeness, politeness, every fault."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from modelscan_catalog.records import SourceName
from modelscan_catalog.settings import HttpLimits, Settings
from modelscan_catalog.sources.acceptance import reasons_to_refuse
from modelscan_catalog.sources.reading import RowLog
from modelscan_catalog.sources.runner import ADAPTERS, SourceResult, run_source
from modelscan_catalog.sources.snapshot import save_snapshot
from modelscan_catalog.sources.staged import GpustackSet, GpustackSpec

from .conftest import SHARED, Mirror, running

pytestmark = pytest.mark.shared

FAULTS = ["429", "500", "503", "timeout", "slow", "truncate", "html", "garbage", "reset", "huge"]
SPOILERS = ["drop_keys", "wrong_types"]


def settings_for(mirror: Mirror, folder: Path, **limits: Any) -> Settings:
    return Settings(
        registry_dir=folder / "registry",
        data_dir=folder / "data",
        models_dev_url=f"{mirror.url}/models.dev",
        gpustack_url=f"{mirror.url}/gpustack-raw",
        huggingface_url=f"{mirror.url}/huggingface",
        modelscope_url=f"{mirror.url}/modelscope",
        popular_repos_per_task=20,
        http=HttpLimits(**limits),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sources")


@pytest.fixture(scope="module")
def good(mirror: Mirror, folder: Path) -> dict[SourceName, SourceResult]:
    """A first live run of every source, into a folder that all tests of this module go on with."""
    return {name: run_source(name, settings_for(mirror, folder)) for name in ADAPTERS}


def test_everything_recorded_is_read_live(good: dict[SourceName, SourceResult]) -> None:
    assert {result.state.origin for result in good.values()} == {"live"}
    offers = good["models_dev"].tables
    assert (len(offers["providers"]), len(offers["offers"])) == (225, 8337)
    recipes = good["gpustack"].tables
    sets = [row for row in recipes["sets"] if isinstance(row, GpustackSet)]
    specs = [row for row in recipes["specs"] if isinstance(row, GpustackSpec)]
    assert sum(row.catalogue == "huggingface" for row in sets) == 130
    assert sum(row.catalogue == "huggingface" for row in specs) == 216
    for result in good.values():
        assert result.state.rows_read == result.state.rows_kept + result.state.rows_rejected
        assert all(reject.reason for reject in result.rejects)


def test_a_second_run_costs_304s_and_unchanged_lists_and_at_most_five_requests_at_once(
    mirror: Mirror, folder: Path, good: dict[SourceName, SourceResult]
) -> None:
    mirror.call("/_stats", "DELETE")
    for name in ADAPTERS:
        again = run_source(name, settings_for(mirror, folder))
        assert (again.tables, again.documents) == (good[name].tables, good[name].documents)
        stats = mirror.stats(name)
        assert stats["max_concurrency"] <= 5
        assert list(stats["user_agents"]) == [Settings().user_agent]
        if name == "modelscope":  # serves no validators: the list itself is asked for again, and nothing else
            assert stats["requests"] <= 10
        else:
            assert stats["status"] == {"304": stats["requests"]}


@pytest.mark.parametrize("kind", FAULTS + SPOILERS)
@pytest.mark.parametrize("name", list(ADAPTERS))
def test_with_each_fault_the_last_good_rows_are_kept_and_the_report_says_why(
    mirror: Mirror, folder: Path, good: dict[SourceName, SourceResult], name: SourceName, kind: str
) -> None:
    settings = settings_for(
        mirror,
        folder,
        read_timeout_s=1.5,
        total_timeout_s=2,
        max_attempts=2,
        max_retry_wait_s=3,
        max_body_bytes=16_000_000,
    )
    mirror.fault(name, kind)
    try:
        result = run_source(name, settings)
    finally:
        struck = mirror.call("/_faults")
        mirror.call("/_faults", "DELETE")
    assert kind in json.dumps(struck)
    assert result.tables == good[name].tables
    # A truncated or slow 304 has no body to spoil: such an answer is as good as any.
    assert result.state.problems or (kind in ("truncate", "slow") and result.state.origin == "live")
    assert all(len(line) < 600 and line.isprintable() for line in result.state.problems)
    if kind in SPOILERS:
        assert result.refused
    offline = run_source(name, settings, offline=True)
    assert offline.tables == good[name].tables


def test_a_snapshot_of_a_live_run_gives_the_same_rows_in_the_same_bytes(
    mirror: Mirror, folder: Path, good: dict[SourceName, SourceResult]
) -> None:
    settings = settings_for(mirror, folder)
    save_snapshot(settings)
    files = {path.name: path.read_bytes() for path in (folder / "registry" / "snapshot").iterdir()}
    assert all(mirror.url.encode() not in content for content in files.values())
    for name in ADAPTERS:
        found = run_source(name, settings, "snapshot")
        assert (found.tables, found.rejects) == (good[name].tables, good[name].rejects)
    save_snapshot(settings)
    assert files == {path.name: path.read_bytes() for path in (folder / "registry" / "snapshot").iterdir()}


def test_two_months_of_real_change_in_models_dev_are_no_reason_to_refuse(
    good: dict[SourceName, SourceResult], folder: Path, mirror: Mirror
) -> None:
    (path,) = (SHARED / "sources" / "models.dev" / "history").glob("api-*.json.gz")
    adapter, settings = ADAPTERS["models_dev"], settings_for(mirror, folder)
    log = RowLog("models_dev")
    earlier = adapter.translate(
        {"api.json": adapter.parse("api.json", gzip.decompress(path.read_bytes()))}, {}, log
    )
    assert log.rows_kept == log.rows_read > 5000
    earlier.pop("lab_models")
    now = good["models_dev"]
    assert reasons_to_refuse(now.tables, now.log, earlier, log, settings) == []


def test_a_small_hub_quota_is_waited_for_and_hardly_ever_overdrawn(tmp_path: Path) -> None:
    with running("--hf-api-quota", "40", "--hf-resolve-quota", "40", "--hf-window", "3") as small:
        result = run_source("huggingface", settings_for(small, tmp_path))
        statuses = small.stats("huggingface")["status"]
    assert (result.state.origin, result.state.problems) == ("live", ())
    # Requests under way when a window ends may meet the next one's count.
    assert statuses.get("429", 0) <= 0.02 * sum(statuses.values())
