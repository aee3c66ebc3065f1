"""Upgrades in Dagster: scheduled only while something is tried, decisions told, refiners asked."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from modelscan_catalog.router.emit import default_policy
from modelscan_catalog.settings import load_settings
from modelscan_catalog.state import open_state
from modelscan_catalog.state.values import put_value
from modelscan_catalog.upgrade.local import AUTOMATIC, local_upgrades
from pipelines.definitions import build_definitions
from pipelines.schedules import quarter_hourly_upgrades

ROUTE, CANDIDATE = "lab/a", "lab/b"


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MODELSCAN_DATA_DIR", str(tmp_path))
    return tmp_path


def _tick() -> dg.RunRequest | dg.SkipReason:
    found = quarter_hourly_upgrades(dg.build_schedule_context())
    assert isinstance(found, dg.RunRequest | dg.SkipReason)
    return found


def test_the_schedule_runs_while_something_is_tried_and_nobody_stopped_it(data_dir: Path) -> None:
    assert isinstance(_tick(), dg.SkipReason)
    local_upgrades(load_settings()).start(ROUTE, ROUTE, CANDIDATE)
    assert isinstance(_tick(), dg.RunRequest)
    with open_state(load_settings().state_file) as connection:
        put_value(connection, AUTOMATIC, False)
    assert isinstance(_tick(), dg.SkipReason)


def test_the_job_tells_its_decisions_with_their_figures(data_dir: Path) -> None:
    local_upgrades(load_settings()).start(ROUTE, ROUTE, CANDIDATE)
    result = (
        build_definitions()
        .resolve_job_def("evaluate_upgrades")
        .execute_in_process(instance=dg.DagsterInstance.ephemeral(tempdir=str(data_dir)))
    )
    [made] = result.asset_materializations_for_node("upgrade_decisions")
    assert made.metadata["decided"].value == 1
    assert "0 requests of the candidate, 200 are asked" in str(made.metadata["gates"].value)


class _Refiner(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if asked["model"] == "lab/broken":
            self.send_error(500)
            return
        answer = "936" if "347" in asked["messages"][-1]["content"] else "no"
        event = {"choices": [{"index": 0, "delta": {"content": answer}}]}
        body = f"data: {json.dumps(event)}\n\ndata: [DONE]\n\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@contextmanager
def _serving() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Refiner)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


def _router_config() -> dict[str, Any]:
    provider = {"name": "p", "type": "local", "base_url": "http://127.0.0.1:1/v1"}
    names = ("lab/a", "lab/broken")
    models = [{"id": name, "targets": [{"provider": "p", "model": name}]} for name in names]
    policy = default_policy().model_dump(mode="json")
    routing = {"direct": {"providers": [provider]}}
    return {"routing": routing, "models": models, "policy": policy, "refiners": list(names)}


def test_the_sweep_asks_every_refiner_and_says_which_failed(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = data_dir / "published"
    published.mkdir()
    (published / "router.json").write_text(json.dumps(_router_config()))
    monkeypatch.setenv("MODELSCAN_OUT_DIR", str(published))
    with _serving() as base_url:
        result = (
            build_definitions()
            .resolve_job_def("refiner_sweep")
            .execute_in_process(
                instance=dg.DagsterInstance.ephemeral(tempdir=str(data_dir)),
                run_config={"ops": {"refiner_figures": {"config": {"base_url": base_url}}}},
            )
        )
    assert result.success
    good, broken = json.loads((data_dir / "router" / "refiners.json").read_bytes())
    assert good["model"] == "lab/a"
    assert 60 <= good["items"] < 91, "long texts are left out"
    assert 0 < good["score"] < 1
    assert good["first_token_p95_s"] >= good["first_token_p50_s"] > 0
    assert (broken["model"], broken["score"], broken["within_budget"]) == ("lab/broken", None, False)
    assert "500" in broken["error"]
