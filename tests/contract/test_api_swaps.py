"""Claims about what is served while the registry is swapped, gone, or asked for by many at once."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from api_samples import MODEL, publish
from fastapi.testclient import TestClient

from modelscan_catalog.api.app import create_app
from modelscan_catalog.api.document import openapi_document
from modelscan_catalog.api.snapshot import Served


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return publish(tmp_path / "published")


@pytest.fixture
def client(published: Path) -> Iterator[TestClient]:
    with TestClient(create_app(Served(published, look_every_s=0)), raise_server_exceptions=False) as found:
        yield found


def health(client: TestClient) -> str:
    return str(client.get("/health").json()["data"]["status"])


def test_a_registry_that_was_moved_away_and_back_is_no_longer_called_stale(
    client: TestClient, published: Path
) -> None:
    published.rename(published.with_name("away"))
    assert health(client) == "stale"
    assert client.get("/models").status_code == 200
    published.with_name("away").rename(published)
    assert health(client) == "ok"


def test_a_refused_refresh_is_told_for_as_long_as_the_damage_lasts(
    client: TestClient, published: Path
) -> None:
    whole = (published / "models.jsonl").read_bytes()
    (published / "models.jsonl").write_bytes(whole[:50])
    assert client.post("/refresh").status_code == 503
    assert [health(client) for _ in range(3)] == ["stale"] * 3
    (published / "models.jsonl").write_bytes(whole)
    assert client.post("/refresh").status_code == 200
    assert health(client) == "ok"


def test_no_answer_mixes_what_was_loaded_with_what_lies_there_later(
    client: TestClient, published: Path
) -> None:
    for name in ("offers/openrouter.jsonl", "crosswalk.jsonl", "changes.jsonl", "plans.jsonl"):
        (published / name).write_text("{")
    for path in (f"/models/{MODEL}/offers", "/models/provider/openrouter", "/models/qwen3-8b", "/changes"):
        assert client.get(path).status_code == 200, path


def test_many_first_requests_at_once_make_one_document(published: Path) -> None:
    app = create_app(Served(published))
    at_once = threading.Barrier(4)

    def made(_: int) -> int:
        at_once.wait()
        return id(openapi_document(app))

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(made, range(4)))) == 1
