"""Notices of the pipeline: a failed run and a new publish reach the webhook, an old one does not."""

import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import dagster as dg
import pytest

from modelscan_catalog.settings import REPOSITORY_ROOT, load_settings
from pipelines.notices import failed_runs, published_news, tell_news


class _Hook(BaseHTTPRequestHandler):
    heard: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.heard.append(json.loads(body)["text"])
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("SLACK_WEBHOOK_URL", f"http://127.0.0.1:{server.server_address[1]}/hook")
    _Hook.heard.clear()
    yield _Hook.heard
    server.shutdown()
    server.server_close()


@dg.op
def fails() -> None:
    raise ValueError("the source shrank")


@dg.job
def failing() -> None:
    fails()


def test_a_failed_run_is_told_with_its_job(heard: list[str]) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = failing.execute_in_process(instance=instance, raise_on_error=False)
        context = dg.build_run_status_sensor_context(
            sensor_name="failed_runs",
            dagster_event=result.get_run_failure_event(),
            dagster_instance=instance,
            dagster_run=result.dagster_run,
        ).for_run_failure()
        failed_runs(context)
    assert len(heard) == 1
    assert "failing" in heard[0]


def test_a_publish_is_told_once_and_the_first_one_seen_is_no_news(
    heard: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = tmp_path / "published"
    published.mkdir()
    monkeypatch.setenv("MODELSCAN_OUT_DIR", str(published))
    monkeypatch.setenv("MODELSCAN_DATA_DIR", str(tmp_path / "data"))
    shutil.copy(REPOSITORY_ROOT / "registry" / "published" / "index.json", published)
    row = {"record": "model:lab/gone", "change": "removed"}
    (published / "changes.jsonl").write_text(json.dumps(row) + "\n")
    first = published_news(dg.build_sensor_context(cursor=None))
    assert isinstance(first, dg.SensorResult)
    assert heard == []
    again = published_news(dg.build_sensor_context(cursor=first.cursor))
    assert isinstance(again, dg.SkipReason)
    published_news(dg.build_sensor_context(cursor="an older one"))
    assert len(heard) == 1
    assert "lab/gone" in heard[0]
    published_news(dg.build_sensor_context(cursor="an older one"))
    assert tell_news(load_settings()) == 0
    assert len(heard) == 1
