"""Claims about the cluster's endpoints that hold on a fake and on a real API server alike."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from api_samples import MODEL, QWEN, TOKEN
from fastapi.testclient import TestClient

from modelscan_catalog.deploy.kserve.api import INFERENCE_SERVICE, Cluster

BEARER = {"authorization": f"Bearer {TOKEN}"}
ASKED = {"id": QWEN, "profile": "l40s:1"}
NAMESPACE, NAME = "default", "active-llm"


@dataclass
class Stage:
    """An application, and the cluster that it changes."""

    client: TestClient
    cluster: Cluster

    def post(self, path: str, body: dict[str, Any], status: int = 200) -> dict[str, Any]:
        answer = self.client.post(path, json=body, headers=BEARER)
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()["data" if status == 200 else "error"]
        return found

    def get(self, path: str) -> Any:
        answer = self.client.get(path, headers=BEARER)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def job_ends(self, identifier: str) -> dict[str, Any]:
        for _ in range(300):
            job: dict[str, Any] = self.get(f"/jobs/{identifier}")
            if job["ended_at"]:
                return job
            time.sleep(0.05)
        raise AssertionError(f"the job goes on: {job}")


def write_ready(cluster: Cluster, url: str) -> None:
    """What KServe's controller writes once the model is loaded."""
    conditions = [{"type": "Ready", "status": "True"}]
    status = {"observedGeneration": 1, "conditions": conditions, "url": url}
    path = f"{INFERENCE_SERVICE.path(NAMESPACE, NAME)}/status"
    got, _ = cluster._call("PATCH", path, (), {"status": status}, "application/merge-patch+json")
    assert got == 200


@contextmanager
def loopback_engine() -> Iterator[str]:
    """An engine that serves qwen3-8b."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._tell({"data": [{"id": "qwen3-8b"}]})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self._tell({"choices": [{"message": {"content": "Hello"}}]})

        def _tell(self, answer: Any) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def an_activation_is_dry_until_it_is_asked_for(stage: Stage) -> None:
    dry = stage.post("/models/activate", ASKED)
    assert (dry["action"], dry["applied"]) == ("create", False)
    assert "?apply=1" in dry["note"]
    assert "kind: InferenceService" in dry["manifest"]
    assert stage.get("/active")["service"] is None
    done = stage.post("/models/activate?apply=1", ASKED)
    assert (done["action"], done["applied"], done["job"]) == ("create", True, None)
    active = stage.get("/active")
    assert (active["model"], active["checkpoint"], active["kind"]) == (MODEL, QWEN, "InferenceService")
    assert (active["service"]["state"], active["service"]["served_model"]) == ("creating", "qwen3-8b")
    again = stage.post("/models/activate?apply=1", ASKED)
    assert (again["action"], again["applied"]) == ("unchanged", False)


def a_deactivation_is_dry_until_it_is_asked_for_and_can_be_repeated(stage: Stage) -> None:
    stage.post("/models/activate?apply=1", ASKED)
    assert stage.post("/models/deactivate", {})["applied"] is False
    assert stage.get("/active")["service"] is not None
    assert stage.post("/models/deactivate?apply=1", {})["applied"] is True
    assert stage.get("/active")["service"] is None
    assert stage.post("/models/deactivate?apply=1", {})["action"] == "absent"


def history_and_the_audit_log_tell_what_was_done(stage: Stage) -> None:
    stage.post("/models/activate", ASKED)
    stage.post("/models/activate?apply=1", ASKED)
    stage.post("/models/deactivate?apply=1", {})
    subject = f"kserve:{NAME}"
    kinds = [event["kind"] for event in stage.get("/history?kind=kserve")]
    assert kinds == ["kserve.deactivated", "kserve.activated"]
    rows = [row for row in stage.get("/audit") if row["subject"] == subject]
    assert [(row["action"], row["outcome"]) for row in rows] == [("deactivate", "done"), ("activate", "done")]
    assert rows[0]["before_sha256"] == rows[1]["after_sha256"] is not None
    assert {row["actor"].partition(":")[0] for row in rows} == {"token"}
    asked = [(row["action"], row["outcome"]) for row in stage.get("/audit") if row["subject"] == QWEN]
    assert asked == [("POST /models/activate", "done"), ("POST /models/activate", "dry_run")]


def a_followed_activation_is_a_job_that_ends_when_the_model_answers(stage: Stage, engine: str) -> None:
    started = stage.post("/models/activate?apply=1", ASKED | {"wait_s": 60})["job"]
    assert started["kind"] == "kserve.follow"
    write_ready(stage.cluster, engine)
    ended = stage.job_ends(started["id"])
    assert (ended["state"], ended["error"]) == ("succeeded", None)
    assert ended["result"] == {"routed": True, "url": f"{engine}/v1"}
    assert stage.get("/active")["service"]["state"] == "running"
    assert stage.get("/history?kind=deployment.running")[0]["subject"] == f"kserve:{NAME}"


def a_followed_activation_can_be_cancelled_and_the_service_stays(stage: Stage) -> None:
    started = stage.post("/models/activate?apply=1", ASKED | {"wait_s": 60})["job"]
    stage.post(f"/jobs/{started['id']}/cancel", {})
    assert stage.job_ends(started["id"])["state"] == "cancelled"
    assert stage.get("/active")["service"]["state"] == "creating"
    assert stage.post(f"/jobs/{started['id']}/cancel", {}, 409)["code"] == "conflict"


def a_test_tells_what_would_happen_and_changes_nothing(stage: Stage, engine: str) -> None:
    found = stage.post("/models/test", ASKED | {"readiness_url": f"{engine}/v1/models"})
    assert (found["valid"], found["refused"], found["change"]["action"]) == (True, None, "create")
    assert found["readiness"]["answers"] is True
    assert {"cluster", "runtime kserve-vllmserver", "capacity"} <= {
        check["name"] for check in found["checks"]
    }
    assert stage.get("/active")["service"] is None


CLAIMS: tuple[Callable[[Stage], None], ...] = (
    an_activation_is_dry_until_it_is_asked_for,
    a_deactivation_is_dry_until_it_is_asked_for_and_can_be_repeated,
    history_and_the_audit_log_tell_what_was_done,
    a_followed_activation_can_be_cancelled_and_the_service_stays,
)
WITH_AN_ENGINE: tuple[Callable[[Stage, str], None], ...] = (
    a_followed_activation_is_a_job_that_ends_when_the_model_answers,
    a_test_tells_what_would_happen_and_changes_nothing,
)
