"""The deployment commands over recorded exchanges with a real GPUStack: what is said, sent and left."""

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from deployment_plan_samples import MODEL, publish
from gpustack_replay import RECORDED, Replay, write_weights

from modelscan_catalog.cli.main import main
from modelscan_catalog.deploy import benchmark, flow, flow_wait
from modelscan_catalog.deploy.benchmark import _Seen
from modelscan_catalog.deploy.gpustack import api
from modelscan_catalog.settings import Settings
from modelscan_catalog.state import audit_rows, deployment, events, open_state

SERVER = "http://127.0.0.1:18081"
KEY = "gpustack_0123456789abcdef_secret"


@dataclass
class Answer:
    code: int
    out: str
    err: str


class Command:
    """``modelscan`` in this process against a replay."""

    def __init__(self, capsys: pytest.CaptureFixture[str], data: Path, replay: Replay, local: str) -> None:
        self._capsys, self._data, self.replay, self._local = capsys, data, replay, local

    def __call__(self, *arguments: str) -> Answer:
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        said = self._capsys.readouterr()
        assert KEY not in said.out + said.err
        return Answer(int(ended.value.code or 0), said.out, said.err)

    def deploy(self, *more: str) -> Answer:
        registry = str(self._data / "published")
        source = ("--gpu", "h100:2", "--source", f"local={self._local}", "--registry", registry)
        return self("deploy", MODEL, *source, *more)

    def state(self, name: str = "qwen3-8b") -> tuple[str, str | None] | None:
        with open_state(Settings(data_dir=self._data).state_file) as connection:
            row = deployment(connection, "gpustack", SERVER, name)
        return None if row is None else (row.state, row.message)

    def routed(self) -> list[dict[str, Any]]:
        path = self._data / "router" / "deployments.json"
        return list(json.loads(path.read_text()).get("deployments", ())) if path.exists() else []

    def history(self) -> list[str]:
        with open_state(Settings(data_dir=self._data).state_file) as connection:
            return [event.kind for event in events(connection)]

    def audited(self) -> list[tuple[str, str]]:
        with open_state(Settings(data_dir=self._data).state_file) as connection:
            return [(row.action, row.outcome) for row in reversed(audit_rows(connection))]


