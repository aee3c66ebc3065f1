"""The hub over HTTP, through a server on loopback that answers as the hub does."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_samples import QWEN, refusal, serving_state
from fastapi.testclient import TestClient
from weights_hub_server import COMMIT, FakeHub

NEW = "acme/new-8b"
CONFIG = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "hidden_size": 4096,
    "intermediate_size": 12288,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151936,
    "max_position_embeddings": 40960,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "auto_map": {"AutoModel": "code.py"},
}
PARAMETERS = 8_190_735_360


def facts(architecture: str, downloads: int, **more: Any) -> dict[str, Any]:
    return {
        "config": {"architectures": [architecture], "model_type": "qwen3"},
        "downloads": downloads,
        "likes": 1,
        "gated": False,
        "pipeline_tag": "text-generation",
        "tags": ["license:apache-2.0"],
        **more,
    }


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    found = FakeHub()
    found.add(NEW, {"config.json": json.dumps(CONFIG).encode(), "model.safetensors": b"w"})
    sizes = {"parameters": {"BF16": PARAMETERS}, "total": PARAMETERS}
    base = {"base_model": QWEN, "base_model_relation": "finetune"}
    found.repos[NEW].facts = facts("Qwen3ForCausalLM", 7, safetensors=sizes, cardData=base)
    found.add("acme/odd-8b", {"config.json": b"{}"})
    found.repos["acme/odd-8b"].facts = facts("NobodysForCausalLM", 9)
    found.add("acme/bare-8b", {"model.safetensors": b"w"})
    found.repos["acme/bare-8b"].facts = {"downloads": 8}
    yield found
    found.close()


@pytest.fixture
def client(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    for variable in ("HF_TOKEN", "HUGGINGFACE_API_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    with serving_state(tmp_path, huggingface_url=hub.url) as found:
        yield found


def good(answer: Any) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_search_gives_what_vllm_serves_with_where_it_is_from(client: TestClient) -> None:
    answer = good(client.get("/huggingface/search", params={"q": "8b"}))
    (row,) = answer["data"]
    assert (answer["origin"], answer["problem"], answer["total"]) == ("live", None, 1)
    assert (row["id"], row["vllm"], row["parameters"], row["license"]) == (
        NEW,
        True,
        PARAMETERS,
        "apache-2.0",
    )


def test_all_shows_what_vllm_does_not_serve_and_what_nobody_knows(client: TestClient) -> None:
    answer = good(client.get("/huggingface/search", params={"q": "8b", "all": True}))
    assert [(row["id"], row["vllm"]) for row in answer["data"]] == [
        ("acme/odd-8b", False),
        ("acme/bare-8b", None),
        (NEW, True),
    ]
    assert (
        len(good(client.get("/huggingface/search", params={"q": "8b", "all": True, "limit": 2}))["data"]) == 2
    )


def test_the_hub_is_asked_once_within_the_time_that_answers_are_kept(
    client: TestClient, hub: FakeHub
) -> None:
    for _ in range(3):
        good(client.get("/huggingface/search", params={"q": "8b"}))
        good(client.get(f"/huggingface/models/{NEW}"))
    asked = [path.partition("?")[0] for path in hub.paths]
    assert sorted(asked) == [
        f"/acme/new-8b/resolve/{COMMIT}/config.json", "/api/models", f"/api/models/{NEW}"
    ]  # fmt: skip


def test_when_the_hub_goes_its_last_answer_stands_and_it_is_said(hub: FakeHub, tmp_path: Path) -> None:
    with serving_state(tmp_path, huggingface_url=hub.url, huggingface_cache_ttl_s=0) as client:
        good(client.get("/huggingface/search", params={"q": "8b"}))
        hub.close()
        answer = good(client.get("/huggingface/search", params={"q": "8b"}))
        assert (answer["origin"], [row["id"] for row in answer["data"]]) == ("cached", [NEW])
        assert "no connection" in answer["problem"]
        other = good(client.get("/huggingface/search", params={"q": "qwen3"}))
        assert other["origin"] == "catalogue"
        assert QWEN in [row["id"] for row in other["data"]]
        assert "the catalogue knows" in other["problem"]


def test_a_new_repository_is_described_with_a_draft_that_its_facts_give(client: TestClient) -> None:
    data = good(client.get(f"/huggingface/models/{NEW}"))["data"]
    assert (data["origin"], data["repo"]["sha"], data["repo"]["runs_code"]) == ("live", COMMIT, True)
    assert data["compatibility"]["supported"] is True
    assert data["compatibility"]["architectures"][0]["versions"]
    draft = data["draft"]
    assert draft["from"] == "hub"
    entry = draft["entry"]
    assert (entry["category"], entry["parameters"], entry["base_architecture"]) == (
        "text-llm",
        "8.19B",
        "qwen3",
    )
    assert entry["requirements"]["min_vram_gb"] == pytest.approx(18.4, abs=0.3)
    assert entry["capabilities"]["vision"] is None
    launch = draft["launch"]
    assert (launch["max_model_len"], launch["trust_remote_code"]) == (40960, True)
    assert (launch["tool_call_parser"], launch["reasoning_parser"]) == ("hermes", "qwen3")
    assert draft["overlay"]["models"][NEW]["category"] == "text-llm"


def test_a_draft_is_a_valid_entry_of_the_catalogue(client: TestClient) -> None:
    entry = good(client.get(f"/huggingface/models/{NEW}"))["data"]["draft"]["entry"]
    assert good(client.post("/catalog/validate", json={"entry": entry}))["data"]["valid"] is True


def test_named_cards_plan_the_drafts_settings_or_say_why_not(client: TestClient) -> None:
    body = {"hfModelId": NEW, "gpu_profile": "rtx-4090"}
    planned = good(client.post("/vllm/model-info", json=body))["data"]["draft"]["entry"]["inference_defaults"]
    assert planned["tensor_parallel_size"] == 1
    assert 0 < planned["max_model_len"] <= 40960
    small = client.post("/vllm/model-info", json={"hfModelId": NEW, "gpu_profile": "rtx-3060"})
    assert (small.status_code, refusal(small)["field"]) == (400, "gpu_profile")
    assert "does not fit" in refusal(small)["message"]


def test_what_no_fact_says_is_null_in_a_draft(client: TestClient) -> None:
    data = good(client.get("/huggingface/models/acme/bare-8b"))["data"]
    assert (data["compatibility"]["supported"], data["repo"]["runs_code"]) == (None, None)
    entry = data["draft"]["entry"]
    assert (entry["category"], entry["parameters"], entry["inference_defaults"]) == (
        "uncategorized",
        None,
        None,
    )
    assert set(entry["requirements"].values()) == {None}
    assert data["draft"]["note"] == "its config.json is not known"


def test_an_architecture_that_vllm_does_not_have_is_said(client: TestClient) -> None:
    found = good(client.get("/huggingface/models/acme/odd-8b"))["data"]["compatibility"]
    assert found["supported"] is False
    assert "Transformers backend" in found["reason"]


def test_a_repository_of_the_catalogue_keeps_the_catalogues_entry(tmp_path: Path) -> None:
    with serving_state(tmp_path, huggingface_url="http://127.0.0.1:9") as client:
        data = good(client.get(f"/huggingface/models/{QWEN}"))["data"]
        assert (data["origin"], data["draft"]["from"]) == ("catalogue", "catalogue")
        assert data["draft"]["entry"]["id"] == QWEN
        assert "127.0.0.1:9" in data["problem"]


def test_an_unknown_repository_comes_with_candidates(client: TestClient) -> None:
    answer = client.get("/huggingface/models/Qwen/Qwen3-8C")
    assert answer.status_code == 404
    error = refusal(answer)
    assert QWEN in error["candidates"]
    assert "no such repository" in error["message"]


def test_a_hub_that_fails_on_a_repository_that_nobody_knows_is_a_bad_gateway(tmp_path: Path) -> None:
    with serving_state(tmp_path, huggingface_url="http://127.0.0.1:9") as client:
        answer = client.get(f"/huggingface/models/{NEW}")
        assert (answer.status_code, refusal(answer)["code"]) == (502, "host_refused")


def test_discovery_drafts_named_repositories_and_one_bad_name_does_not_hide_the_others(
    client: TestClient,
) -> None:
    body = {"hfModelIds": [NEW, "Qwen/Qwen3-8C", "../etc"]}
    rows = good(client.post("/vllm/discover", json=body))["data"]
    assert rows[0]["draft"]["entry"]["id"] == NEW
    assert QWEN in rows[1]["candidates"]
    assert "owner/name" in rows[2]["error"]


def test_discovery_drafts_what_a_search_finds(client: TestClient) -> None:
    answer = good(client.post("/vllm/discover", json={"q": "8b", "limit": 3}))
    assert (answer["origin"], [row["id"] for row in answer["data"]]) == ("live", [NEW])
    assert client.post("/vllm/discover", json={}).status_code == 400


@pytest.mark.parametrize(
    "path", ["/huggingface/models/one", "/huggingface/models/a/b/c", "/huggingface/models/a%2f..%2fb"]
)
def test_what_is_no_repository_is_unknown(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "sort=size", "colour=red"])
def test_a_search_that_cannot_be_asked_is_refused_by_field(client: TestClient, query: str) -> None:
    answer = client.get(f"/huggingface/search?{query}")
    assert (answer.status_code, refusal(answer)["field"]) == (400, query.partition("=")[0])
