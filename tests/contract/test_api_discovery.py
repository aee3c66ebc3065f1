"""Discovery over HTTP: nothing before the first look, a look is a job behind the token."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_samples import TOKEN, refusal, serving_state
from fastapi.testclient import TestClient

from modelscan_catalog.discovery.records import Candidate, Candidates, Sight, write_candidates
from modelscan_catalog.state import job, open_state

AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
AT = "2026-01-01T00:00:00Z"


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with serving_state(tmp_path, TOKEN) as found:
        yield found


def test_before_the_first_look_there_is_nothing(client: TestClient) -> None:
    answer = client.get("/discovered").json()
    assert (answer["data"], answer["total"], answer["looked_at"]) == ([], 0, None)


def test_what_was_found_is_paged(client: TestClient, tmp_path: Path) -> None:
    sight = Sight(url="http://127.0.0.1:1/models", first_seen=AT, last_seen=AT)
    found = tuple(Candidate(source="ollama", id=f"m{n}", kind="local", sight=sight) for n in range(5))
    path = tmp_path / "data" / "discovery" / "candidates.json"
    write_candidates(path, Candidates(looked_at=AT, candidates=found))
    answer = client.get("/discovered", params={"per_page": 2, "page": 2}).json()
    assert [row["id"] for row in answer["data"]] == ["m2", "m3"]
    assert (answer["total"], answer["looked_at"]) == (5, AT)


def test_a_look_is_a_job_that_ends(client: TestClient, tmp_path: Path) -> None:
    body = {"providers": ["openai"], "hub": False}
    answer = client.post("/discover", json=body, headers=AUTHORIZED)
    assert answer.status_code == 202, answer.text
    identifier = answer.json()["data"]["job"]
    with open_state(tmp_path / "data" / "state" / "modelscan.db") as connection:
        for _ in range(200):
            if not job(connection, identifier).open:
                break
            time.sleep(0.05)
        ended = job(connection, identifier)
    assert ended.state == "succeeded", ended.error
    not_read = ["provider:openai: OPENAI_API_KEY is not set"]
    assert ended.result == {"candidates": 0, "withdrawn": 0, "lists_read": 0, "not_read": not_read}


@pytest.mark.parametrize(("body", "status"), [({}, 401), ({"providers": "all"}, 401)])
def test_nobody_without_the_token_looks(client: TestClient, body: dict[str, object], status: int) -> None:
    assert client.post("/discover", json=body).status_code == status


def test_a_body_that_is_none_is_refused(client: TestClient) -> None:
    answer = client.post("/discover", json={"providers": "all"}, headers=AUTHORIZED)
    assert answer.status_code in (400, 422)
    assert "providers" in refusal(answer)["field"]
