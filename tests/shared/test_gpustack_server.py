"""Deployments against a real GPUStack server: the whole flow, and each wrong turn with what it leaves behind.

`make test-gpustack` starts the server. With MODELSCAN_RECORD=1 the exchanges of these tests are written to
tests/unit/deploy/recorded, where the unit tests replay them.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from modelscan_catalog.cli.main import main
from modelscan_catalog.deploy import flow, flow_wait
from modelscan_catalog.deploy.gpustack import api
from modelscan_catalog.settings import REPOSITORY_ROOT, Settings
from modelscan_catalog.state import deployment, open_state

from .gpustack_lab import ENGINES, Recorder, breakable, dying_engines, write_weights

URL = os.environ.get("GPUSTACK_URL")
KEY = os.environ.get("GPUSTACK_API_KEY")
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(
        not (URL and KEY),
        reason="NO REAL GPUSTACK: GPUSTACK_URL and GPUSTACK_API_KEY are not set; run `make test-gpustack`",
    ),
]
MODEL, NAME = "qwen3-8b", "qwen3-8b"
HUB = os.environ.get("HF_ENDPOINT", "")


@dataclass
class Answer:
    code: int
    out: str
    err: str


@dataclass
class Command:
    """``modelscan`` in this process, with its own data directory."""

    capsys: pytest.CaptureFixture[str]
    data: Path
    recorded_as: str | None = None

    def __call__(self, *arguments: str) -> Answer:
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        said = self.capsys.readouterr()
        return Answer(int(ended.value.code or 0), said.out, said.err)

    def state(self, name: str = NAME, server: str = URL or "") -> tuple[str, str | None] | None:
        with open_state(Settings(data_dir=self.data).state_file) as connection:
            row = deployment(connection, "gpustack", server, name)
        return None if row is None else (row.state, row.message)

    def routed(self) -> list[str]:
        path = self.data / "router" / "deployments.json"
        return (
            [one["model"] for one in json.loads(path.read_text()).get("deployments", ())]
            if path.exists()
            else []
        )


@pytest.fixture
def raw() -> Iterator[httpx.Client]:
    """The server without the client under test, empty before and after."""
    with httpx.Client(base_url=URL or "", headers={"Authorization": f"Bearer {KEY}"}, timeout=60) as client:
        _empty(client)
        yield client
        _empty(client)


def _empty(client: httpx.Client) -> None:
    for model in client.get("/v2/models").json()["items"]:
        client.delete(f"/v2/models/{model['id']}")
    while client.get("/v2/model-instances").json()["items"]:
        time.sleep(0.2)


@pytest.fixture
def modelscan(
    raw: httpx.Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Command]:
    monkeypatch.setenv("MODELSCAN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("MODELSCAN_GPUSTACK_SERVER", URL or "")
    monkeypatch.setenv("MODELSCAN_GPUSTACK_KEY", "env:GPUSTACK_API_KEY")
    recorder = Recorder()
    if os.environ.get("MODELSCAN_RECORD"):
        real = httpx.Client

        def recording(**options: Any) -> httpx.Client:
            return real(**{**options, "transport": recorder})

        monkeypatch.setattr(api.httpx, "Client", recording)
    command = Command(capsys, tmp_path)
    yield command
    if os.environ.get("MODELSCAN_RECORD") and command.recorded_as:
        recorder.write(command.recorded_as)


LOCAL = ("deploy", MODEL, "--gpu", "h100:2", "--source")


def local(*more: str) -> tuple[str, ...]:
    return (*LOCAL, f"local={write_weights()}", *more)


def test_given_a_model_when_deployed_then_it_is_found_planned_run_chatted_with_routed_stopped_and_removed(
    modelscan: Command, raw: httpx.Client, tmp_path: Path
) -> None:
    modelscan.recorded_as = "flow"
    found = modelscan("catalog", "search", "qwen3 8b", "--json")
    assert "alibaba/qwen3-8b" in found.out
    dry = modelscan(*local())
    assert dry.code == 0, dry
    assert "accepts it" in dry.out
    assert "dry run" in dry.out
    assert raw.get("/v2/models").json()["items"] == []

    applied = modelscan(*local("--apply"))
    assert applied.code == 0, applied
    assert f"Deployed at {URL}/v1 as {NAME}" in applied.out
    chat = {"model": NAME, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}
    assert raw.post("/v1/chat/completions", json=chat).json()["choices"][0]["message"]["content"]
    assert modelscan.state() == ("running", None)
    assert modelscan.routed() == ["alibaba/qwen3-8b"]
    with router(tmp_path) as routed:
        answer = httpx.post(
            f"{routed}/v1/chat/completions", json={**chat, "model": "alibaba/qwen3-8b"}, timeout=30
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["choices"][0]["message"]["content"]

    before = raw.get("/v2/model-instances").json()["items"]
    again = modelscan(*local("--apply"))
    assert again.code == 0, again
    assert [one["id"] for one in raw.get("/v2/model-instances").json()["items"]] == [
        one["id"] for one in before
    ]

    status = modelscan("status", NAME, "--json")
    assert status.code == 0, status
    assert json.loads(status.out)["answers"] is True
    assert NAME in modelscan("list").out

    assert "nothing was changed" in modelscan("stop", NAME).out
    assert modelscan("stop", NAME, "--apply").code == 0
    assert modelscan.state() == ("stopped", None)
    assert modelscan.routed() == []
    assert modelscan("scale", NAME, "1", "--apply").code == 0
    assert modelscan.routed() == ["alibaba/qwen3-8b"]

    assert "nothing was changed" in modelscan("remove", NAME).out
    assert modelscan("remove", NAME, "--apply").code == 0
    assert modelscan.state() is None
    assert modelscan.routed() == []
    assert raw.get("/v2/models").json()["items"] == []
    assert modelscan("remove", NAME, "--apply").code == 2


def test_given_a_running_deployment_when_its_plan_changes_then_it_is_changed_in_place_and_restarted(
    modelscan: Command, raw: httpx.Client
) -> None:
    modelscan.recorded_as = "change"
    assert modelscan(*local("--apply")).code == 0
    (before,) = raw.get("/v2/models").json()["items"]
    (old,) = raw.get("/v2/model-instances").json()["items"]
    assert modelscan(*local("--context", "8192", "--apply")).code == 0
    (after,) = raw.get("/v2/models").json()["items"]
    (new,) = raw.get("/v2/model-instances").json()["items"]
    assert after["id"] == before["id"]
    assert "--max-model-len=8192" in after["backend_parameters"]
    assert new["id"] != old["id"]


def test_given_a_backend_that_the_server_lacks_when_deployed_then_nothing_is_created(
    modelscan: Command, raw: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    modelscan.recorded_as = "no_backend"
    monkeypatch.setattr("modelscan_catalog.manifests.gpustack.BACKENDS", {"vllm": "vLLM-Nightly"})
    refused = modelscan(*local("--apply"))
    assert refused.code == 3, refused
    assert "has no backend vLLM-Nightly; it has vLLM, SGLang" in refused.out
    assert raw.get("/v2/models").json()["items"] == []
    assert modelscan.state() is None
    monkeypatch.undo()


def test_given_a_bad_key_when_deployed_or_listed_then_the_message_names_the_reference_and_not_the_key(
    modelscan: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    modelscan.recorded_as = "bad_key"
    monkeypatch.setenv("WRONG", "gpustack_0123456789abcdef_00000000000000000000000000000000")
    for command in (local("--apply", "--key", "env:WRONG"), ("stop", NAME, "--key", "env:WRONG")):
        refused = modelscan(*command)
        assert refused.code == 2
        assert "the key (env:WRONG) is refused" in refused.err
        assert "0123456789abcdef" not in refused.out + refused.err
    literal = modelscan(*local("--apply", "--key", str(KEY)))
    assert literal.code == 2
    assert str(KEY) not in literal.out + literal.err
    assert modelscan.state() is None
    assert modelscan(*local("--apply")).code == 0


def test_given_a_name_that_somebody_else_uses_when_deployed_then_theirs_is_left_alone(
    modelscan: Command, raw: httpx.Client
) -> None:
    modelscan.recorded_as = "name_taken"
    theirs = {"name": NAME, "source": "local_path", "local_path": str(write_weights()), "replicas": 0}
    theirs |= {"backend": "vLLM", "cluster_id": raw.get("/v2/clusters").json()["items"][0]["id"]}
    made = raw.post("/v2/models", json=theirs).json()
    refused = modelscan(*local("--apply"))
    assert refused.code == 3, refused
    assert "that ModelScan did not make" in refused.out
    assert "--name" in refused.out
    assert modelscan("remove", NAME, "--apply").code == 2
    assert theirs.items() <= raw.get(f"/v2/models/{made['id']}").json().items()
    assert modelscan.state() is None
    assert modelscan(*local("--name", "other", "--apply")).code == 0


def test_given_no_free_cards_when_deployed_then_it_is_refused_and_runs_when_there_are(
    modelscan: Command, raw: httpx.Client
) -> None:
    modelscan.recorded_as = "no_capacity"
    assert modelscan(*local("--name", "first", "--apply")).code == 0
    refused = modelscan(*local("--name", "second", "--apply"))
    assert refused.code == 3, refused
    assert "nothing was created" in refused.out
    assert "VRAM" in refused.out
    assert modelscan.state("second") is None
    assert modelscan("stop", "first", "--apply").code == 0
    _until(lambda: not raw.get("/v2/model-instances").json()["items"])
    assert modelscan(*local("--name", "second", "--apply")).code == 0


def test_given_cards_that_are_taken_after_the_look_when_deployed_then_it_waits_and_says_for_what(
    modelscan: Command, raw: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    modelscan.recorded_as = "pending"
    assert modelscan(*local("--name", "first", "--apply")).code == 0
    assert modelscan("stop", "first", "--apply").code == 0
    _until(lambda: not raw.get("/v2/model-instances").json()["items"])
    assert modelscan(*local("--apply")).code == 0
    short = flow.WaitLimits

    def impatient(**limits: float) -> flow_wait.WaitLimits:
        return short(**{**limits, "stuck_s": 3.0})

    monkeypatch.setattr(flow_wait, "WaitLimits", impatient)
    pending = modelscan("scale", "first", "1", "--apply")
    assert pending.code == 4, pending
    assert "does not run yet" in pending.out
    state = modelscan.state("first")
    assert state is not None
    assert state[0] == "creating"
    assert "VRAM" in str(state[1])
    assert modelscan("remove", NAME, "--apply").code == 0
    _until(lambda: len(raw.get("/v2/model-instances").json()["items"]) < 2)
    monkeypatch.undo()


def test_given_a_server_that_goes_away_in_the_middle_when_it_is_back_then_the_same_command_ends_well(
    modelscan: Command, raw: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    modelscan.recorded_as = "server_gone"
    patient = flow.WaitLimits

    def impatient(**limits: float) -> flow_wait.WaitLimits:
        return patient(**{**limits, "gone_s": 2.0})

    with breakable(URL or "") as (server, cut):
        monkeypatch.setattr(flow_wait, "WaitLimits", impatient)
        cutter = threading.Thread(target=lambda: (_until(lambda: _starts(raw), 60), cut()))
        cutter.start()
        # The settings' key goes to the settings' server only; another address is given its own.
        lost = modelscan(*local("--server", server, "--key", "env:GPUSTACK_API_KEY", "--apply"))
        cutter.join()
        assert lost.code == 2, lost
        assert "has not answered for 2 s" in lost.err
        state = modelscan.state(server=server)
        assert state is not None
        assert state[0] == "unreachable"
        assert modelscan.routed() == []
        listed = modelscan("list", "--json")
        assert {"unreachable"} <= {row["state"] for row in json.loads(listed.out)["deployments"]}
    # The same server under its own address finds what was made through the other.
    again = modelscan(*local("--apply"))
    assert again.code == 0, again
    assert modelscan.state() == ("running", None)


def test_given_an_engine_that_keeps_dying_when_it_is_mended_then_the_same_command_ends_well(
    modelscan: Command,
) -> None:
    modelscan.recorded_as = "engine_dies"
    if not ENGINES.is_dir():
        pytest.skip(f"the engines' processes are not known: {ENGINES} is not there")
    with dying_engines():
        failed = modelscan(*local("--apply"))
    assert failed.code == 1, failed
    assert "qwen3-8b failed: " in failed.out
    state = modelscan.state()
    assert state is not None
    assert state[0] == "failed"
    assert state[1]
    assert modelscan.routed() == []
    again = modelscan(*local("--apply"))
    assert again.code == 0, again
    assert modelscan.state() == ("running", None)
    assert modelscan.routed() == ["alibaba/qwen3-8b"]
    measured = modelscan("bench", NAME, "--concurrency", "1,2", "--seconds", "2", "--json")
    assert measured.code == 0, measured
    assert [row["failed"] for row in json.loads(measured.out)] == [0, 0]


def test_given_a_hub_that_the_server_cannot_reach_when_it_is_back_then_the_old_verdict_is_not_repeated(
    modelscan: Command, raw: httpx.Client
) -> None:
    modelscan.recorded_as = "hub_unreachable"
    asked = ("deploy", "qwen3-4b", "--gpu", "h100:1", "--name", f"hub-{os.getpid()}")
    fault = {"source": "huggingface", "kind": "reset", "seconds": 120}
    if not HUB.startswith("http://127.0.0.1:"):
        pytest.skip("HF_ENDPOINT is not the replay server, whose connections can be broken")
    faults = HUB.removesuffix("/huggingface") + "/_faults"
    assert httpx.post(faults, json=fault).status_code < 300
    try:
        refused = modelscan(*asked, "--apply")
    finally:
        httpx.delete(faults)
    assert refused.code == 3, refused
    assert "Connection reset" in refused.out
    assert raw.get("/v2/models").json()["items"] == []
    later = modelscan(*asked)
    assert later.code == 0, later
    assert "accepts it" in later.out


def _starts(raw: httpx.Client) -> bool:
    """Whether an instance is past its placing: the command waits for it then."""
    found = raw.get("/v2/model-instances").json()["items"]
    return any(one["state"] in ("downloading", "starting") for one in found)


def _until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.2)


@contextlib.contextmanager
def router(data: Path) -> Iterator[str]:
    """The router as a process that reads what the deployment registered."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).with_name("modelscan")), "router", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--config-dir", str(data / "router")], cwd=REPOSITORY_ROOT, stdout=subprocess.DEVNULL
    )
    try:
        url = f"http://127.0.0.1:{port}"

        def up() -> bool:
            with contextlib.suppress(httpx.HTTPError):
                return httpx.get(f"{url}/healthz").status_code == 200
            return False

        _until(up)
        yield url
    finally:
        process.terminate()
        process.wait(10)
