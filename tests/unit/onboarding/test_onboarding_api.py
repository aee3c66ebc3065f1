"""Providers over HTTP: jobs behind the token, references to keys only, nothing changed without apply."""

import time
from pathlib import Path
from typing import Any, cast

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from modelscan_catalog.api.context import ApiContext, bearer
from modelscan_catalog.api.errors import add_error_handlers
from modelscan_catalog.api.onboarding import onboarding_routes
from modelscan_catalog.settings import Settings
from modelscan_catalog.state import job, open_state

TOKEN = {"Authorization": "Bearer t0ken"}
KEY = "sk-a-literal-key-123456"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


@pytest.fixture
def client(settings: Settings) -> TestClient:
    app = FastAPI()
    add_error_handlers(app, lambda _, text: text)
    context = ApiContext(cast(Any, None), bearer("t0ken"), settings, settings.state_file)
    app.include_router(onboarding_routes(context))
    return TestClient(app)


def ended(settings: Settings, identifier: str) -> Any:
    for _ in range(600):
        with open_state(settings.state_file) as connection:
            found = job(connection, identifier)
        if not found.open:
            return found
        time.sleep(0.1)
    raise AssertionError(f"still {found.state} at {found.step}")


def test_adding_is_a_job_that_is_dry_unless_applied(client: TestClient, settings: Settings) -> None:
    body = {"identifier": "groq", "offline": True, "api_key": "env:GROQ_API_KEY"}
    answer = client.post("/api/providers/add", json=body, headers=TOKEN)
    assert answer.status_code == 202
    told = answer.json()["data"]
    assert told["applied"] is False
    dry = ended(settings, told["job"])
    assert dry.state == "succeeded", dry.error
    assert dry.result["standing"] == "usable"
    assert (dry.done, dry.total) == (11, 11)
    assert client.get("/api/providers/added").json()["data"] == []
    applied = client.post("/api/providers/add", json=body | {"apply": True}, headers=TOKEN).json()["data"]
    assert ended(settings, applied["job"]).state == "succeeded"
    (added,) = client.get("/api/providers/added").json()["data"]
    assert (added["id"], added["key_references"]) == ("groq", 1)
    (sdk,) = client.get("/api/sdks").json()["data"]
    assert (sdk["provider"], sdk["active"]) == ("groq", True)
    logs = client.get("/api/discovery_logs", params={"identifier": "groq"}, headers=TOKEN).json()
    assert {row["outcome"] for row in logs["data"]} == {"done", "cached"}


def test_what_cannot_be_added_fails_its_job_with_the_step_and_the_reason(
    client: TestClient, settings: Settings
) -> None:
    body = {"identifier": "watsonx", "offline": True}
    told = client.post("/api/providers/add", json=body, headers=TOKEN).json()["data"]
    failed = ended(settings, told["job"])
    assert failed.state == "failed"
    assert failed.error.startswith("validate: watsonx: exchange")


def test_discovery_ends_with_validation(client: TestClient, settings: Settings) -> None:
    body = {"identifier": "groq", "offline": True}
    told = client.post("/api/discover", json=body, headers=TOKEN).json()["data"]
    result = ended(settings, told["job"]).result
    outcomes = {step["step"]: step["outcome"] for step in result["steps"]}
    assert outcomes["validate"] == "done"
    assert outcomes["generate"] == "not_run"


def test_generating_clients_is_a_job_too(client: TestClient, settings: Settings) -> None:
    told = client.post("/api/sdks/generate", json={"providers": ["groq", "xai"]}, headers=TOKEN).json()[
        "data"
    ]
    result = ended(settings, told["job"]).result
    assert (result["kept"], result["failed"], result["applied"]) == (2, {}, False)
    assert client.get("/api/sdks").json()["data"] == []
    unknown = client.post("/api/sdks/generate", json={"providers": ["nosuch"]}, headers=TOKEN).json()["data"]
    assert "no provider of the catalogue" in ended(settings, unknown["job"]).error


@pytest.mark.parametrize("path", ["/api/providers/add", "/api/discover", "/api/sdks/generate"])
def test_what_starts_work_needs_the_token(client: TestClient, path: str) -> None:
    assert client.post(path, json={"identifier": "groq"}).status_code == 401
    assert client.get("/api/discovery_logs").status_code == 401


def test_a_literal_key_is_refused_with_the_fix_and_not_repeated(
    client: TestClient, settings: Settings
) -> None:
    answer = client.post("/api/providers/add", json={"identifier": "groq", "key": KEY}, headers=TOKEN)
    assert answer.status_code == 400
    assert "env:NAME" in answer.json()["error"]["message"]
    assert KEY not in answer.text
    assert not settings.state_file.exists()


@pytest.mark.parametrize(
    "body",
    [
        {"identifier": "../../etc"},
        {"identifier": "groq", "openapi": "/etc/passwd"},
        {"identifier": "groq", "docs": "http://169.254.169.254/latest"},
        {"identifier": "groq", "apply": "yes please"},
        {"identifier": "groq", "extra": 1},
    ],
    ids=["path", "file of the server", "plain http", "no flag", "unknown field"],
)
def test_what_a_caller_must_not_give_is_refused(client: TestClient, body: dict[str, Any]) -> None:
    assert client.post("/api/providers/add", json=body, headers=TOKEN).status_code == 400
