"""Search, description and listings against the replay server of the real hubs, its faults included."""

from pathlib import Path

import pytest

from modelscan_catalog.deploy.weights.install import plan_install, remote_repo
from modelscan_catalog.deploy.weights.records import InstallRequest
from modelscan_catalog.errors import WeightsError
from modelscan_catalog.hub.describe import model_info
from modelscan_catalog.hub.search import Question, search
from modelscan_catalog.registry import get_registry
from modelscan_catalog.settings import Settings, load_settings
from tests.shared.conftest import SERVER, Mirror

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not SERVER.is_file(), reason=f"no replay server at {SERVER}; set MODELSCAN_SHARED"),
]
QWEN = "Qwen/Qwen3-8B"


@pytest.fixture
def settings(mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for variable in ("HF_TOKEN", "HUGGINGFACE_API_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    mirror.call("/_faults", "DELETE")
    return load_settings(
        data_dir=tmp_path,
        huggingface_url=f"{mirror.url}/huggingface",
        modelscope_url=f"{mirror.url}/modelscope",
    )


def test_a_search_among_thousands_gives_what_vllm_serves(settings: Settings) -> None:
    found = search(settings, get_registry(), Question("qwen3"))
    assert (found.origin, found.problem) == ("live", None)
    assert QWEN in [row["id"] for row in found.rows]
    assert all(row["vllm"] is True for row in found.rows)


def test_a_renamed_repository_is_described_under_its_present_name(settings: Settings) -> None:
    told = model_info(settings, get_registry(), "meta-llama/Meta-Llama-3.1-8B")
    assert told["id"] == "meta-llama/Llama-3.1-8B"
    assert told["repo"]["gated"] is True


@pytest.mark.parametrize("kind", ["429", "503", "reset", "timeout", "truncate", "html", "garbage", "huge"])
def test_a_hub_with_faults_ends_in_an_answer_that_says_where_it_is_from(
    mirror: Mirror, settings: Settings, kind: str
) -> None:
    mirror.call("/_faults", "POST", {"source": "huggingface", "kind": kind, "rate": 1})
    try:
        found = search(settings, get_registry(), Question("qwen3 8b"))
        told = model_info(settings, get_registry(), QWEN)
    finally:
        mirror.call("/_faults", "DELETE")
    assert (found.origin, told["origin"]) == ("catalogue", "catalogue")
    assert QWEN in [row["id"] for row in found.rows]
    assert found.problem


@pytest.mark.parametrize("kind", ["drop_keys", "wrong_types"])
def test_answers_of_another_shape_lose_facts_and_nothing_else(
    mirror: Mirror, settings: Settings, kind: str
) -> None:
    for seed in range(5):
        mirror.call("/_faults", "POST", {"source": "huggingface", "kind": kind, "rate": 1, "seed": seed})
        fresh = settings.model_copy(update={"data_dir": settings.data_dir / str(seed)})
        try:
            found = search(fresh, get_registry(), Question(f"qwen3 {seed}b", every_architecture=True))
            told = model_info(fresh, get_registry(), QWEN)
            assert all(isinstance(row["id"], str) for row in found.rows)
            assert told["origin"] in ("live", "cached", "catalogue")
        finally:
            mirror.call("/_faults", "DELETE")


def test_the_files_of_a_real_repository_are_the_five_shards_and_what_goes_with_them(
    settings: Settings,
) -> None:
    request = InstallRequest(repo=QWEN)
    plan = plan_install(settings, request, remote_repo(settings, request, lambda: None))
    shards = [file for file in plan.missing if file.path.endswith(".safetensors")]
    assert len(shards) == 5
    assert sum(file.bytes or 0 for file in shards) == pytest.approx(16.38e9, rel=0.01)
    assert {"config.json", "tokenizer.json"} <= {file.path for file in plan.missing}


def test_a_repository_whose_weights_nobody_recorded_is_refused(settings: Settings) -> None:
    request = InstallRequest(repo=QWEN, hub="modelscope")
    repo = remote_repo(settings, request, lambda: None)
    with pytest.raises(WeightsError, match="holds no weights"):
        plan_install(settings, request, repo)
