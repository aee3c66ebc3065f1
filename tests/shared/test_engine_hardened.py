"""The real vLLM answers in the cage that emitted pods put it in: read-only root, user 1000, no capabilities.

Started by `make test-engine`; needs Linux and the right to mount in a namespace of its own.
"""

import os
import shutil
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from modelscan_catalog.manifests.options import EmitOptions
from modelscan_catalog.manifests.plan_input import LaunchPlan
from modelscan_catalog.manifests.targets import emit

from .test_engine_vllm import LAB_HOME, QUIET, STARTS_WITHIN_S, engine_version, free_port

pytestmark = [pytest.mark.shared, pytest.mark.slow]

CAGE = Path(__file__).parent / "engine_side" / "cage.sh"
WEIGHTS = LAB_HOME / "tiny-llama"
NAME = "tiny"


@pytest.fixture(scope="module")
def engine_python():
    python = os.environ.get("MODELSCAN_ENGINE_PYTHON")
    if not python or not Path(python).is_file():
        pytest.skip("NOT TESTED: no engine; `make test-engine` installs one and sets MODELSCAN_ENGINE_PYTHON")
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("NOT TESTED: no right to mount in a namespace; run as root")
    return Path(python)


def in_the_pod(python, port):
    """What the emitted runtime and its service make Kubernetes start: the words and the environment."""
    plan = LaunchPlan(
        model_id="lab/tiny", variant_id="lab/tiny", repo="pvc://weights/tiny", source="local_path",
        engine="vllm", engine_version=engine_version(python), served_model_name=NAME, gpu_profile_id="cpu",
        gpu_vendor="nvidia", gpu_count=1, max_model_len=256, max_num_seqs=8,
        extra_parameters=("--dtype=float32",),
    )  # fmt: skip
    runtime, service = emit(plan, "kserve-runtime", EmitOptions(offline=True)).documents[:2]
    [container] = runtime["spec"]["containers"]
    own = service["spec"]["predictor"]["model"]
    assert container["securityContext"] == own["securityContext"]
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/tmp", "/dev/shm"}
    _, _, *words = [*container["command"], *container["args"], *own["args"]]
    model, *words = [word.replace("{{.Name}}", NAME) for word in words]
    served = [str(python), "-m", "vllm.entrypoints.openai.api_server", "--model", model, *words]
    variables = {one["name"]: one["value"] for part in (container, own) for one in part["env"]}
    return [*served, f"--port={port}", "--host=127.0.0.1"], variables


def test_given_the_emitted_pods_cage_when_the_engine_starts_then_it_compiles_loads_and_answers(
    engine_python, tmp_path
):
    port = free_port()
    words, variables = in_the_pod(engine_python, port)
    asked = [engine_python, "-c", "import sys; print(sys.prefix, sys.base_prefix, sep='\\n')"]
    prefixes = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
    (tmp_path / "root").mkdir()
    weights = shutil.copytree(WEIGHTS, tmp_path / "weights")
    for file in weights.iterdir():
        file.chmod(0o644)  # as fsGroup makes the files of a claim readable for the pod
    environment = {"PATH": os.environ["PATH"], **QUIET, **variables}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", CAGE, tmp_path / "root", weights,
             *dict.fromkeys(prefixes), "--", *words],
            stdout=log, stderr=subprocess.STDOUT, start_new_session=True, env=environment,
        )  # fmt: skip
    try:
        _answers(process, f"http://127.0.0.1:{port}", tmp_path / "log")
    finally:
        process.kill()  # and with it all of its namespace: --kill-child
        process.wait(timeout=30)


def _answers(process, base, log):
    deadline = time.monotonic() + 2 * STARTS_WITHIN_S  # it compiles, too
    with httpx.Client(timeout=60, trust_env=False) as client:
        while True:
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < deadline, log.read_text()[-3000:]
            try:
                if client.get(f"{base}/v1/models").is_success:
                    break
            except httpx.TransportError:
                time.sleep(0.5)
        asked = {"model": NAME, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}
        answer = client.post(f"{base}/v1/chat/completions", json=asked)
        assert answer.status_code == 200, answer.text
    assert "Read-only file system" not in log.read_text()
    assert "Permission denied" not in log.read_text()
