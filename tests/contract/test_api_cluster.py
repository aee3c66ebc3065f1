"""Claims about the endpoints of the active model, of jobs and of history."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from api_samples import QWEN, TOKEN, refusal, serving_state
from cluster_claims import ASKED, BEARER, CLAIMS, NAMESPACE, WITH_AN_ENGINE, Stage, loopback_engine

from modelscan_catalog.deploy.kserve.api import INFERENCE_SERVICE, connect

# The stand-in of an API server lies beside the unit tests of its client, which are no package.
sys.path.append(str(Path(__file__).parents[1] / "unit" / "deploy"))
_exchanges = import_module("kserve_exchanges")
_ENDPOINTS = (
    ("POST", "/models/activate"), ("POST", "/models/deactivate"), ("POST", "/models/test"),
    ("GET", "/active"), ("GET", "/jobs"), ("GET", f"/jobs/{'0' * 32}"), ("GET", "/history"),
    ("POST", f"/jobs/{'0' * 32}/cancel"),
)  # fmt: skip


@contextmanager
def staged(
    folder: Path,
    token: str | None = TOKEN,
    runtimes: tuple[str, ...] = ("kserve-vllmserver",),
    **settings: Any,
) -> Iterator[Stage]:
    """A server over a stand-in for a cluster that checks nothing."""
    fake = _exchanges.FakeApi(runtimes)
    with fake.running():
        config = _exchanges.kubeconfig(folder, fake.url)
        known = {"kubeconfig": config, "active_namespace": NAMESPACE} | settings
        with serving_state(folder, token, **known) as client:
            yield Stage(client, connect(config))


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One for all claims about requests that change nothing."""
    with staged(tmp_path_factory.mktemp("unchanged")) as found:
        yield found
        assert found.get("/active")["service"] is None


@pytest.fixture
def engine() -> Iterator[str]:
    with loopback_engine() as url:
        yield url


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.__name__)
def test_on_a_cluster_that_checks_nothing(claim: Any, stage: Stage) -> None:
    claim(stage)


@pytest.mark.parametrize("claim", WITH_AN_ENGINE, ids=lambda claim: claim.__name__)
def test_with_an_engine_behind_it(claim: Any, stage: Stage, engine: str) -> None:
    claim(stage, engine)


@pytest.mark.parametrize(("method", "path"), _ENDPOINTS)
def test_every_one_of_these_endpoints_asks_for_the_token(unchanged: Stage, method: str, path: str) -> None:
    answer = unchanged.client.request(method, path, json={} if method == "POST" else None)
    assert (answer.status_code, refusal(answer)["code"]) == (401, "unauthorized")


def test_a_server_without_a_token_changes_no_cluster(tmp_path: Path) -> None:
    with staged(tmp_path, token=None, allow_apply=True) as stage:
        told = stage.post("/models/activate?apply=1", ASKED)
        assert (told["applied"], "MODEL_MANAGER_API_TOKEN" in told["note"]) == (False, True)
        assert stage.get("/active")["service"] is None


def test_a_server_that_may_apply_does_unless_the_request_says_no(tmp_path: Path) -> None:
    with staged(tmp_path, allow_apply=True) as stage:
        assert stage.post("/models/activate?apply=0", ASKED)["applied"] is False
        assert stage.post("/models/activate", ASKED)["applied"] is True


def test_what_the_service_lacks_stops_an_activation_but_not_a_forced_one(tmp_path: Path) -> None:
    with staged(tmp_path, runtimes=()) as stage:
        error = stage.post("/models/activate?apply=1", ASKED, 409)
        assert "runtime kserve-vllmserver: neither default nor the cluster has it" in error["message"]
        assert stage.post("/models/test", ASKED)["valid"] is False
        assert stage.post("/models/activate?apply=1", ASKED | {"force": True})["applied"] is True


def test_weights_on_a_claim_are_served_from_there(unchanged: Stage) -> None:
    found = unchanged.post("/models/test", ASKED | {"storage": "pvc://weights/qwen3-8b", "target": "isvc"})
    assert "storageUri: pvc://weights/qwen3-8b" in found["manifest"]
    assert "PersistentVolumeClaim weights" in [check["name"] for check in found["checks"]]