@pytest.fixture
def replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], Command]:
    """A command whose server answers as it did in the recording of that name."""
    publish(tmp_path / "published")
    local = write_weights(tmp_path / "weights")
    monkeypatch.setenv("MODELSCAN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("MODELSCAN_GPUSTACK_SERVER", SERVER)
    monkeypatch.setenv("MODELSCAN_GPUSTACK_KEY", "env:TEST_KEY")
    monkeypatch.setenv("TEST_KEY", KEY)
    patient, client = flow.WaitLimits, httpx.Client

    def impatient(**limits: float) -> flow_wait.WaitLimits:
        return patient(
            **{**limits, "poll_s": 0.0, "stuck_s": 0.05, "settle_s": 0.05, "answer_s": 1.0, "gone_s": 0.1}
        )

    monkeypatch.setattr(flow_wait, "WaitLimits", impatient)

    def start(name: str) -> Command:
        replay = Replay(name)

        def connected(**options: Any) -> httpx.Client:
            return client(**{**options, "transport": replay})

        monkeypatch.setattr(api.httpx, "Client", connected)
        return Command(capsys, tmp_path, replay, str(local))

    return start


def test_given_a_model_when_deployed_then_it_is_judged_created_awaited_asked_and_routed(
    replayed: Callable[[str], Command],
) -> None:
    modelscan = replayed("flow")
    dry = modelscan.deploy()
    assert dry.code == 0, dry
    assert f"Server: {SERVER} accepts it, would reserve 144.0 GiB" in dry.out
    assert f"note: {SERVER} has no vllm 0.33.0: planned for 0.32.0" in dry.out
    assert "dry run: nothing was changed" in dry.out
    assert [ask for ask, _ in modelscan.replay.sent] == ["POST /v2/model-evaluations"]
    assert modelscan.state() is None

    applied = modelscan.deploy("--apply")
    assert applied.code == 0, applied
    assert "starting" in applied.out
    assert f"Deployed at {SERVER}/v1 as qwen3-8b" in applied.out
    assert modelscan.state() == ("running", None)
    (routed,) = modelscan.routed()
    assert routed["model"] == MODEL
    assert (routed["base_url"], routed["served_model"]) == (f"{SERVER}/v1", "qwen3-8b")
    assert routed["key"] == "env:TEST_KEY"
    created = next(body for ask, body in modelscan.replay.sent if ask == "POST /v2/models")
    assert created["cluster_id"] == 1
    assert created["meta"]["modelscan"]["checkpoint"] == "Qwen/Qwen3-8B"
    assert "Backend: vLLM 0.32.0, TP 2" in dry.out
    assert created["backend_version"] == "0.32.0"
    assert f"Flags: {shlex.join(created['backend_parameters'])}" in dry.out

    writes = len(modelscan.replay.sent)
    assert modelscan.deploy("--apply").code == 0
    assert [ask for ask, _ in modelscan.replay.sent[writes:]] == ["POST /v1/chat/completions"]
    assert json.loads(modelscan("status", "qwen3-8b", "--json").out)["answers"] is True
    assert "qwen3-8b" in modelscan("list").out

    assert "nothing was changed" in modelscan("stop", "qwen3-8b").out
    assert modelscan("stop", "qwen3-8b", "--apply").code == 0
    assert modelscan.state() == ("stopped", None)
    assert modelscan.routed() == []
    assert modelscan("scale", "qwen3-8b", "1", "--apply").code == 0
    assert [one["model"] for one in modelscan.routed()] == [MODEL]

    assert "nothing was changed" in modelscan("remove", "qwen3-8b").out
    assert modelscan("remove", "qwen3-8b", "--apply").code == 0
    assert modelscan.state() is None
    assert modelscan.routed() == []
    assert modelscan("remove", "qwen3-8b", "--apply").code == 2
    assert modelscan.history()[-1] == "deployment.removed"
    assert modelscan.audited() == [
        ("deploy", "done"), ("deploy", "done"), ("scale", "done"), ("scale", "done"), ("remove", "done")
    ]  # fmt: skip


def test_given_an_engine_that_answers_no_load_when_measured_then_it_ends_with_1_and_nothing_is_kept(
    replayed: Callable[[str], Command], monkeypatch: pytest.MonkeyPatch
) -> None:
    modelscan = replayed("flow")
    assert modelscan.deploy().code == 0
    assert modelscan.deploy("--apply").code == 0
    refused = [_Seen(0.0, failure="429: too many")] * 3
    monkeypatch.setattr(
        benchmark,
        "run",
        lambda _, loads, tell: [benchmark.figures(load, refused, 0.0, 1.0) for load in loads],
    )
    measured = modelscan("bench", "qwen3-8b")
    assert (measured.code, "no request was answered, so nothing is kept: 429: too many" in measured.err) == (
        1,
        True,
    ), measured
    assert "deployment.measured" not in modelscan.history()


def test_given_a_changed_plan_when_deployed_again_then_the_model_is_put_and_its_instances_made_anew(
    replayed: Callable[[str], Command],
) -> None:
    modelscan = replayed("change")
    assert modelscan.deploy("--apply").code == 0
    dry = modelscan.deploy("--context", "8192")
    assert "running, with other settings: --apply changes them and restarts it" in dry.out
    assert modelscan.deploy("--context", "8192", "--apply").code == 0
    asks = [
        ask.rpartition("/")[0] + ("/restart" if ask.endswith("/restart") else "")
        for ask, _ in modelscan.replay.sent
    ]
    assert any(ask.startswith("PUT /v2/models") for ask in asks)
    assert any(ask.endswith("/restart") for ask in asks)
    put = next(body for ask, body in modelscan.replay.sent if ask.startswith("PUT"))
    assert "--max-model-len=8192" in put["backend_parameters"]
    assert put["huggingface_repo_id"] is None


def test_given_a_backend_that_the_server_lacks_then_nothing_is_asked_or_created(
    replayed: Callable[[str], Command], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelscan_catalog.manifests.gpustack.BACKENDS", {"vllm": "vLLM-Nightly"})
    modelscan = replayed("no_backend")
    refused = modelscan.deploy("--apply")
    assert refused.code == 3
    assert "has no backend vLLM-Nightly; it has vLLM, SGLang" in refused.out
    assert modelscan.replay.sent == []
    assert modelscan.state() is None
    assert modelscan.audited() == [("deploy", "refused")]


def test_given_a_refused_key_then_the_message_names_its_reference_and_a_good_one_ends_well(
    replayed: Callable[[str], Command], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WRONG", KEY)
    modelscan = replayed("bad_key")
    for refused in (modelscan.deploy("--apply", "--key", "env:WRONG"),
                    modelscan("stop", "qwen3-8b", "--key", "env:WRONG")):  # fmt: skip
        assert refused.code == 2
        assert "the key (env:WRONG) is refused" in refused.err
    literal = modelscan.deploy("--apply", "--key", KEY)
    assert literal.code == 2
    assert "by reference" in literal.err
    assert modelscan.state() is None
    assert modelscan.deploy("--apply").code == 0


def test_given_a_name_that_somebody_else_uses_then_it_is_refused_and_another_name_works(
    replayed: Callable[[str], Command],
) -> None:
    modelscan = replayed("name_taken")
    refused = modelscan.deploy("--apply")
    assert refused.code == 3
    assert "that ModelScan did not make" in refused.out
    assert modelscan("remove", "qwen3-8b", "--apply").code == 2
    assert modelscan.replay.sent == []
    assert modelscan.deploy("--name", "other", "--apply").code == 0
    assert modelscan.state("other") == ("running", None)


def test_given_no_free_cards_then_it_is_refused_with_the_servers_reason_and_nothing_is_created(
    replayed: Callable[[str], Command],
) -> None:
    modelscan = replayed("no_capacity")
    assert modelscan.deploy("--name", "first", "--apply").code == 0
    refused = modelscan.deploy("--name", "second", "--apply")
    assert refused.code == 3
    assert "(scheduling_messages)" in refused.out
    assert "nothing was created" in refused.out
    assert modelscan.state("second") is None
    assert modelscan("stop", "first", "--apply").code == 0
    assert modelscan.deploy("--name", "second", "--apply").code == 0


def test_given_cards_that_were_taken_meanwhile_then_it_stays_pending_with_the_servers_reason(
    replayed: Callable[[str], Command],
) -> None:
    modelscan = replayed("pending")
    assert modelscan.deploy("--name", "first", "--apply").code == 0
    assert modelscan("stop", "first", "--apply").code == 0
    assert modelscan.deploy("--apply").code == 0
    pending = modelscan("scale", "first", "1", "--apply")
    assert pending.code == 4
    assert "modelscan remove first --apply gives up" in pending.out
    assert modelscan.state("first") == ("creating", "(state_message)")
    assert [one["served_model"] for one in modelscan.routed()] == ["qwen3-8b"]


def test_given_a_server_that_goes_away_in_the_middle_then_the_same_command_ends_well_when_it_is_back(
    replayed: Callable[[str], Command],
) -> None:
    modelscan = replayed("server_gone")
    modelscan.replay.gone_once = '"state": "starting"'
    lost = modelscan.deploy("--apply")
    assert lost.code == 2
    assert "has not answered" in lost.err
    state = modelscan.state()
    assert state is not None
    assert state[0] == "unreachable"
    assert modelscan.routed() == []
    created = len(modelscan.replay.sent)
    modelscan.replay.gone_once = ""
    again = modelscan.deploy("--apply")
    assert again.code == 0, again
    assert modelscan.state() == ("running", None)
    assert [ask for ask, _ in modelscan.replay.sent[created:]] == ["POST /v1/chat/completions"]


def test_given_an_engine_that_keeps_dying_then_it_failed_with_the_servers_reason_and_a_rerun_ends_well(
    replayed: Callable[[str], Command],
) -> None:
    modelscan = replayed("engine_dies")
    failed = modelscan.deploy("--apply")
    assert failed.code == 1, failed
    assert "qwen3-8b failed: (state_message)" in failed.out
    assert modelscan.state() == ("failed", "(state_message)")
    assert modelscan.routed() == []
    again = modelscan.deploy("--apply")
    assert again.code == 0, again
    assert modelscan.state() == ("running", None)


def test_given_an_interrupt_while_it_starts_then_it_is_left_there_and_the_way_on_is_told(
    replayed: Callable[[str], Command], monkeypatch: pytest.MonkeyPatch
) -> None:
    modelscan = replayed("flow")
    modelscan.deploy()
    waits = flow.wait

    def interrupted(*arguments: Any, **more: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(flow, "wait", interrupted)
    stopped = modelscan.deploy("--apply")
    assert stopped.code == 130
    assert "resume:" in stopped.err
    assert "modelscan remove qwen3-8b --apply" in stopped.err
    assert (modelscan.state() or ("",))[0] == "creating"
    monkeypatch.setattr(flow, "wait", waits)
    assert modelscan.deploy("--apply").code == 0
    assert modelscan.state() == ("running", None)


def test_given_an_interrupt_before_anything_is_created_then_it_says_so(
    replayed: Callable[[str], Command], monkeypatch: pytest.MonkeyPatch
) -> None:
    modelscan = replayed("flow")
    modelscan.deploy()

    def interrupted(*arguments: Any, **more: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(flow, "preview", interrupted)
    stopped = modelscan.deploy("--apply")
    assert stopped.code == 130
    assert stopped.err == f"interrupted: nothing was created on {SERVER}\n"
    assert modelscan.state() is None


def test_given_a_version_that_the_server_lacks_when_it_is_asked_for_then_it_is_refused_with_those_it_has(
    replayed: Callable[[str], Command],
) -> None:
    modelscan = replayed("flow")
    refused = modelscan.deploy("--backend-version", "0.9.9")
    assert refused.code == 3
    assert "the server has no vLLM 0.9.9; it has 0.32.0, 0.31.0" in refused.out
    assert modelscan.replay.sent == []


def test_given_cards_by_name_that_the_server_lacks_then_the_plan_says_what_it_has(
    replayed: Callable[[str], Command],
) -> None:
    modelscan = replayed("flow")
    dry = modelscan.deploy("--gpu", "h200:2")
    assert f"{SERVER} reports no h200-141gb of 2: it has 2 x NVIDIA H100 80GB HBM3" in dry.out


def test_given_a_hub_that_was_away_then_the_next_evaluation_is_a_new_question(
    replayed: Callable[[str], Command], tmp_path: Path
) -> None:
    modelscan = replayed("hub_unreachable")
    name = (RECORDED / "hub_unreachable.jsonl").read_text().partition("search=")[2].partition("&")[0]
    asked = ("deploy", MODEL, "--gpu", "h100:1", "--name", name, "--registry", str(tmp_path / "published"))
    refused = modelscan(*asked, "--apply")
    assert refused.code == 3
    assert "(compatibility_messages)" in refused.out
    later = modelscan(*asked)
    assert later.code == 0
    assert "accepts it" in later.out
    specs = [body["model_specs"][0]["meta"]["asked"] for _, body in modelscan.replay.sent]
    assert len(set(specs)) == 2
