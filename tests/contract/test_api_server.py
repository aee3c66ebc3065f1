"""Claims about the REST API, through a real HTTP stack over a small published registry."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from api_samples import MODEL, QWEN, TOKEN, publish, refusal
from fastapi.testclient import TestClient

from modelscan_catalog.api.app import create_app
from modelscan_catalog.api.document import OPENAPI_VERSION
from modelscan_catalog.api.hot import MOST_BODY_BYTES
from modelscan_catalog.api.reads import twin_path
from modelscan_catalog.api.snapshot import Served
from modelscan_catalog.api.static import static_documents
from modelscan_catalog.deploy.weights.library import Usage
from modelscan_catalog.errors import PublishError


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return publish(tmp_path / "published")


@pytest.fixture
def client(published: Path) -> Iterator[TestClient]:
    with TestClient(create_app(Served(published)), raise_server_exceptions=False) as found:
        yield found


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One server for claims that only read."""
    published = publish(tmp_path_factory.mktemp("reader") / "published")
    with TestClient(create_app(Served(published)), raise_server_exceptions=False) as found:
        yield found


def data(client: TestClient, path: str) -> Any:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.json()["success"] is True
    return answer.json()["data"]


@pytest.mark.parametrize(
    "path",
    [
        "/health", "/healthz", "/models", "/models/stable", "/models/refiners",
        "/models/capability/tool_use", "/models/provider/openai", f"/models/{MODEL}", f"/models/{QWEN}",
        f"/models/{MODEL}/offers", f"/models/{MODEL}/compatibility",
        f"/models/{MODEL}/manifest?profile=rtx-4090",
        "/api/providers", "/api/v1/registry/models", f"/api/v1/registry/models/{QWEN}",
        "/api/v1/registry/categories", "/recommendations/profiles", "/recommendations/rtx-4090",
        "/vllm/supported-models", "/vllm/model/Qwen3ForCausalLM", "/changes", "/deprecations",
    ],
)  # fmt: skip
def test_every_read_endpoint_answers_in_the_envelope_with_a_tag(reader: TestClient, path: str) -> None:
    answer = reader.get(path)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["success"] is True
    again = reader.get(path, headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    if isinstance(body["data"], list):
        assert body["total"] >= len(body["data"])


def test_what_is_read_anew_each_time_keeps_its_tag_only_while_the_reading_is_the_same(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = iter([5_000, 5_000, 4_096])

    def usage(root: Path, threshold: float) -> Usage:
        return Usage(root, 0, 0, 0, 10_000, next(readings), threshold)

    monkeypatch.setattr("modelscan_catalog.api.system.usage", usage)
    first = client.get("/system/info")
    known = {"if-none-match": first.headers["etag"]}
    assert client.get("/system/info", headers=known).status_code == 304
    later = client.get("/system/info", headers=known)
    assert later.status_code == 200
    assert later.json()["data"]["pvc"]["disk_free_bytes"] == 4_096
    assert later.headers["etag"] != first.headers["etag"]


def test_the_registry_list_has_the_rows_that_its_readers_expect(reader: TestClient) -> None:
    rows = data(reader, "/api/v1/registry/models?category=text-llm")
    expected = {
        "id", "name", "category", "parameters", "description", "tags", "status", "is_vision", "is_quantized",
        "min_vram_gb", "recommended_vram_gb",
    }  # fmt: skip
    assert all(set(row) == expected and row["category"] == "text-llm" for row in rows)
    detail = data(reader, f"/api/v1/registry/models/{MODEL}")
    assert detail["id"] == QWEN
    assert detail["inference_defaults"]["max_model_len"] == 40960


def test_filters_bound_and_pages_cut_every_list(reader: TestClient) -> None:
    rows = data(reader, "/models?tag=vision&max_vram_gib=40&open_weights=true")
    assert rows
    assert all("vision" in row["tags"] and row["min_vram_gib"] <= 40 for row in rows)
    everything = [row["id"] for row in data(reader, "/models")]
    pages = [data(reader, f"/models?per_page=2&page={page}") for page in range(1, 7)]
    assert [row["id"] for page in pages for row in page] == everything
    assert data(reader, "/models?page=10000000") == []
    assert data(reader, "/models?q=qwen3%208b")[0]["id"] == MODEL


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/models?page=0", 400, "bad_input"),
        ("/models?page=99999999999999999999", 400, "bad_input"),
        ("/models?per_page=501", 400, "bad_input"),
        ("/models?colour=red", 400, "bad_input"),
        ("/models?open_weights=perhaps", 400, "bad_input"),
        ("/models?category=llms", 404, "unknown_id"),
        ("/models/capability/streaming", 404, "unknown_id"),
        ("/models/provider/openia", 404, "unknown_id"),
        ("/models/alibaba/qwen3-8bb", 404, "unknown_id"),
        ("/models/..%2f..%2fetc%2fpasswd", 404, "unknown_id"),
        (f"/models/{MODEL}/manifest?target=..%2fx", 400, "bad_input"),
        (f"/models/{MODEL}/manifest?profile=rtx-9999", 404, "unknown_id"),
        ("/models/openai/gpt-4o/manifest", 400, "no_manifest"),
        ("/models/openai/gpt-4o/compatibility", 400, "bad_input"),
        ("/recommendations/h100-80gb", 404, "unknown_id"),
        ("/recommendations/rtx-9999", 404, "unknown_id"),
        ("/api/v1/registry/models/openai/gpt-4o", 404, "unknown_id"),
        ("/no/such/endpoint", 404, "not_found"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_one_shape(
    reader: TestClient, path: str, status: int, code: str
) -> None:
    answer = reader.get(path)
    assert answer.status_code == status, answer.text
    assert refusal(answer)["code"] == code


def test_a_wrong_id_gets_candidates(reader: TestClient) -> None:
    assert MODEL in refusal(reader.get("/models/alibaba/qwen3-8bb"))["candidates"]
    assert refusal(reader.get("/models/provider/openia"))["candidates"][0] == "openai"


def test_validation_endpoints_answer_with_a_reason(reader: TestClient) -> None:
    answer = reader.post("/api/v1/registry/validate/training", json={"model_id": QWEN}).json()
    assert answer["data"]["is_valid"] is False
    assert "no source says" in answer["data"]["error_message"]
    body = {"model_id": MODEL, "gpu_profile": "rtx-4090"}
    answer = reader.post("/api/v1/registry/validate/inference", json=body).json()
    assert answer["data"] == {"is_valid": True, "error_message": None}
    assert refusal(reader.post("/api/v1/registry/validate/training", json={}))["field"] == "model_id"
    half = reader.post(
        "/api/v1/registry/validate/training", content=b"{", headers={"content-type": "application/json"}
    )
    assert refusal(half)["code"] == "bad_input"


def test_a_body_beyond_its_bound_is_refused_before_it_is_read(reader: TestClient) -> None:
    answer = reader.post("/catalog/validate", content=b" " * (MOST_BODY_BYTES + 1))
    assert answer.status_code == 413
    assert refusal(answer)["code"] == "too_large"


def test_mutating_endpoints_ask_for_the_token_and_reads_do_not(published: Path) -> None:
    with TestClient(create_app(Served(published), TOKEN)) as client:
        for path in ("/refresh", "/catalog/generate", "/catalog/validate", "/catalog/preview", "/catalog/pr"):
            answer = client.post(path, json={}, headers={"authorization": "Bearer wrong"})
            assert answer.status_code == 401, path
            assert refusal(answer)["code"] == "unauthorized"
            assert TOKEN not in answer.text
        allowed = client.post("/refresh", headers={"authorization": f"Bearer {TOKEN}"})
        assert allowed.status_code == 200
        assert client.get("/models").status_code == 200


def test_a_generated_entry_is_valid_previewed_and_planned_for_a_branch(client: TestClient) -> None:
    body = {"id": MODEL, "gpu_profile": "rtx-4090"}
    entry = client.post("/catalog/generate", json=body).json()["data"]["entry"]
    assert client.post("/catalog/validate", json={"entry": entry}).json()["data"]["valid"] is True
    preview = client.post("/catalog/preview", json={"entry": entry, "gpu_profile": "rtx-4090"}).json()["data"]
    assert "InferenceService" in preview["manifest"]["text"]
    planned = client.post("/catalog/pr", json={"entry": entry}).json()["data"]
    assert planned["applied"] is False
    assert planned["branch"] == "catalog/qwen-qwen3-8b"
    wrong = client.post("/catalog/pr", json={"entry": entry | {"tags": 1}})
    assert refusal(wrong)["code"] == "bad_entry"


def test_a_new_registry_is_taken_and_a_damaged_one_is_refused_while_the_old_one_serves(
    client: TestClient, published: Path
) -> None:
    before = client.get("/models").json()["total"]
    (published / "models.jsonl").write_text("{half")
    answer = client.post("/refresh")
    assert answer.status_code == 503
    assert "models.jsonl" in refusal(answer)["message"]
    assert client.get("/models").json()["total"] == before
    assert data(client, "/health")["status"] == "stale"
    publish(published)
    assert client.post("/refresh").status_code == 200
    assert data(client, "/health")["status"] == "ok"


@pytest.mark.parametrize(
    "damage", ["index.json", "models_registry.json", "models.jsonl", "fit/rtx-4090.json"]
)
def test_nothing_is_served_from_a_registry_that_is_not_whole(published: Path, damage: str) -> None:
    (published / damage).write_text('{"half": ')
    with pytest.raises(PublishError):
        Served(published)
    shutil.rmtree(published)
    with pytest.raises(FileNotFoundError, match="Registry not found"):
        Served(published)


def test_the_openapi_document_lists_every_route_and_the_page_needs_no_outside_host(
    client: TestClient,
) -> None:
    document = client.get("/openapi.json").json()
    assert document["openapi"] == OPENAPI_VERSION
    assert document == client.get("/openapi").json()
    for path in ("/models", "/models/{model_id}", "/api/v1/registry/models", "/catalog/pr", "/refresh"):
        assert path in document["paths"]
    assert '"type": "null"' not in json.dumps(document)
    assert document["paths"]["/models/stable"]["get"]["summary"].startswith("Models that no source calls")
    page = client.get("/docs").text
    assert "http://" not in page
    assert "https://" not in page
    assert client.get("/docs/assets/swagger-ui-bundle.js").status_code == 200


def test_the_static_twin_says_what_the_server_says(client: TestClient, published: Path) -> None:
    def rows(name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (published / name).read_text().splitlines()]

    tables = {name: rows(f"{name}.jsonl") for name in ("models", "variants", "providers")}
    tables["offers"] = [row for path in sorted(published.glob("offers/*.jsonl")) for row in
                        rows(f"offers/{path.name}")]  # fmt: skip
    view = json.loads((published / "models_registry.json").read_text())
    documents = static_documents(tables, view, ["rtx-4090"])
    endpoints = {"providers.json": "/api/providers"} | {
        "v1/registry/categories.json": "/api/v1/registry/categories"
    }
    details = {twin_path(row["id"]): f"/models/{row['id']}" for row in documents["models.json"]["data"]}
    assert len(details) == len(tables["models"])
    for path, document in documents.items():
        endpoint = (endpoints | details).get(path, "/" + path.removesuffix(".json"))
        listed = endpoint in ("/models", "/models/refiners", "/api/providers", "/recommendations/profiles")
        query = "?per_page=500" if listed else ""
        query += "&include_deprecated=true" if endpoint == "/models" else ""
        assert client.get(endpoint + query).json()["data"] == document["data"], path


def test_a_head_request_has_the_headers_and_no_body(reader: TestClient) -> None:
    asked, told = reader.get("/models"), reader.head("/models")
    assert (told.status_code, told.content) == (200, b"")
    assert told.headers["etag"] == asked.headers["etag"]
    assert reader.head("/nothing").status_code == 404
    assert reader.get("/", follow_redirects=False).headers["location"] == "/docs"


def test_a_body_that_is_no_json_is_told_where_it_breaks(reader: TestClient) -> None:
    headers = {"content-type": "application/json"}
    error = refusal(reader.post("/catalog/generate", content=b'{"id": ', headers=headers))
    assert (error["code"], error["field"]) == ("bad_input", "")
    assert error["message"] == "body: is no JSON: Expecting value, at character 7"


def test_metrics_count_answers_by_status(client: TestClient) -> None:
    client.get("/models")
    client.get("/nothing")
    text = client.get("/metrics").text
    assert 'modelscan_api_requests_total{method="GET",status="200"} 1.0' in text
    assert 'modelscan_api_requests_total{method="GET",status="404"} 1.0' in text


def test_an_applied_entry_is_a_commit_on_its_branch_and_nothing_else_moves(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "catalogue"

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(repository), "-c", "user.name=t", "-c", "user.email=t@t", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    repository.mkdir()
    git("init", "-q", "-b", "main")
    (repository / "README").write_text("mine")
    git("add", "README")
    git("commit", "-qm", "first")
    monkeypatch.delenv("CATALOG_TOKEN", raising=False)
    (repository / "README").write_text("being edited")
    head = git("rev-parse", "main")
    entry = client.post("/catalog/generate", json={"id": MODEL}).json()["data"]["entry"]
    body = {"entry": entry, "apply": True, "message": "Qwen3 8B"}
    monkeypatch.delenv("CATALOG_REPO_DIR", raising=False)
    assert "CATALOG_REPO_DIR" in refusal(client.post("/catalog/pr", json=body))["message"]
    monkeypatch.setenv("CATALOG_REPO_DIR", str(repository))
    done = client.post("/catalog/pr", json=body).json()["data"]
    assert git("rev-parse", done["branch"]) == done["commit"]
    assert git("show", f"{done['branch']}:{done['path']}") == done["content"].strip()
    assert git("show", f"{done['branch']}:README") == "mine"
    assert git("rev-parse", "main") == head
    assert git("status", "--short") == "M README"
    twice = client.post("/catalog/pr", json=body).json()["data"]
    assert git("rev-parse", f"{twice['commit']}~1") == done["commit"]
    refused = client.post("/catalog/pr", json=body | {"branch": "a..b"})
    assert refusal(refused)["code"] == "bad_input"


class _Host(BaseHTTPRequestHandler):
    """A git host that opens one pull request and refuses the next."""

    seen: ClassVar[list[tuple[str, str, Any]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.seen.append((self.path, self.headers["authorization"], body))
        status, text = (
            (201, {"html_url": "https://host/pull/1"})
            if len(self.seen) == 1
            else (422, {"message": "a pull request already exists"})
        )
        answer = json.dumps(text).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments: Any) -> None:
        """Quiet."""


def test_with_a_token_reference_the_branch_is_pushed_and_a_pull_request_opened(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, remote = tmp_path / "catalogue", tmp_path / "remote.git"

    def git(where: Path, *arguments: str) -> str:
        command = ["git", "-C", str(where), "-c", "user.name=t", "-c", "user.email=t@t", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    for path, kind in ((repository, []), (remote, ["--bare"])):
        path.mkdir()
        git(path, "init", "-q", "-b", "main", *kind)
    git(repository, "commit", "-q", "--allow-empty", "-m", "first")
    git(repository, "remote", "add", "origin", str(remote))
    host = ThreadingHTTPServer(("127.0.0.1", 0), _Host)
    threading.Thread(target=host.serve_forever, daemon=True).start()
    settings = {
        "CATALOG_REPO_DIR": str(repository),
        "CATALOG_REPO": "me/catalogue",
        "CATALOG_API_URL": f"http://127.0.0.1:{host.server_port}",
        "CATALOG_TOKEN": "env:HOST_TOKEN",
        "HOST_TOKEN": TOKEN,
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    entry = client.post("/catalog/generate", json={"id": MODEL}).json()["data"]["entry"]
    body = {"entry": entry, "apply": True, "message": "Qwen3 8B"}
    try:
        done = client.post("/catalog/pr", json=body).json()["data"]
        refused = client.post("/catalog/pr", json=body)
    finally:
        host.shutdown()
        host.server_close()
    assert done["pull_request"] == "https://host/pull/1"
    path, authorization, asked = _Host.seen[0]
    assert (path, authorization) == ("/repos/me/catalogue/pulls", f"Bearer {TOKEN}")
    assert asked == {"title": "Qwen3 8B", "head": done["branch"], "base": "main"}
    assert git(remote, "rev-parse", f"{done['branch']}~0") != ""
    assert refused.status_code == 502
    assert "already exists" in refusal(refused)["message"]
    assert TOKEN not in refused.text
    monkeypatch.setenv("CATALOG_TOKEN", "ghp-literal")
    assert "by reference" in refusal(client.post("/catalog/pr", json=body))["message"]


def test_features_of_a_checkpoint_on_a_card_come_by_engine_and_version(reader: TestClient) -> None:
    answer = reader.get(f"/models/{MODEL}/features?gpuType=rtx-4090").json()
    assert (answer["checkpoint"], answer["total"]) == (QWEN, len(answer["data"]))
    assert {row["engine"] for row in answer["data"]} == {"vllm", "sglang"}
    assert refusal(reader.get(f"/models/{MODEL}/features"))["field"] == "gpuType"
    assert reader.get(f"/models/{MODEL}/features?gpuType=h1000").status_code == 404
