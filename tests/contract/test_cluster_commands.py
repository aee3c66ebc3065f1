"""Claims about the commands with KServe as their target: the same words as for any other."""

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest
from api_samples import publish
from click.testing import CliRunner
from cluster_claims import loopback_engine, write_ready

from modelscan_catalog.cli.main import cli
from modelscan_catalog.deploy.kserve.api import connect

sys.path.append(str(Path(__file__).parents[1] / "unit" / "deploy"))
_exchanges = import_module("kserve_exchanges")
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A kubeconfig that is named by no variable."""
    for name in ("KUBECONFIG", "ACTIVE_NAMESPACE", "MODELSCAN_GPUSTACK_SERVER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MODELSCAN_DATA_DIR", str(tmp_path / "data"))
    fake = _exchanges.FakeApi(("kserve-vllmserver",))
    with fake.running():
        yield _exchanges.kubeconfig(tmp_path, fake.url)


@pytest.fixture
def run(config: str) -> Run:
    def words(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli, [*arguments, "--kubeconfig", config])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            return 2, str(done.exception)
        return done.exit_code, done.output

    return words


def test_a_deployment_goes_all_its_way_in_the_namespace_that_is_named(
    run: Run, config: str, tmp_path: Path
) -> None:
    registry = str(publish(tmp_path / "published"))
    asked = ("deploy", "Qwen/Qwen3-8B", "--target", "kserve", "--gpu", "l40s", "--name", "active-llm",
             "--namespace", "default", "--registry", registry)  # fmt: skip
    code, text = run(*asked)
    assert (code, "/default accepts it" in text, "nothing was changed" in text) == (0, True, True), text
    with loopback_engine() as engine:
        code, text = run(*asked, "--apply", "--wait", "0.1")
        assert (code, "does not run yet: KServe's controller has not seen it yet" in text) == (4, True), text
        code, text = run("status", "active-llm")
        assert (code, "it has no address while creating" in text, "None" in text) == (1, True, False), text
        write_ready(connect(config), engine)
        code, text = run(*asked, "--apply", "--wait", "20")
        assert (code, f"Deployed at {engine}/v1 as qwen3-8b" in text) == (0, True), text
        code, text = run("status", "active-llm")
        assert (code, "active-llm: running" in text, "/default" in text) == (0, True, True), text
    assert "stopped on" in run("stop", "active-llm", "--apply")[1]
    assert "stopped" in run("list", "--target", "kserve")[1]
    assert "removed on" in run("remove", "active-llm", "--apply")[1]
    assert "nothing is deployed" in run("list", "--target", "kserve", "--namespace", "default")[1]


def test_an_engine_that_a_form_does_not_run_is_refused_with_one_that_does(run: Run, tmp_path: Path) -> None:
    registry = str(publish(tmp_path / "published"))
    asked = ("deploy", "Qwen/Qwen3-8B", "--target", "kserve", "--gpu", "l40s", "--registry", registry)
    code, text = run(*asked, "--backend", "sglang", "--form", "llmisvc")
    assert (code, "plan with --backend vllm, or take --form runtime" in text) == (2, True), text
    code, text = run(*asked, "--backend", "sglang")
    assert (code, "accepts it" in text) == (0, True), text


def test_what_only_kserve_knows_is_refused_for_another_target(tmp_path: Path, run: Run) -> None:
    registry = str(publish(tmp_path / "published"))
    asked = ("deploy", "Qwen/Qwen3-8B", "--gpu", "l40s", "--registry", registry)
    for words in (("--form", "llmisvc"), ("--storage", "pvc://a/b"), ("--writable-root",)):
        code, text = run(*asked, *words)
        assert (code, f"{words[0]}: only KServe knows this" in text) == (2, True), text


def test_what_is_known_in_another_cluster_is_not_looked_for_in_this_one(
    run: Run, config: str, tmp_path: Path
) -> None:
    registry = str(publish(tmp_path / "published"))
    asked = (
        "deploy",
        "Qwen/Qwen3-8B",
        "--target",
        "kserve",
        "--gpu",
        "l40s",
        "--name",
        "a",
        "--registry",
        registry,
    )
    run(*asked, "--apply", "--wait", "0.1", "--namespace", "default")
    other = _exchanges.FakeApi(())
    with other.running():
        elsewhere = _exchanges.kubeconfig(tmp_path, other.url)
        done = CliRunner().invoke(cli, ["status", "a", "--kubeconfig", elsewhere])
    assert "is not in the kubeconfig's cluster" in f"{done.output}{done.exception}"
