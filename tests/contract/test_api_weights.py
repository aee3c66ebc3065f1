"""Weights over HTTP: reads for everybody, installs and removals behind the token."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_samples import TOKEN, publish, refusal, serving_state
from fastapi.testclient import TestClient
from weights_hub_server import COMMIT, FakeHub

from modelscan_catalog.api.app import create_app
from modelscan_catalog.api.snapshot import Served
from modelscan_catalog.deploy.weights.operations import new_install_job
from modelscan_catalog.deploy.weights.records import InstallRequest
from modelscan_catalog.settings import Settings
from modelscan_catalog.state import open_state
from modelscan_catalog.state.jobs import start_job

REPO = "acme/tiny"
NAME = f"huggingface/{REPO}/{COMMIT}"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
CATALOGUED = "Qwen/Qwen3-8B"


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    found = FakeHub()
    found.add(REPO, {"model.safetensors": b"weights" * 1000, "config.json": b"{}", "README.md": b"#"})
    found.add("acme/gguf", {"tiny-Q4_K_M.gguf": b"four", "tiny-Q8_0.gguf": b"eight"})
    yield found
    found.close()


@pytest.fixture
def client(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    for variable in ("HF_TOKEN", "HUGGINGFACE_API_TOKEN", "SLACK_WEBHOOK_URL", "WEIGHTS_STORAGE_PATH"):
        monkeypatch.delenv(variable, raising=False)
    urls = {"huggingface_url": hub.url, "modelscope_url": hub.url}
    with serving_state(
        tmp_path, TOKEN, **urls, weights_pvc="models", inference_model_root="/mnt/models"
    ) as found:
        yield found


def post(client: TestClient, **body: Any) -> Any:
    return client.post("/weights/install", json=body, headers=AUTHORIZED)


def ended(client: TestClient, job: str) -> dict[str, Any]:
    """The install's job once it has ended."""
    for _ in range(400):
        answer = client.get(f"/weights/install/status/{job}", headers=AUTHORIZED)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()["data"]
        if found["state"] not in ("pending", "running"):
            return found
        time.sleep(0.05)
    raise AssertionError(f"the job did not end: {found}")


def test_an_install_is_a_job_whose_answer_says_where_the_weights_will_be(client: TestClient) -> None:
    answer = post(client, hfModelId=REPO)
    assert answer.status_code == 202, answer.text
    data = answer.json()["data"]
    assert data["storageUri"] == f"pvc://models/{NAME}"
    assert data["inferenceModelPath"] == f"/mnt/models/{NAME}"
    assert set(data["files"]) == {"model.safetensors", "config.json"}
    job = ended(client, data["job"]["id"])
    assert (job["state"], job["result"]["storageUri"]) == ("succeeded", data["storageUri"])
    (row,) = client.get("/weights").json()["data"]
    assert (row["name"], row["bytes"], row["files"], row["asked"]) == (NAME, 7002, 2, ["main"])
    assert client.get("/history", headers=AUTHORIZED).json()["data"][-1]["kind"] == "weights.installed"


def test_info_lists_the_files_with_their_hashes(client: TestClient) -> None:
    ended(client, post(client, hfModelId=REPO).json()["data"]["job"]["id"])
    for name in (NAME, REPO, f"huggingface/{REPO}", f"{REPO}/{COMMIT[:8]}"):
        data = client.get(f"/weights/{name}/info").json()["data"]
        assert data["name"] == NAME
        assert {file["path"] for file in data["files"]} == {"model.safetensors", "config.json"}
        assert all(len(file["sha256"]) == 64 for file in data["files"])


def test_usage_tells_bytes_and_the_state_of_the_disk(client: TestClient) -> None:
    ended(client, post(client, hfModelId=REPO).json()["data"]["job"]["id"])
    data = client.get("/weights/usage").json()["data"]
    assert (data["installs"], data["threshold"]) == (1, 0.85)
    assert data["installed_bytes"] >= 7002
    assert 0 < data["used_share"] < 1


def test_the_same_request_while_it_is_open_is_the_same_job(client: TestClient, hub: FakeHub) -> None:
    hub.holds["model.safetensors"] = 1000
    first, second = (post(client, hfModelId=REPO).json()["data"]["job"]["id"] for _ in range(2))
    assert first == second
    cancelled = client.post(f"/jobs/{first}/cancel", headers=AUTHORIZED)
    assert cancelled.status_code == 200, cancelled.text
    assert ended(client, first)["state"] == "cancelled"
    assert client.get("/weights").json()["data"] == []


def test_a_gguf_file_of_modelscope_is_installed_by_name(client: TestClient) -> None:
    answer = post(client, repo="acme/gguf", hub="modelscope", files=["*Q4_K_M*"])
    data = answer.json()["data"]
    where = f"modelscope/acme/gguf/{COMMIT}"
    assert data["inferenceModelPath"] == f"/mnt/models/{where}/tiny-Q4_K_M.gguf"
    assert ended(client, data["job"]["id"])["result"]["inferenceModelPath"] == data["inferenceModelPath"]


