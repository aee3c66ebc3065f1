"""Upgrades over HTTP: reads for everybody, start and stop behind the token, conflicts told as such."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_samples import TOKEN, refusal, serving_state
from fastapi.testclient import TestClient

from modelscan_catalog.router.deployments import register_deployment
from modelscan_catalog.router.emit import default_policy
from modelscan_catalog.router.splits import read_splits

AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
TRY = {"route": "lab/a", "candidate": "lab/b"}


def _router_config() -> dict[str, Any]:
    provider = {"name": "p", "type": "local", "base_url": "http://127.0.0.1:1/v1"}
    models = [
        {"id": f"lab/{name}", "targets": [{"provider": "p", "model": name}]} for name in ("a", "b", "c")
    ]
    return {
        "routing": {"direct": {"providers": [provider]}},
        "models": models,
        "policy": default_policy().model_dump(mode="json"),
    }


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with serving_state(tmp_path, TOKEN) as found:
        (tmp_path / "published" / "router.json").write_text(json.dumps(_router_config()))
        yield found


def test_a_candidate_is_tried_seen_and_stopped(client: TestClient, tmp_path: Path) -> None:
    begun = client.post("/start", json=TRY, headers=AUTHORIZED)
    assert begun.status_code == 200, begun.text
    assert begun.json()["data"]["phase"] == "shadow"
    splits = tmp_path / "data" / "router" / "splits.json"
    assert set(read_splits(splits)) == {"lab/a"}
    assert [row["phase"] for row in client.get("/upgrades").json()["data"]] == ["shadow"]
    [decision] = client.get("/evaluations").json()["data"]
    assert (decision["route"], decision["candidate"], decision["action"]) == ("lab/a", "lab/b", "advance")

    other = client.post("/start", json=TRY | {"candidate": "lab/c"}, headers=AUTHORIZED)
    assert other.status_code == 409
    assert "lab/b is being tried already" in refusal(other)["message"]

    stopped = client.post("/stop", json={"route": "lab/a"}, headers=AUTHORIZED)
    assert stopped.json()["data"]["phase"] == "stopped"
    assert read_splits(splits) == {}
    assert client.post("/stop", json={"route": "lab/a"}, headers=AUTHORIZED).status_code == 404


def test_a_model_that_is_deployed_on_this_machine_can_be_tried(client: TestClient, tmp_path: Path) -> None:
    register_deployment(tmp_path / "data" / "router", "engine", "lab/own", "http://127.0.0.1:2/v1")
    begun = client.post("/start", json=TRY | {"candidate": "lab/own"}, headers=AUTHORIZED)
    assert begun.json()["data"]["candidate"] == "lab/own"


def test_who_looks_for_what_was_discovered_is_told_where(client: TestClient) -> None:
    where = client.get("/candidates").json()["discovered"]
    assert client.get(where).json()["data"] == []


def test_without_a_route_automatic_decisions_are_started_and_stopped(client: TestClient) -> None:
    assert client.get("/upgrades").json()["automatic"] is True
    stopped = client.post("/stop", json={}, headers=AUTHORIZED).json()["data"]
    assert stopped == {"automatic": False, "every_s": None, "evaluated_at": None}
    assert client.get("/upgrades").json()["automatic"] is False
    assert client.post("/start", json={}, headers=AUTHORIZED).json()["data"] == stopped | {"automatic": True}


@pytest.mark.parametrize("path", ["/start", "/stop"])
def test_nobody_without_the_token_changes_anything(client: TestClient, path: str) -> None:
    assert client.post(path, json={}).status_code == 401
    assert client.get("/upgrades").json()["automatic"] is True


def test_a_model_that_the_router_does_not_serve_is_named(client: TestClient) -> None:
    answer = client.post("/start", json=TRY | {"candidate": "lab/z"}, headers=AUTHORIZED)
    assert answer.status_code == 404
    assert "lab/z" in refusal(answer)["message"]


def test_half_a_request_is_refused(client: TestClient) -> None:
    answer = client.post("/start", json={"route": "lab/a"}, headers=AUTHORIZED)
    assert answer.status_code in (400, 422)
    assert "both" in refusal(answer)["message"]


def test_candidates_are_listed_with_their_reasons(client: TestClient) -> None:
    answer = client.get("/candidates")
    assert answer.status_code == 200
    assert answer.json()["total"] == 0
