"""The real vLLM parses every command that is emitted for the catalogue, and serves what the emitter starts.

`make test-engine` installs the engine and names its Python in MODELSCAN_ENGINE_PYTHON.
"""

import dataclasses
import functools
import json
import os
import shlex
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from modelscan_catalog.fit.tables import REGISTRY
from modelscan_catalog.manifests.options import EmitOptions
from modelscan_catalog.manifests.plan_input import LaunchPlan
from modelscan_catalog.manifests.representative import read_catalogue, representative_plans
from modelscan_catalog.manifests.targets import documents_of, emit, engine_of_target

pytestmark = [pytest.mark.shared, pytest.mark.slow]

PARSER = Path(__file__).parent / "engine_side" / "parse_vllm.py"
LAB_HOME = Path(os.environ.get("LAB_HOME", Path.home() / ".cache" / "modelscan-lab"))
QUIET = {
    "DO_NOT_TRACK": "1",
    "GLOO_SOCKET_IFNAME": "lo",
    "HF_HUB_OFFLINE": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_HOST_IP": "127.0.0.1",
    "VLLM_NO_USAGE_STATS": "1",
}
STARTS_WITHIN_S = 300


@pytest.fixture(scope="module")
def engine_python():
    python = os.environ.get("MODELSCAN_ENGINE_PYTHON")
    if not python or not Path(python).is_file():
        pytest.skip("NOT TESTED: no engine; `make test-engine` installs one and sets MODELSCAN_ENGINE_PYTHON")
    return Path(python)


def parsed(python, commands):
    """The engine's version, and for each command line why it is refused, or None."""
    done = subprocess.run(
        [python, PARSER],
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, **QUIET},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answer = json.loads(done.stdout)
    return answer["version"], answer["refused"]


def vllm_arguments(target, document):
    """What the document makes vLLM read after ``vllm serve``; None for a document without an engine."""
    kind = document.get("kind") if isinstance(document, dict) else None
    match target, kind:
        case "vllm", _:
            words = shlex.split(document)
            return words[words.index("serve") + 1 :]
        case "compose", _:
            service = next(iter(document["services"].values()))
            return [word.replace("$$", "$") for word in service["command"]]
        case "gpustack", _:
            return ["/weights", *document["backend_parameters"]]
        case "gpustack-catalog", _:
            return ["/weights", *document["model_sets"][0]["specs"][0]["backend_parameters"]]
        case "kaito", "Workspace":
            command = document["inference"]["template"]["spec"]["containers"][0]["command"]
            return [word.replace("$$(", "$(") for word in command[2:]]
        case "kserve-vllm" | "kserve-runtime", "InferenceService":
            arguments = document["spec"]["predictor"]["model"]["args"]
            return ["/mnt/models", *(word.replace("$$(", "$(") for word in arguments)]
        case "kserve-runtime", "ServingRuntime":
            container = document["spec"]["containers"][0]
            return container["args"]
        case "kserve-llmisvc" | "llm-d", "LLMInferenceService":
            container = document["spec"]["template"]["containers"][0]
            [line] = [e["value"] for e in container["env"] if e["name"] == "VLLM_ADDITIONAL_ARGS"]
            tensor = document["spec"]["parallelism"]["tensor"]
            return [
                "/mnt/models",
                f"--tensor-parallel-size={tensor}",
                *shlex.split(line.replace("$$(", "$(")),
            ]
    return None


@functools.cache
def engine_version(python):
    """Its release, without a local part such as ``+cpu``."""
    return parsed(python, [])[0].partition("+")[0]


def emitted_commands(version):
    """Every distinct vLLM command line of every catalogue model on every representative profile."""
    commands = {}
    targets = ("vllm", "compose", "gpustack", "gpustack-catalog", "kaito", "kserve-vllm", "kserve-runtime",
               "kserve-llmisvc", "llm-d")  # fmt: skip
    for one in representative_plans(read_catalogue(REGISTRY / "published"), engines=("vllm",)):
        plan = dataclasses.replace(one.plan, engine_version=version)
        for target in targets:
            assert engine_of_target(target) in (None, "vllm")
            if plan.gpu_vendor == "ascend" and target not in ("vllm", "gpustack", "gpustack-catalog"):
                continue
            for _, document in documents_of(plan, target, EmitOptions(checkpoint=one.checkpoint)):
                words = vllm_arguments(target, document)
                if words is not None:
                    commands.setdefault(tuple(words), f"{target} of {plan.variant_id}")
    return commands


