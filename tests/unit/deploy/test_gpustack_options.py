"""The deployment commands without a server: what they plan, refuse and explain."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from deployment_plan_samples import CLOSED, MODEL, publish

from modelscan_catalog.cli.main import main
from modelscan_catalog.deploy.flow import key_name
from modelscan_catalog.deploy.gpu import Detection
from modelscan_catalog.deploy.targets import at_server
from modelscan_catalog.settings import Settings, load_settings
from modelscan_catalog.state import open_state, put_deployment
from modelscan_catalog.state.values import put_value

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish(tmp_path_factory.mktemp("published"))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("MODELSCAN_DATA_DIR", str(tmp_path))
    for name in ("MODELSCAN_GPUSTACK_SERVER", "MODELSCAN_GPUSTACK_KEY"):
        monkeypatch.delenv(name, raising=False)

    def ran(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return ran


def test_given_no_server_when_deployed_dry_then_the_plan_is_shown_and_nothing_is_written(
    run: Run, registry: Path, tmp_path: Path
) -> None:
    code, out, _ = run("deploy", MODEL, "--gpu", "h100:1", "--registry", str(registry))
    assert code == 0
    assert "→ GPU: 1 × NVIDIA H100 SXM 80GB" in out
    assert "→ Backend: vLLM" in out
    assert "no server is named (--server, --key): nothing was asked or changed" in out
    assert list(tmp_path.iterdir()) == []


def test_given_no_server_when_applied_then_it_says_how_to_name_one(run: Run, registry: Path) -> None:
    code, _, err = run("deploy", MODEL, "--gpu", "h100:1", "--apply", "--registry", str(registry))
    assert code == 2
    assert "MODELSCAN_GPUSTACK_SERVER" in err


def test_given_cards_that_are_too_small_then_it_ends_with_3_and_what_would_work(
    run: Run, registry: Path
) -> None:
    asked = ("deploy", "deepseek/deepseek-r1", "--gpu", "l4:1", "--registry", str(registry))
    code, out, _ = run(*asked)
    assert code == 3
    assert "does not fit" in out
    assert "because:" in out
    code, out, _ = run(*asked, "--json")
    document = json.loads(out)
    assert (code, document["exit_code"], document["plan"]["verdict"]) == (3, 3, "does_not_fit")


@pytest.mark.parametrize(
    ("option", "told"),
    [
        (("--source", "ollama"), "use one of huggingface, modelscope, local"),
        (("--backend", "vllm@0.30.0", "--backend-version", "0.31.0"), "given twice"),
        (("--parameter", "--port=1"), "--port"),
        (("--context", "many"), "'many' is no whole number"),
        (("--key", "gpustack_0123_abcdef", "--server", "http://127.0.0.1:9"), "by reference"),
        (("--server", "127.0.0.1:80"), "give an address such as"),
        (("--gpu", "nothing-such"), "nothing-such"),
    ],
)
def test_given_an_unusable_option_then_one_line_says_which_and_what_to_do(
    run: Run, registry: Path, option: tuple[str, ...], told: str
) -> None:
    code, out, err = run("deploy", MODEL, "--registry", str(registry), "--gpu", "h100:1", *option)
    assert code == 2
    assert told in err
    assert err.count("\n") == 1
    assert "abcdef" not in out + err


def test_given_closed_weights_and_no_cards_then_no_card_is_spoken_of_and_sellers_are_named(
    run: Run, registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelscan_catalog.deploy.detect.detect", lambda: Detection((), "no driver"))
    code, out, _ = run("deploy", CLOSED, "--registry", str(registry))
    assert (code, "None" in out, "closed weights" in out, "cheap: " in out) == (3, False, True, True), out


def test_given_a_server_that_does_not_answer_then_it_is_named(run: Run, registry: Path) -> None:
    code, _, err = run(
        "deploy", MODEL, "--gpu", "h100:1", "--registry", str(registry), "--server", "http://127.0.0.1:9"
    )
    assert code == 2
    assert "http://127.0.0.1:9/v2/clusters" in err


def test_given_nothing_deployed_when_listed_then_it_says_how_to_begin(run: Run) -> None:
    code, out, _ = run("list")
    assert (code, out.strip()) == (0, "nothing is deployed; modelscan deploy MODEL begins")


@pytest.mark.parametrize("command", [("status", "m"), ("stop", "m"), ("scale", "m", "1"), ("remove", "m")])
def test_given_an_unknown_name_and_no_server_then_both_are_said(run: Run, command: tuple[str, ...]) -> None:
    code, _, err = run(*command)
    assert code == 2
    assert "m: no deployment of that name is known here (modelscan list), and no server is named" in err


def test_given_a_deployment_whose_server_is_gone_when_listed_then_the_row_says_so(
    run: Run, tmp_path: Path
) -> None:
    with open_state(Settings(data_dir=tmp_path).state_file) as connection:
        put_deployment(connection, "gpustack", "http://127.0.0.1:9", "m", "running", model=MODEL)
    code, out, _ = run("list", "--cached", "--json")
    assert json.loads(out)["deployments"][0]["state"] == "running"
    code, out, err = run("list")
    assert code == 2
    assert "unreachable" in out
    assert "http://127.0.0.1:9" in err


@pytest.mark.parametrize("command", [("stop", "m"), ("remove", "m"), ("scale", "m", "2"), ("status", "m")])
def test_given_a_name_on_two_servers_then_both_are_named(
    run: Run, tmp_path: Path, command: tuple[str, ...]
) -> None:
    with open_state(Settings(data_dir=tmp_path).state_file) as connection:
        for port in (9, 10):
            put_deployment(connection, "gpustack", f"http://127.0.0.1:{port}", "m", "running")
    code, _, err = run(*command)
    assert code == 2
    assert "http://127.0.0.1:9" in err
    assert "http://127.0.0.1:10" in err
    assert "--server" in err


@pytest.mark.parametrize(
    ("option", "told"),
    [
        (("--concurrency", "0"), "no list of numbers from 1 to 512"),
        (("--concurrency", "1,x"), "such as 1,4,16"),
        (("--seconds", "0"), "seconds: 0 is not between"),
        (("--output-tokens", "1"), "output_tokens: 1 is not between 2"),
    ],
)
def test_given_an_impossible_load_when_measured_then_the_field_is_named(
    run: Run, option: tuple[str, ...], told: str
) -> None:
    code, _, err = run("bench", "m", *option)
    assert code == 2
    assert told in err


@pytest.mark.parametrize(
    ("configured", "asked", "given", "kept", "used"),
    [
        ("http://a", None, None, None, "env:OWN"),
        ("http://a", "http://a/", None, None, "env:OWN"),
        ("http://a", "http://b", None, None, None),
        ("http://a", "http://b", "env:GIVEN", "env:KEPT", "env:GIVEN"),
        ("http://a", "http://b", None, "env:KEPT", "env:KEPT"),
        (None, "http://b", None, None, "env:OWN"),
        (None, "http://b", None, "env:KEPT", "env:KEPT"),
    ],
)
def test_given_another_server_than_the_configured_one_then_it_never_gets_its_key(
    tmp_path: Path,
    configured: str | None,
    asked: str | None,
    given: str | None,
    kept: str | None,
    used: str | None,
) -> None:
    settings = load_settings(data_dir=tmp_path, gpustack_server=configured, gpustack_key="env:OWN")
    if kept is not None:
        with open_state(Settings(data_dir=tmp_path).state_file) as connection:
            put_value(connection, key_name("gpustack", "http://b"), kept)
    assert at_server(settings, asked, given).gpustack_key == used
