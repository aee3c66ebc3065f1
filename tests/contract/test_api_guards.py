"""Claims about limits, the audit log, reported usage and what the server tells of itself."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from api_samples import MODEL, QWEN, TOKEN, refusal, serving_state
from fastapi.testclient import TestClient

from modelscan_catalog.api.limiting import parse_limit
from modelscan_catalog.errors import SettingsError
from modelscan_catalog.router.usage import UsageStore

BEARER = {"authorization": f"Bearer {TOKEN}"}


def _log(client: TestClient) -> list[dict[str, Any]]:
    answer = client.get("/audit", headers=BEARER)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["data"]
    return rows


def test_a_client_that_asks_too_often_is_told_when_to_come_back(tmp_path: Path) -> None:
    with serving_state(tmp_path, rate_limit="3/minute") as client:
        assert [client.get("/models").status_code for _ in range(3)] == [200] * 3
        answer = client.get("/models")
        assert answer.status_code == 429
        assert refusal(answer)["code"] == "too_many_requests"
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert client.get("/health").status_code == 200
        with TestClient(client.app, client=("192.0.2.9", 1)) as other:
            assert other.get("/models").status_code == 200


def test_nobody_is_limited_unless_a_limit_is_named(tmp_path: Path) -> None:
    with serving_state(tmp_path) as client:
        assert {client.get("/health").status_code for _ in range(200)} == {200}


@pytest.mark.parametrize("text", ["often", "5/fortnight", "", "-1/second"])
def test_a_limit_that_is_none_stops_the_server_from_starting(text: str) -> None:
    with pytest.raises(SettingsError, match="rate_limit"):
        parse_limit(text)


def test_every_call_that_may_change_something_is_in_the_log_with_its_outcome(tmp_path: Path) -> None:
    with serving_state(tmp_path, TOKEN) as client:
        client.post("/refresh")
        client.post("/refresh", headers=BEARER)
        entry = client.post("/catalog/generate", json={"id": MODEL}, headers=BEARER).json()["data"]["entry"]
        client.post("/catalog/pr", json={"entry": entry}, headers=BEARER)
        client.post("/no/such/endpoint", json={}, headers=BEARER)
        rows = _log(client)
    found = [(row["action"], row["subject"], row["outcome"]) for row in rows]
    assert found == [
        ("POST /no/such/endpoint", "", "refused"),
        ("POST /catalog/pr", QWEN, "dry_run"),
        ("POST /refresh", "", "done"),
        ("POST /refresh", "", "refused"),
    ]
    assert rows[3]["actor"] == "without a token"
    assert rows[2]["actor"].startswith("token:")
    assert TOKEN not in str(rows)


def test_the_log_is_for_those_who_hold_the_token(tmp_path: Path) -> None:
    with serving_state(tmp_path, TOKEN) as client:
        assert _log(client) == []
        assert client.get("/audit").status_code == 401
        assert client.get("/audit?limit=0", headers=BEARER).status_code == 400


def test_nothing_is_changed_while_the_log_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "data" / "state").mkdir(parents=True)
    (tmp_path / "data" / "state" / "modelscan.db").write_text("no database, and long enough to be read " * 9)
    with serving_state(tmp_path) as client:
        answer = client.post("/refresh")
        assert answer.status_code == 503
        assert refusal(answer)["code"] == "no_audit_log"
        assert client.get("/models").status_code == 200


def test_reported_usage_is_counted_apart_and_keeps_no_user(tmp_path: Path) -> None:
    with serving_state(tmp_path) as client:
        body = {"latency_ms": 1200, "ttft_ms": 90, "input_tokens": 10, "output_tokens": 20, "cost_usd": 0.001}
        answer = client.post(f"/models/{QWEN}/usage", json=body)
        assert answer.json()["data"] == {"model": MODEL, "recorded": True}
        client.post(f"/models/{MODEL}/usage", json={"latency_ms": 5, "success": False, "provider": "acme"})
        assert refusal(client.post("/models/no/such/usage", json=body))["code"] == "unknown_id"
        assert (
            refusal(client.post(f"/models/{MODEL}/usage", json={"latency_ms": -1}))["field"] == "latency_ms"
        )
    store = UsageStore(tmp_path / "usage.sqlite")
    rows = {row["target"]: row for row in store.totals(("target", "class"))}
    store.close()
    assert set(rows) == {f"reported/{MODEL}", f"acme/{MODEL}"}
    assert rows[f"reported/{MODEL}"]["completion_tokens"] == 20
    assert rows[f"acme/{MODEL}"]["success_rate"] == 0
    assert {row["class"] for row in rows.values()} == {"reported"}


def test_the_server_tells_where_it_works_and_what_it_does_not_follow(tmp_path: Path) -> None:
    with serving_state(tmp_path) as client:
        client.post("/refresh")
        info = client.get("/system/info").json()["data"]
    assert info["warnings"] == ["a warning"]
    assert info["gpu_profiles"] == ["rtx-4090"]
    assert info["paths"]["state"] == str(tmp_path / "data" / "state" / "modelscan.db")
    assert info["state_schema"] >= 1
    assert info["pvc"]["name"]
    assert info["recent_jobs"] == []


def test_the_server_tells_how_full_the_place_of_the_weights_is(tmp_path: Path) -> None:
    part = tmp_path / "data" / "weights" / ".partial" / "huggingface" / "a" / "b" / "c" / "model.safetensors"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"12345")
    with serving_state(tmp_path) as client:
        pvc = client.get("/system/info").json()["data"]["pvc"]
        figures = client.get("/metrics").text
        asked = client.get("/weights/usage").json()["data"]
    assert (pvc["installs"], pvc["installed_bytes"], pvc["partial_bytes"]) == (0, 0, 5)
    assert {name: pvc[name] for name in ("disk_bytes", "threshold", "alert")} == {
        name: asked[name] for name in ("disk_bytes", "threshold", "alert")
    }
    assert 0 < pvc["used_ratio"] < 1
    assert "modelscan_weights_partial_bytes 5.0" in figures
    assert "modelscan_weights_installs 0.0" in figures


def test_one_search_finds_all_kinds_of_things(tmp_path: Path) -> None:
    with serving_state(tmp_path) as client:
        found = client.get("/search?q=qwen3").json()["data"]
        assert found["models"][0]["id"] == MODEL
        assert QWEN in found["checkpoints"]
        assert any(name.startswith("Qwen3") for name in found["architectures"])
        assert client.get("/search?q=4090").json()["data"]["gpus"] == ["rtx-4090"]
        assert client.get("/search").status_code == 400


def test_what_needs_the_token_is_never_kept_for_others(tmp_path: Path) -> None:
    with serving_state(tmp_path, TOKEN) as client:
        _log(client)
        _log(client)
        assert client.get("/audit").status_code == 401


def test_rows_of_the_log_cannot_be_changed(tmp_path: Path) -> None:
    with serving_state(tmp_path) as client:
        client.post("/refresh")
    state = sqlite3.connect(tmp_path / "data" / "state" / "modelscan.db")
    with pytest.raises(sqlite3.IntegrityError, match="never changed"):
        state.execute("UPDATE audit SET outcome = 'done'")
    state.close()


@pytest.mark.parametrize(
    ("method", "path", "takes"),
    [
        ("GET", f"/models/{MODEL}/manifest?gpu=h100", "target, profile"),
        ("GET", f"/models/{MODEL}/compatibility?gpu=rtx-4090", "gpuType"),
        ("GET", f"/models/{MODEL}?gpu=rtx-4090", "no parameter"),
        ("GET", "/health?gpu=rtx-4090", "no parameter"),
        ("POST", "/refresh?gpu=rtx-4090", "no parameter"),
    ],
)
def test_a_parameter_that_an_endpoint_does_not_have_is_refused_with_those_that_it_has(
    tmp_path: Path, method: str, path: str, takes: str
) -> None:
    with serving_state(tmp_path) as client:
        answer = client.request(method, path)
        assert answer.status_code == 400
        assert refusal(answer)["field"] == "gpu"
        assert refusal(answer)["message"] == f"gpu: not known here; this takes {takes}"


def test_the_document_and_its_page_are_shown_whatever_is_asked_of_them(tmp_path: Path) -> None:
    with serving_state(tmp_path) as client:
        assert {client.get(f"{path}?v=2").status_code for path in ("/docs", "/openapi.json")} == {200}


def test_a_reader_without_the_token_is_not_told_where_things_lie(tmp_path: Path) -> None:
    with serving_state(tmp_path, TOKEN) as client:
        for name in ("models.jsonl", "index.json"):
            (tmp_path / "published" / name).write_text("{")
        refused = client.post("/refresh", headers=BEARER)
        assert str(tmp_path) in refused.json()["error"]["message"]
        bad = tmp_path / "data" / "weights" / "huggingface" / "o" / "n" / ("0" * 40)
        bad.mkdir(parents=True)
        (bad / ".modelscan.json").write_text("{")
        for path in ("/system/info", "/health", "/weights", "/weights/usage", "/recommendations/rtx-4090"):
            assert str(tmp_path) not in client.get(path).text, path
        assert client.get("/health").json()["data"]["refused"].startswith("(registry)")
        told = client.get("/system/info", headers=BEARER).json()["data"]
        assert told["paths"]["registry"] == str(tmp_path / "published")
        withheld = client.get("/system/info").json()["data"]
        names = ("paths", "warnings", "recent_jobs", "recent_history")
        assert [withheld[name] for name in names] == [None] * 4


def test_places_that_are_short_are_not_taken_out_of_other_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/")
    with serving_state(tmp_path, TOKEN) as client:
        (tmp_path / "published" / "index.json").write_text("{")
        assert client.post("/refresh", headers=BEARER).status_code != 200
        told = client.get("/health").json()["data"]["refused"]
        assert told.startswith("(registry)/index.json")
        unknown = client.get("/recommendations/no/such").json()["error"]["message"]
        assert "(home)" not in unknown


def test_a_user_without_a_home_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    with serving_state(tmp_path, TOKEN) as client:
        assert client.get("/health").json()["data"]["status"] == "ok"


def test_without_a_token_everybody_on_this_machine_is_told_where_things_lie(tmp_path: Path) -> None:
    with serving_state(tmp_path) as client:
        assert client.get("/system/info").json()["data"]["paths"]["registry"] == str(tmp_path / "published")


def test_a_refusal_says_what_would_be_taken(tmp_path: Path) -> None:
    with serving_state(tmp_path) as client:
        method = client.post("/models")
        assert (method.status_code, method.headers["allow"]) == (405, "GET")
        assert refusal(method)["message"] == "POST is not taken here; GET is"
        assert "/docs" in refusal(client.get("/no/such/path"))["message"]
        kind = client.post(
            "/api/v1/registry/validate/training", content="{}", headers={"content-type": "text/plain"}
        )
        assert kind.status_code == 415
        assert "application/json" in refusal(kind)["message"]
        few = refusal(client.get("/models?category=zzz"))
        assert few["field"] == "category"
        assert "llm" in few["candidates"]


def test_an_id_that_is_no_id_is_repeated_cut_and_escaped(tmp_path: Path) -> None:
    with serving_state(tmp_path) as client:
        answer = client.get("/models/" + "a" * 5000)
        assert answer.status_code == 404
        assert len(refusal(answer)["message"]) < 1000
        assert "\x00" not in refusal(client.get("/models/a%00b"))["message"]


def test_any_tag_is_the_tag_of_what_is_there(tmp_path: Path) -> None:
    with serving_state(tmp_path) as client:
        answer = client.get("/models", headers={"if-none-match": "*"})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["cache-control"] == "no-cache"