def test_a_dry_run_says_what_would_be_fetched_and_starts_nothing(client: TestClient, hub: FakeHub) -> None:
    answer = post(client, hfModelId=REPO, dry_run=True)
    assert answer.status_code == 200
    data = answer.json()["data"]
    assert (data["missing_bytes"], data["job"], data["dry_run"]) == (7002, None, True)
    assert hub.asked == []
    assert client.get("/jobs", headers=AUTHORIZED).json()["data"] == []


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"hfModelId": "acme/none"}, 404, "no such repository"),
        ({"hfModelId": REPO, "revision": "v9"}, 404, "v9"),
        ({"hfModelId": REPO, "revision": "../../etc"}, 400, "not the name of a branch"),
        ({"hfModelId": "../../etc/passwd"}, 400, "write it as owner/name"),
        ({}, 400, "write it as owner/name"),
        ({"hfModelId": "acme/gguf"}, 400, "several GGUF models"),
        ({"hfModelId": REPO, "files": ["*.onnx"]}, 400, "no file is named"),
        ({"hfModelId": REPO, "target": "/tmp"}, 400, "target"),
        ({"repo": REPO, "hub": "elsewhere"}, 400, "hub"),
    ],
)
def test_a_request_that_cannot_be_met_is_refused_before_there_is_a_job(
    client: TestClient, body: dict[str, Any], status: int, says: str
) -> None:
    answer = post(client, **body)
    assert answer.status_code == status, answer.text
    assert says in refusal(answer)["message"]
    assert client.get("/jobs", headers=AUTHORIZED).json()["data"] == []


def test_while_the_hub_is_away_the_catalogues_commit_is_promised_and_the_job_says_why_it_failed(
    tmp_path: Path,
) -> None:
    with serving_state(tmp_path, TOKEN, huggingface_url="http://127.0.0.1:9", weights_pvc="models") as client:
        answer = post(client, hfModelId=CATALOGUED)
        assert answer.status_code == 202, answer.text
        data = answer.json()["data"]
        assert "127.0.0.1:9 cannot be reached" in data["note"]
        revision = data["job"]["request"]["revision"]
        uri = f"pvc://models/huggingface/{CATALOGUED}/{revision}" if revision else None
        assert data["storageUri"] == uri
        job = ended(client, data["job"]["id"])
        assert job["state"] == "failed"
        assert "127.0.0.1:9 cannot be reached" in job["error"]
        assert refusal(post(client, hfModelId=CATALOGUED, dry_run=True))["code"] == "host_refused"


class Process:
    """The process around an application, as far as endpoints look at it."""

    def components(self) -> dict[str, str]:
        return {}

    def metrics(self, bearer: str) -> bytes:
        return b""

    def restart(self) -> None:
        raise AssertionError

    def reload_router(self) -> dict[str, object] | None:
        return None


def test_a_server_that_starts_takes_up_the_installs_that_its_predecessor_left(
    hub: FakeHub, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path / "data", huggingface_url=hub.url)
    waiting = new_install_job(settings, InstallRequest(repo=REPO))
    lost = new_install_job(settings, InstallRequest(repo="acme/gguf", files=("*Q8*",)))
    with open_state(settings.state_file) as connection:
        assert start_job(connection, lost.id)
        connection.execute("UPDATE jobs SET beat_at = '2026-01-01T00:00:00+00:00' WHERE id = ?", (lost.id,))
    served = Served(publish(tmp_path / "published"))
    with TestClient(create_app(served, TOKEN, settings, service=Process())) as client:
        assert [ended(client, job.id)["state"] for job in (waiting, lost)] == ["succeeded", "succeeded"]
        assert len(client.get("/weights").json()["data"]) == 2


def test_a_removal_is_dry_until_it_is_applied(client: TestClient) -> None:
    ended(client, post(client, hfModelId=REPO).json()["data"]["job"]["id"])
    dry = client.delete(f"/weights/{NAME}", headers=AUTHORIZED).json()["data"]
    assert (dry["applied"], len(client.get("/weights").json()["data"])) == (False, 1)
    done = client.delete(f"/weights/{NAME}", params={"apply": 1}, headers=AUTHORIZED).json()["data"]
    assert (done["applied"], client.get("/weights").json()["data"]) == (True, [])
    again = client.delete(f"/weights/{NAME}", params={"apply": 1}, headers=AUTHORIZED)
    assert (again.status_code, refusal(again)["code"]) == (404, "unknown_id")


@pytest.mark.parametrize(
    "name", ["..%2f..%2fetc", "%2fetc%2fpasswd", "huggingface/..%2f..%2fx/y", "a", "a/b%00"]
)
def test_no_name_reaches_outside_the_weights(client: TestClient, tmp_path: Path, name: str) -> None:
    (tmp_path / "data" / "weights").mkdir(parents=True)
    for answer in (
        client.get(f"/weights/{name}/info"),
        client.delete(f"/weights/{name}", params={"apply": 1}, headers=AUTHORIZED),
    ):
        assert answer.status_code in (400, 404), answer.text
        refusal(answer)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/weights/install"),
        ("DELETE", f"/weights/{NAME}"),
        ("GET", f"/weights/install/status/{'0' * 32}"),
    ],
)
def test_what_changes_something_needs_the_token(client: TestClient, method: str, path: str) -> None:
    answer = client.request(method, path, json={"hfModelId": REPO} if method == "POST" else None)
    assert (answer.status_code, refusal(answer)["code"]) == (401, "unauthorized")


def test_a_job_that_nobody_started_is_unknown(client: TestClient) -> None:
    answer = client.get(f"/weights/install/status/{'0' * 32}", headers=AUTHORIZED)
    assert answer.status_code == 404