def test_given_every_command_emitted_for_the_catalogue_when_vllm_parses_it_then_it_refuses_none(
    engine_python,
):
    version = engine_version(engine_python)
    commands = emitted_commands(version)
    _, refused = parsed(engine_python, list(commands))
    faults = {
        f"{where}: {shlex.join(words)}: {why}"
        for (words, where), why in zip(commands.items(), refused, strict=True)
        if why is not None
    }
    print(f"\nvLLM {version} parsed {len(commands)} distinct commands and refused {len(faults)}")
    assert len(commands) > 500
    assert not faults, "\n".join(sorted(faults)[:20])


def test_given_a_flag_or_value_that_vllm_lacks_when_it_parses_then_it_refuses(engine_python):
    """The suite above can fail: the parser is no rubber stamp."""
    wrong = [
        ["a/b", "--no-such-flag"],
        ["a/b", "--max-model-len=many"],
        ["a/b", "--kv-cache-dtype=fp1"],
        ["a/b", "--tool-call-parser=nobodys"],
        ["a/b", "--reasoning-parser=nobodys"],
        ["a/b", "--quantization=nobodys"],
        ["a/b", "--enable-auto-tool-choice"],
    ]
    assert [why is None for why in parsed(engine_python, [*wrong, ["a/b"]])[1]] == [False] * len(wrong) + [
        True
    ]


@pytest.fixture
def started(engine_python, tmp_path):
    """Starts a shell line whose ``vllm`` is the engine's; ends its process group afterwards."""
    processes = []
    (tmp_path / "vllm").write_text(
        "#!/bin/sh\n# the wheel for CPUs has no vllm command: the same server by its module\n"
        f'[ "$1" = serve ] || exit 2\nmodel=$2; shift 2\n'
        f'exec "{engine_python}" -m vllm.entrypoints.openai.api_server --model "$model" "$@"\n'
    )
    (tmp_path / "vllm").chmod(0o755)

    def start(line):
        path = f"{tmp_path}:{engine_python.parent}:{os.environ['PATH']}"
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(
                ["sh", "-c", line],
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **QUIET, "PATH": path},
            )
        processes.append(process)
        return process, tmp_path / "log"

    yield start
    for process in processes:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=30)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_given_the_emitted_command_when_run_in_a_shell_then_vllm_serves_the_planned_name(
    engine_python, started
):
    weights = LAB_HOME / "tiny-llama"
    if not (weights / "config.json").is_file():
        pytest.skip(f"NOT TESTED: no tiny model at {weights}; `make test-engine` makes it")
    port = free_port()
    plan = LaunchPlan(
        model_id="lab/tiny",
        variant_id="lab/tiny",
        repo=str(weights),
        source="local_path",
        engine="vllm",
        engine_version=engine_version(engine_python),
        served_model_name="tiny model's name",
        gpu_profile_id="cpu",
        gpu_vendor="nvidia",
        gpu_count=1,
        max_model_len=256,
        max_num_seqs=8,
        extra_parameters=("--dtype=float32", "--enforce-eager"),
    )
    line = emit(plan, "vllm", EmitOptions(offline=True, port=port)).text
    process, log = started(line)
    base = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + STARTS_WITHIN_S
    with httpx.Client(timeout=60, trust_env=False) as client:
        while True:
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < deadline, log.read_text()[-2000:]
            try:
                if client.get(f"{base}/health").is_success:
                    break
            except httpx.TransportError:
                time.sleep(0.5)
        [model] = client.get(f"{base}/v1/models").json()["data"]
        assert (model["id"], model["max_model_len"]) == ("tiny model's name", 256)
        asked = {
            "model": model["id"],
            "messages": [{"role": "user", "content": "hello"}],
            "max_tokens": 4,
            "temperature": 0,
        }
        answer = client.post(f"{base}/v1/chat/completions", json=asked)
        assert answer.status_code == 200, answer.text
        assert answer.json()["usage"]["completion_tokens"] > 0
