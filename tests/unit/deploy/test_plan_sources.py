"""Weights that are on the machine already: complete copies in the hubs' caches, and named directories."""

import json
from pathlib import Path

import pytest
from deployment_plan_samples import MODEL, QWEN, QWEN_FP8, publish

from modelscan_catalog.deploy.detect.mapping import observed
from modelscan_catalog.deploy.gpu import Detection
from modelscan_catalog.deploy.plan import PlanRequest
from modelscan_catalog.deploy.plan_sources import downloaded_copy, is_complete
from modelscan_catalog.deploy.planner import make_plan
from modelscan_catalog.deploy.weights.library import write_index
from modelscan_catalog.deploy.weights.paths import install_directory
from modelscan_catalog.deploy.weights.records import Install, InstalledFile, WeightsHub
from modelscan_catalog.errors import FitInputError
from modelscan_catalog.fit.known import known_config

ROW = {"repo": QWEN, "hub": "huggingface", "revision": "a" * 40, "modelscope_repo": "Qwen/Qwen3-8B"}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish(tmp_path_factory.mktemp("published"))


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty caches of both hubs below the test's directory."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "ms"))
    monkeypatch.setenv("WEIGHTS_STORAGE_PATH", str(tmp_path / "weights"))
    return tmp_path


def _fill(directory: Path, repo: str, files: tuple[str, ...] = ("model.safetensors",)) -> Path:
    known = known_config(repo)
    assert known is not None
    directory.mkdir(parents=True)
    (directory / "config.json").write_text(json.dumps(dict(known.config)))
    for name in files:
        (directory / name).write_bytes(b"weights")
    return directory


def _snapshot(root: Path, revision: str = "a" * 40) -> Path:
    return root / "hf" / "hub" / "models--Qwen--Qwen3-8B" / "snapshots" / revision


def test_the_listed_revision_is_found_before_others(caches: Path) -> None:
    _fill(_snapshot(caches, "0" * 40), QWEN)
    listed = _fill(_snapshot(caches), QWEN)
    assert downloaded_copy(ROW) == listed


@pytest.mark.parametrize(("hub", "revision"), [("huggingface", "a" * 40), ("modelscope", "b" * 40)])
def test_an_install_is_found_before_a_clients_cache(caches: Path, hub: WeightsHub, revision: str) -> None:
    _fill(_snapshot(caches), QWEN)
    root = caches / "weights"
    directory = _fill(install_directory(root, hub, "Qwen/Qwen3-8B", revision), QWEN)
    files = tuple(
        InstalledFile(path=path.name, bytes=path.stat().st_size, sha256="0" * 64, checked="size")
        for path in sorted(directory.iterdir())
    )
    install = Install(
        hub=hub,
        repo="Qwen/Qwen3-8B",
        revision=revision,
        asked=("main",),
        wanted=((),),
        source="http://127.0.0.1:1",
        installed_at="2026-01-01T00:00:00Z",
        files=files,
    )
    write_index(root, install)
    assert downloaded_copy(ROW) == directory
    (directory / "model.safetensors").unlink()
    assert downloaded_copy(ROW) == _snapshot(caches), "a damaged install is passed over"


@pytest.mark.parametrize(
    "place", ["models/Qwen--Qwen3-8B/snapshots/master", "Qwen/Qwen3-8B", "hub/models/Qwen/Qwen3-8B"]
)
def test_modelscopes_places_are_known(caches: Path, place: str) -> None:
    expected = _fill(caches / "ms" / place, QWEN)
    assert downloaded_copy(ROW) == expected


def test_an_unfinished_download_is_no_copy(caches: Path) -> None:
    directory = _fill(_snapshot(caches), QWEN, ("model-00001-of-00002.safetensors",))
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (directory / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    assert not is_complete(directory)
    assert downloaded_copy(ROW) is None
    (directory / "model-00002-of-00002.safetensors").write_bytes(b"weights")
    assert downloaded_copy(ROW) == directory


def test_an_index_that_names_files_elsewhere_is_no_copy(tmp_path: Path) -> None:
    directory = _fill(tmp_path / "m", QWEN)
    (tmp_path / "outside").write_bytes(b"weights")
    (directory / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../outside"}}')
    assert not is_complete(directory)


def test_local_as_the_source_takes_only_what_is_cached(published: Path, caches: Path) -> None:
    request = PlanRequest(model=MODEL, gpu="rtx-4090", source="local")
    refused = make_plan(published, request)
    assert (refused.verdict, refused.binding) == ("no_checkpoint", "source")
    here = _fill(_snapshot(caches), QWEN)
    plan = make_plan(published, request)
    assert (plan.hub, plan.local_path, plan.variant_id) == ("local", str(here), QWEN)
    launch = plan.launch_plan()
    assert (launch.source, launch.repo, launch.revision) == ("local_path", str(here), None)


def test_a_copy_in_the_cache_is_mentioned_where_this_machine_is_planned(
    published: Path, caches: Path
) -> None:
    here = _fill(_snapshot(caches), QWEN)
    card = observed("0", "NVIDIA L40S", total_gib=44.4)
    found = make_plan(published, PlanRequest(model=QWEN), lambda: Detection((card,)))
    named = make_plan(published, PlanRequest(model=QWEN, gpu="l40s"))
    assert (found.hub, found.local_path) == ("huggingface", str(here))
    assert named.local_path is None


def test_a_directory_is_judged_by_its_own_files(published: Path, tmp_path: Path) -> None:
    directory = _fill(tmp_path / "mine", QWEN_FP8)
    plan = make_plan(published, PlanRequest(model=MODEL, gpu="rtx-4090", local_path=str(directory)))
    assert (plan.hub, plan.variant_id, plan.quantization) == ("local", QWEN_FP8, "fp8")
    assert [(one.field, one.asked) for one in plan.overridden] == [("source", "local")]


def test_a_directory_in_another_format_than_asked_is_refused(published: Path, tmp_path: Path) -> None:
    directory = _fill(tmp_path / "mine", QWEN)
    asked = PlanRequest(model=MODEL, gpu="rtx-4090", local_path=str(directory), quantization="awq")
    with pytest.raises(FitInputError, match="are stored as none; of alibaba/qwen3-8b these are wanted: awq"):
        make_plan(published, asked)


def test_directories_without_weights_are_refused_by_name(published: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    broken = _fill(tmp_path / "broken", QWEN)
    (broken / "config.json").write_text("{")
    for path, complaint in (
        (tmp_path / "none", "is no directory"),
        (tmp_path / "empty", "lacks config.json or weight files"),
        (broken, r"config\.json cannot be read"),
    ):
        with pytest.raises(FitInputError, match=complaint):
            make_plan(published, PlanRequest(model=MODEL, gpu="rtx-4090", local_path=str(path)))