def test_a_model_without_a_profile_is_planned_on_the_cards_of_its_reference_plan(unchanged: Stage) -> None:
    found = unchanged.post("/models/test", {"id": "alibaba/qwen2.5-vl-7b-instruct"})
    assert "modelscan.io/gpu: 1x l40s" in found["manifest"]


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({"id": "no/such-model"}, 404, "unknown_id", ""),
        ({"id": QWEN, "profile": "gtx-1"}, 404, "unknown_id", ""),
        (ASKED | {"target": "compose"}, 400, "bad_input", "target"),
        (ASKED | {"target": "nothing"}, 400, "bad_input", "target"),
        ({"id": "deepseek-ai/DeepSeek-R1", "profile": "l40s:1"}, 400, "no_manifest", ""),
        ({}, 400, "bad_input", "id"),
        (ASKED | {"replicas": 2}, 400, "bad_input", "replicas"),
    ],
)
def test_what_cannot_be_activated_is_refused_with_its_field(
    unchanged: Stage, body: dict[str, Any], status: int, code: str, field: str
) -> None:
    error = unchanged.post("/models/activate?apply=1", body, status)
    assert (error["code"], error["field"]) == (code, field)


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data", "http://example.com/", "file:///etc/passwd",
        "http://user@127.0.0.1/", "http://[::ffff:10.0.0.1]/", "http://127.0.0.1:99999/", "http://0.0.0.0/",
    ],
)  # fmt: skip
def test_no_strange_host_is_asked_whether_it_is_ready(unchanged: Stage, url: str) -> None:
    error = unchanged.post("/models/test", ASKED | {"readiness_url": url}, 400)
    assert (error["code"], error["field"]) == ("bad_input", "readiness_url")


def test_without_a_cluster_a_test_still_shows_the_manifest_and_warns(tmp_path: Path) -> None:
    silent = _exchanges.kubeconfig(tmp_path, "http://127.0.0.1:9")
    with serving_state(tmp_path, TOKEN, kubeconfig=silent) as client:
        stage = Stage(client, connect(silent))
        found = stage.post("/models/test", ASKED)
        assert (found["valid"], found["change"]) == (True, None)
        assert [(check["name"], check["status"]) for check in found["checks"]] == [("cluster", "warn")]
        answer = client.get("/active", headers=BEARER)
        assert (answer.status_code, refusal(answer)["code"]) == (503, "server_unreachable")
        assert stage.post("/models/activate?apply=1", ASKED, 503)["code"] == "server_unreachable"


def test_a_service_that_somebody_else_made_is_a_conflict(stage: Stage) -> None:
    manifest = stage.post("/models/activate", ASKED)["manifest"]
    theirs = yaml.safe_load(manifest)
    del theirs["metadata"]["labels"]
    stage.cluster.apply(INFERENCE_SERVICE, NAMESPACE, theirs, manager="kubectl")
    for path, body in (("/models/activate", ASKED), ("/models/deactivate", {})):
        assert stage.post(f"{path}?apply=1", body, 409)["code"] == "conflict"
    outcomes = [row["outcome"] for row in stage.get("/audit") if row["subject"] == "kserve:active-llm"]
    assert outcomes == ["refused", "refused"]
    assert stage.post("/models/deactivate?apply=1", {"force": True})["applied"] is True


def test_jobs_and_history_are_found_by_what_they_are_about(stage: Stage) -> None:
    assert (stage.get("/jobs"), stage.get("/history")) == ([], [])
    started = stage.post("/models/activate?apply=1", ASKED | {"wait_s": 60})["job"]
    assert [job["id"] for job in stage.get("/jobs?kind=kserve.follow&subject=active-llm")] == [started["id"]]
    assert stage.get("/jobs?kind=weights.install") == []
    events = stage.get("/history")
    assert [event["id"] for event in events] == sorted((event["id"] for event in events), reverse=True)
    assert [event["id"] for event in stage.get(f"/history?after={events[-1]['id']}")] == [
        event["id"] for event in reversed(events[:-1])
    ]
    stage.post(f"/jobs/{started['id']}/cancel", {})
    stage.job_ends(started["id"])
    for path, status in ((f"/jobs/{'0' * 32}", 404), ("/jobs/../etc", 404), ("/jobs?state=odd", 400)):
        assert stage.client.get(path, headers=BEARER).status_code == status
