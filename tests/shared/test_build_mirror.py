"""The whole build against the replay server: live, live again, and with faults; the registry stays whole."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from modelscan_catalog.publish.registry import read_index, verify_published
from modelscan_catalog.records import SourceName

from .conftest import IN_MIRROR, Mirror

pytestmark = pytest.mark.shared

Build = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("live")


@pytest.fixture(scope="module")
def build(mirror: Mirror, home: Path) -> Build:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"} | {
            "MODELSCAN_DATA_DIR": str(home / "data"),
            "MODELSCAN_MODELS_DEV_URL": f"{mirror.url}/models.dev",
            "MODELSCAN_GPUSTACK_URL": f"{mirror.url}/gpustack-raw",
            "HF_ENDPOINT": f"{mirror.url}/huggingface",
            "MODELSCOPE_ENDPOINT": f"{mirror.url}/modelscope",
            "MODELSCAN_HTTP__MAX_ATTEMPTS": "2",
            "MODELSCAN_HTTP__TOTAL_TIMEOUT_S": "5",
        }
        command = [
            Path(sys.executable).with_name("modelscan"),
            "build",
            "--out",
            str(home / "published"),
            *arguments,
        ]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=900, check=False
        )

    return run


@pytest.fixture(scope="module")
def live(build: Build) -> subprocess.CompletedProcess[str]:
    return build()


def tree(directory: Path) -> dict[str, str]:
    return {
        path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def test_a_live_build_reads_everything_and_publishes(
    live: subprocess.CompletedProcess[str], home: Path
) -> None:
    assert live.returncode == 0, live.stdout + live.stderr
    index = read_index(home / "published")
    assert index is not None
    assert {state.origin for state in index.sources} == {"live"}
    assert index.counts["offers"] == 8337


def test_a_second_live_build_costs_only_304s_and_unchanged_lists_and_changes_nothing(
    live: subprocess.CompletedProcess[str], build: Build, mirror: Mirror, home: Path
) -> None:
    before = tree(home / "published")
    mirror.call("/_stats", "DELETE")
    again = build()
    assert again.returncode == 0, again.stdout + again.stderr
    for source in ("models_dev", "gpustack", "huggingface"):
        assert set(mirror.stats(source)["status"]) <= {"304"}, source
    for source in IN_MIRROR:
        assert mirror.stats(source)["max_concurrency"] <= 5
    assert tree(home / "published") == before


@pytest.mark.parametrize(
    ("kind", "sources"),
    [
        ("503", ["models_dev", "gpustack", "modelscope", "huggingface"]),
        ("html", ["models_dev", "gpustack", "modelscope", "huggingface"]),
        ("garbage", ["models_dev", "modelscope"]),
        ("reset", ["models_dev", "gpustack", "modelscope", "huggingface"]),
        ("huge", ["models_dev"]),
        ("timeout", ["gpustack"]),
    ],
)
def test_with_sources_failing_the_last_good_rows_are_published_and_the_report_says_so(
    kind: str,
    sources: list[SourceName],
    live: subprocess.CompletedProcess[str],
    build: Build,
    mirror: Mirror,
    home: Path,
) -> None:
    before = read_index(home / "published")
    for source in sources:
        fault = {"source": IN_MIRROR[source], "kind": kind, "seconds": 20, "megabytes": 90}
        mirror.call("/_faults", "POST", fault)
    try:
        done = build()
    finally:
        mirror.call("/_faults", "DELETE")
    assert done.returncode == 0, done.stdout + done.stderr
    after = read_index(home / "published")
    assert before is not None
    assert after is not None
    assert after.counts == before.counts
    assert verify_published(home / "published") == []
    origins = {state.source: state.origin for state in after.sources}
    assert all(origins[source] == "cached" for source in sources)
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["drop_keys", "wrong_types"])
def test_spoiled_data_stop_the_build_and_leave_the_registry_as_it_was(
    kind: str, live: subprocess.CompletedProcess[str], build: Build, mirror: Mirror, home: Path
) -> None:
    before = tree(home / "published")
    mirror.call("/_faults", "POST", {"source": "models.dev", "kind": kind})
    try:
        done = build()
    finally:
        mirror.call("/_faults", "DELETE")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "models_dev.shrink" in done.stderr
    assert "--accept-shrink" in done.stderr
    assert tree(home / "published") == before
