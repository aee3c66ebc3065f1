"""The KServe client against a real Kubernetes API server with KServe's CRDs.

Started by ``make test-kserve``; skips where no lab is. With MODELSCAN_RECORD=1 the exchanges that the unit
tests replay are recorded anew.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from modelscan_catalog.deploy.kserve.api import Cluster, connect
from modelscan_catalog.deploy.kserve.checks import CLUSTER_RUNTIME
from modelscan_catalog.deploy.kserve.client import KINDS, KServe
from modelscan_catalog.deploy.plan import PlanRequest
from modelscan_catalog.deploy.planner import make_plan
from modelscan_catalog.errors import ConflictError
from modelscan_catalog.manifests.options import EmitOptions
from modelscan_catalog.manifests.targets import emit
from modelscan_catalog.settings import REPOSITORY_ROOT, load_settings

# The claims lie beside the tests of parts, which are no packages.
sys.path += [str(REPOSITORY_ROOT / "tests" / part) for part in ("unit/deploy", "contract")]
pytest.register_assert_rewrite("kserve_claims", "kserve_form_claims", "cluster_claims")
_claims = import_module("kserve_claims")
_forms = import_module("kserve_form_claims")
_endpoints = import_module("cluster_claims")
_samples = import_module("api_samples")
_exchanges = import_module("kserve_exchanges")

SHARED = Path(os.environ.get("MODELSCAN_SHARED", REPOSITORY_ROOT.parent / "shared"))
LAB = SHARED / "lab" / "kube.sh"
RECORD = os.environ.get("MODELSCAN_RECORD") == "1"
pytestmark = [pytest.mark.shared, pytest.mark.skipif(not LAB.is_file(), reason=f"NO LAB: {LAB} is missing")]


@pytest.fixture(scope="module")
def server() -> str:
    """Path of the kubeconfig of a running lab."""
    if subprocess.run([LAB, "status"], capture_output=True, check=False).returncode:
        pytest.skip(f'NO API SERVER: run `make test-kserve`, or eval "$({LAB} up --all)"')
    shown = subprocess.run([LAB, "up", "--all"], capture_output=True, text=True, check=True, timeout=120)
    return shown.stdout.strip().removeprefix("export KUBECONFIG=")


@pytest.fixture
def at(server: str) -> Iterator[str]:
    """The one namespace that the lab has, empty."""
    _empty(connect(server), "default")
    yield "default"
    _empty(connect(server), "default")


def _empty(cluster: Cluster, namespace: str) -> None:
    for kind, where in [*((kind, namespace) for kind in (*KINDS, _claims.RUNTIME)), (CLUSTER_RUNTIME, None)]:
        for found in cluster.list(kind, where):
            cluster.delete(kind, where, found["metadata"]["name"], found["metadata"]["uid"])


@pytest.mark.parametrize("claim", _claims.CLAIMS, ids=lambda claim: claim.__name__)
def test_on_the_real_server(claim: Any, server: str, at: str, tmp_path: Path) -> None:
    if not RECORD:
        claim(connect(server), at)
        return
    recorder = _exchanges.Recorder(connect(server).server)
    with recorder.running():
        claim(connect(_exchanges.kubeconfig(tmp_path, recorder.url)), at)
    recorder.write(claim.__name__)


@pytest.mark.parametrize("claim", _forms.CLAIMS, ids=lambda claim: claim.__name__)
def test_forms_on_the_real_server(claim: Any, server: str, at: str) -> None:
    claim(connect(server), at)


def test_of_many_changes_at_once_each_is_done_whole_or_is_a_conflict(server: str, at: str) -> None:
    wanted = [_claims.changed(_claims.SERVICE, minReplicas=n, maxReplicas=n, timeout=n) for n in range(2, 10)]
    KServe(connect(server), at).activate(_claims.SERVICE, apply=True)

    def activate(document: dict[str, Any]) -> int | None:
        try:
            KServe(connect(server), at).activate(document, apply=True)
        except ConflictError:
            return None
        return int(document["spec"]["predictor"]["timeout"])

    with ThreadPoolExecutor(8) as pool:
        done = {number for number in pool.map(activate, wanted) if number is not None}
    found = KServe(connect(server), at).find(_claims.NAME)
    assert found is not None
    predictor = found["spec"]["predictor"]
    assert done
    assert predictor["timeout"] in done
    assert predictor["minReplicas"] == predictor["maxReplicas"] == predictor["timeout"]


@pytest.fixture
def stage(server: str, at: str, tmp_path: Path) -> Iterator[Any]:
    """The endpoints over the real server, with the runtime that they need."""
    cluster = connect(server)
    runtime = {
        "apiVersion": _claims.RUNTIME.api_version,
        "kind": _claims.RUNTIME.name,
        "metadata": {"name": "kserve-vllmserver"},
        "spec": {"supportedModelFormats": [{"name": "vLLM"}], "containers": [{"name": "c", "image": "i"}]},
    }
    cluster.apply(_claims.RUNTIME, at, runtime)
    known = {"kubeconfig": server, "active_namespace": at}
    with _samples.serving_state(tmp_path, _samples.TOKEN, **known) as client:
        yield _endpoints.Stage(client, cluster)


@pytest.mark.parametrize("claim", _endpoints.CLAIMS, ids=lambda claim: claim.__name__)
def test_endpoints_on_the_real_server(claim: Any, stage: Any) -> None:
    claim(stage)


@pytest.mark.parametrize("claim", _endpoints.WITH_AN_ENGINE, ids=lambda claim: claim.__name__)
def test_endpoints_with_an_engine_behind_it(claim: Any, stage: Any) -> None:
    with _endpoints.loopback_engine() as engine:
        claim(stage, engine)


@pytest.mark.parametrize("target", ["kserve-vllm", "kserve-isvc", "kserve-llmisvc", "llm-d"])
@pytest.mark.parametrize(
    "request_", [{"model": "qwen3-8b", "gpu": "l40s"}, {"model": "deepseek-r1", "gpu": "h200:8"},
                 {"model": "gpt-oss-120b", "gpu": "h100-80gb"}], ids=lambda request: request["model"],
)  # fmt: skip
def test_every_emitted_service_passes_strict_validation(
    server: str, at: str, target: Any, request_: dict[str, str]
) -> None:
    plan = make_plan(load_settings().published_dir, PlanRequest(**request_, engine="vllm"))
    [document] = emit(plan.launch_plan(), target, EmitOptions(namespace=at)).documents
    change = KServe(connect(server), at).activate(document)
    assert (change.action, change.applied) == ("create", False)


def _modelscan(server: str, folder: Path, *words: str) -> tuple[int, str]:
    environment = {**os.environ, "MODELSCAN_DATA_DIR": str(folder / "cli"), "KUBECONFIG": server}
    command = [str(Path(sys.executable).with_name("modelscan")), *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_the_command_deploys_follows_stops_and_removes(
    server: str, at: str, stage: Any, tmp_path: Path
) -> None:
    def modelscan(*words: str) -> tuple[int, str]:
        return _modelscan(server, tmp_path, *words)

    asked = ("deploy", "qwen3-8b", "--target", "kserve", "--gpu", "l40s", "--name", "active-llm",
             "--namespace", at)  # fmt: skip
    code, text = modelscan(*asked)
    assert (code, "nothing was changed" in text) == (0, True), text
    assert stage.get("/active")["service"] is None
    code, text = modelscan(*asked, "--apply", "--wait", "1")
    assert (code, "active-llm does not run yet" in text) == (4, True), text
    with _endpoints.loopback_engine() as engine:
        _endpoints.write_ready(stage.cluster, engine)
        code, text = modelscan(*asked, "--apply", "--wait", "20")
        assert (code, f"Deployed at {engine}/v1 as qwen3-8b" in text) == (0, True), text
        assert "running" in modelscan("status", "active-llm")[1]
    assert modelscan("stop", "active-llm", "--apply")[0] == 0
    assert stage.get("/active")["service"]["state"] == "stopped"
    assert modelscan("remove", "active-llm", "--apply")[0] == 0
    assert stage.get("/active")["service"] is None


@pytest.mark.parametrize(
    "words", [("--form", "huggingface"), ("--form", "runtime"), ("--form", "llmisvc"), ("--form", "llm-d"),
              ("--backend", "sglang")], ids=lambda words: words[-1],
)  # fmt: skip
def test_the_command_deploys_and_removes_every_other_form(
    server: str, at: str, tmp_path: Path, words: tuple[str, str]
) -> None:
    asked = ("deploy", "qwen3-8b", "--target", "kserve", "--gpu", "l40s", "--namespace", at, *words)
    code, text = _modelscan(server, tmp_path, *asked)
    assert (code, "nothing was changed" in text) == (0, True), text
    code, text = _modelscan(server, tmp_path, *asked, "--apply", "--wait", "1")
    assert (code, "qwen3-8b does not run yet" in text) == (4, True), text
    assert "creating" in _modelscan(server, tmp_path, "status", "qwen3-8b")[1]
    assert _modelscan(server, tmp_path, "remove", "qwen3-8b", "--apply")[0] == 0
    assert connect(server).list(_claims.RUNTIME, at) == []
    assert "nothing is deployed" in _modelscan(server, tmp_path, "list", "--target", "kserve")[1]
