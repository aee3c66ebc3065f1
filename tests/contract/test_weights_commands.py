"""The commands weights, jobs and hf as a person uses them, against a hub on loopback."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from api_samples import QWEN, publish
from click.testing import CliRunner, Result
from weights_hub_server import COMMIT, FakeHub

from modelscan_catalog.cli.main import cli
from modelscan_catalog.deploy.weights.library import list_installs, partials
from modelscan_catalog.errors import ModelScanError
from modelscan_catalog.settings import load_settings

REPO = "acme/tiny"
NAME = f"huggingface/{REPO}/{COMMIT}"
COMMAND = Path(sys.executable).with_name("modelscan")


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    found = FakeHub()
    found.add(REPO, {"model.safetensors": b"weights" * 2_000_000, "config.json": b"{}", "README.md": b"#"})
    yield found
    found.close()


@pytest.fixture(autouse=True)
def environment(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HF_TOKEN", "HUGGINGFACE_API_TOKEN", "SLACK_WEBHOOK_URL", "WEIGHTS_STORAGE_PATH"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("MODELSCAN_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("HF_ENDPOINT", hub.url)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def text(*arguments: str) -> str:
    found = run(*arguments)
    assert found.exit_code == 0, (found.output, found.exception)
    return found.stdout


def data(*arguments: str) -> Any:
    return json.loads(text(*arguments, "--json"))


def test_an_install_is_listed_described_verified_and_deleted() -> None:
    assert "nothing is installed" in text("weights", "list")
    assert "nothing was read" in text("weights", "verify")
    out = text("weights", "install", REPO)
    assert f"{NAME}: 2 files, 13.35 MiB" in out
    assert "storageUri" in out
    assert REPO in text("weights", "list")
    assert "model.safetensors" in text("weights", "info", REPO)
    assert "as installed" in text("weights", "verify")
    assert "installs: 1" in text("weights", "usage")
    assert "would be deleted" in text("weights", "delete", REPO)
    assert len(data("weights", "list")["weights"]) == 1
    assert "deleted" in text("weights", "delete", REPO, "--apply")
    assert data("weights", "list")["weights"] == []


def test_json_has_the_same_facts() -> None:
    installed = data("weights", "install", REPO)
    assert installed["name"] == NAME
    assert data("weights", "info", REPO)["files"][0]["path"] == "config.json"
    assert data("weights", "usage")["installs"] == 1
    assert data("weights", "verify")["weights"][NAME]["damages"] == []
    assert data("weights", "delete", REPO)["applied"] is False


def test_a_dry_run_says_file_by_file_what_would_happen() -> None:
    plan = data("weights", "install", REPO, "--dry-run")
    assert {row["path"]: row["what"] for row in plan["files"]} == {
        "config.json": "fetch",
        "model.safetensors": "fetch",
    }
    text("weights", "install", REPO)
    assert "to fetch: 0 B" in text("weights", "install", REPO, "--dry-run")


def test_damage_is_told_with_exit_code_1_and_mended() -> None:
    text("weights", "install", REPO)
    root = load_settings().weights_dir
    (root / NAME / "config.json").write_bytes(b"[]")
    found = run("weights", "verify")
    assert "config.json: has other content" in found.output
    assert isinstance(found.exception, ModelScanError)
    assert "--apply drops" in str(found.exception)
    run("weights", "verify", "--apply")
    text("weights", "install", REPO)
    assert "as installed" in text("weights", "verify")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("weights", "install", "tiny"), "write it as owner/name"),
        (("weights", "install", "acme/none"), "no such repository"),
        (("weights", "info", "acme/none"), "not installed"),
        (("weights", "delete", "../x"), "owner/name"),
        (("weights", "delete", "huggingface/a/b/c", "--interrupted"), "no interrupted install"),
        (("jobs", "show", "abc"), "no job has that id"),
        (("jobs", "cancel", ""), "no job has that id"),
    ],
)
def test_a_mistake_is_one_clear_line(arguments: tuple[str, ...], says: str) -> None:
    found = run(*arguments)
    assert isinstance(found.exception, ModelScanError), found.exception
    assert says in str(found.exception)


def test_jobs_are_listed_and_shown_by_the_beginning_of_their_id() -> None:
    assert "no jobs" in text("jobs")
    text("weights", "install", REPO)
    run("weights", "install", "acme/none")
    failed, done = data("jobs", "list")
    assert (failed["state"], done["state"]) == ("failed", "succeeded")
    assert [row["id"] for row in data("jobs", "list", "--state", "failed")] == [failed["id"]]
    shown = text("jobs", "show", done["id"][:6])
    assert "succeeded" in shown
    assert NAME in shown
    assert "no such repository" in text("jobs", "show", failed["id"])
    assert "13.35 MiB of 13.35 MiB" in text("jobs")
    found = run("jobs", "cancel", done["id"][:6])
    assert "has ended already" in str(found.exception)


def fetching(hub: FakeHub) -> "subprocess.Popen[str]":
    """An install in a process of its own that is in the middle of a file."""
    hub.holds["model.safetensors"] = 4_000_000
    process = subprocess.Popen(
        [COMMAND, "weights", "install", REPO, "--hub", "modelscope"],
        env={**os.environ, "MODELSCOPE_ENDPOINT": hub.url},
        stderr=subprocess.PIPE,
        text=True,
    )
    root, deadline = load_settings().weights_dir, time.monotonic() + 20
    while sum(count for _, count in partials(root)) < 2_000_000 and time.monotonic() < deadline:
        time.sleep(0.05)
    return process


def test_an_interrupt_cancels_the_job_and_keeps_what_came(hub: FakeHub) -> None:
    process = fetching(hub)
    children = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors.splitlines()[-1]) == (130, "stopped")
    assert f"{REPO}: what came is kept; the same command goes on from there" in errors
    assert psutil.wait_procs(children, timeout=5)[1] == []
    assert data("jobs", "list")[0]["state"] == "cancelled"
    left = data("weights", "list")
    assert (left["weights"], len(left["interrupted"])) == ([], 1)
    name = left["interrupted"][0]["name"]
    assert "would be deleted" in text("weights", "delete", name, "--interrupted")
    assert "deleted" in text("weights", "delete", name, "--interrupted", "--apply")
    assert data("weights", "list")["interrupted"] == []


def test_deleting_what_was_interrupted_is_told_as_json_too(hub: FakeHub) -> None:
    process = fetching(hub)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    (left,) = data("weights", "list")["interrupted"]
    assert data("weights", "delete", left["name"], "--interrupted") == {
        **left,
        "applied": False,
        "used_by": [],
    }
    assert data("weights", "delete", left["name"], "--interrupted", "--apply")["applied"] is True
    assert data("weights", "list")["interrupted"] == []


def test_nothing_goes_on_fetching_after_its_parent_was_killed(hub: FakeHub) -> None:
    process = fetching(hub)
    children = psutil.Process(process.pid).children()
    assert children
    process.kill()
    process.communicate()
    assert psutil.wait_procs(children, timeout=5)[1] == []
    assert list_installs(load_settings().weights_dir)[0] == []
    found = run("weights", "install", REPO, "--hub", "modelscope")
    assert "another process installs it" in str(found.exception)


@pytest.fixture
def registry(tmp_path: Path) -> str:
    return str(publish(tmp_path / "published"))


def test_the_hub_is_searched_and_a_repository_described(hub: FakeHub, registry: str) -> None:
    hub.repos[REPO].facts = {
        "config": {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3"},
        "downloads": 5,
        "pipeline_tag": "text-generation",
        "tags": ["license:mit"],
    }
    assert REPO in text("hf", "search", "tiny", "--registry", registry)
    assert data("hf", "search", "tiny", "--registry", registry)["origin"] == "live"
    nothing = run("hf", "search", "zebra", "--registry", registry)
    assert nothing.exit_code == 3
    assert "nothing that vLLM serves" in nothing.output
    shown = text("hf", "info", REPO, "--registry", registry)
    assert "Qwen3ForCausalLM since" in shown
    assert REPO in json.loads(text("hf", "info", REPO, "--draft", "--registry", registry))["models"]


def test_while_the_hub_is_away_the_catalogue_answers_and_says_so(
    registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    found = run("hf", "search", "qwen3", "8b", "--registry", registry)
    assert found.exit_code == 0
    assert "as the catalogue knows" in found.stdout
    assert "no connection" in found.stderr
    assert "as the catalogue knows" in text("hf", "info", QWEN, "--registry", registry)
