"""One plan gives every target's document, and each passes its own lint."""

import dataclasses
import json
import shlex
import subprocess
import time

import manifest_samples
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from modelscan_catalog.errors import ManifestError
from modelscan_catalog.manifests.commands import launch_command
from modelscan_catalog.manifests.compose import compose_document
from modelscan_catalog.manifests.documents import yaml_text
from modelscan_catalog.manifests.engines import engine_versions
from modelscan_catalog.manifests.gpustack import gpustack_name, model_body
from modelscan_catalog.manifests.kserve import inference_service
from modelscan_catalog.manifests.lint import lint_manifest
from modelscan_catalog.manifests.options import EmitOptions
from modelscan_catalog.manifests.plan_input import LaunchPlan, deployment_name

PLAN = dataclasses.replace(
    manifest_samples.PLAN,
    kv_cache_dtype="fp8",
    gpu_memory_utilization=0.9,
    max_num_seqs=64,
    tool_parser="hermes",
    trust_remote_code=True,
    env={"HF_TOKEN": "env:HF_TOKEN", "VLLM_LOGGING_LEVEL": "INFO"},
)
SGLANG_PLAN = dataclasses.replace(PLAN, engine="sglang", engine_version="0.5.23", tool_parser="qwen", env={})

plans = st.builds(
    LaunchPlan,
    model_id=st.just("lab/model"),
    variant_id=st.just("Lab/Model"),
    repo=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}/[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True),
    revision=st.none() | st.just("main"),
    source=st.sampled_from(["huggingface", "model_scope"]),
    engine=st.just("vllm"),
    engine_version=st.sampled_from(engine_versions("vllm")),
    served_model_name=st.from_regex(r"[A-Za-z][A-Za-z0-9 ._:/$'\"-]{0,20}", fullmatch=True),
    gpu_profile_id=st.just("h100-80gb"),
    gpu_vendor=st.sampled_from(["nvidia", "amd"]),
    gpu_count=st.just(8),
    tensor_parallel=st.sampled_from([1, 2, 4]),
    pipeline_parallel=st.sampled_from([1, 2]),
    max_model_len=st.none() | st.integers(1, 2_000_000),
    kv_cache_dtype=st.sampled_from([None, "auto", "fp8"]),
    gpu_memory_utilization=st.none() | st.floats(0.05, 1.0),
    max_num_seqs=st.none() | st.integers(1, 4096),
    tool_parser=st.sampled_from([None, "hermes", "mistral"]),
    trust_remote_code=st.booleans(),
    env=st.sampled_from([{}, {"HF_TOKEN": "env:HF_TOKEN"}, {"A": "b c'd"}]),
    categories=st.sampled_from([("llm",), ("vlm",), ("embedding",), ("video",)]),
)


@settings(deadline=None)
@given(plans)
def test_given_any_plan_when_written_for_every_target_then_each_document_passes_its_lint(plan):
    documents = [
        ("gpustack_model", model_body(plan)),
        ("kserve_inferenceservice", inference_service(plan)),
        ("kserve_inferenceservice", inference_service(plan, model_format="huggingface")),
        ("compose", compose_document(plan)),
        ("vllm_command", launch_command(plan)),
    ]
    assert [(kind, lint_manifest(kind, document)) for kind, document in documents] == [
        (kind, []) for kind, _ in documents
    ]
    for _, document in documents[:-1]:
        assert yaml.safe_load(yaml_text(document)) == document


@pytest.mark.parametrize(
    ("engine", "vendor", "planned", "asked"),
    [
        ("vllm", "nvidia", "0.33.0", "0.32.0"),
        ("vllm", "nvidia", "0.22.1", "0.22.1"),
        ("vllm", "amd", "0.11.0", None),
        ("vllm", "intel", "0.33.0", None),
        ("sglang", "amd", "0.5.23", "0.5.22"),
    ],
)
def test_given_a_planned_version_when_asked_of_gpustack_then_it_is_one_that_it_can_start(
    engine, vendor, planned, asked
):
    plan = dataclasses.replace(
        PLAN,
        engine=engine,
        gpu_vendor=vendor,
        engine_version=planned,
        tool_parser=None,
        reasoning_parser=None,
    )
    assert model_body(plan)["backend_version"] == asked


def test_given_one_plan_when_written_twice_then_the_bytes_are_equal():
    def written():
        return json.dumps(model_body(PLAN)) + yaml_text(inference_service(PLAN)) + launch_command(PLAN)

    assert written() == written()


def test_given_a_vllm_plan_when_written_as_a_command_then_the_shell_reads_every_flag_back():
    assert shlex.split(launch_command(PLAN))[2:] == [
        "vllm",
        "serve",
        "Qwen/Qwen3-8B-FP8",
        "--revision=0123456789abcdef0123456789abcdef01234567",
        "--served-model-name=qwen3-8b",
        "--host=127.0.0.1",
        "--port=8000",
        "--tensor-parallel-size=2",
        "--max-model-len=32768",
        "--gpu-memory-utilization=0.9",
        "--max-num-seqs=64",
        "--kv-cache-dtype=fp8",
        "--reasoning-parser=qwen3",
        "--tool-call-parser=hermes",
        "--enable-auto-tool-choice",
        "--trust-remote-code",
    ]


def test_given_an_sglang_plan_when_written_as_a_command_then_its_own_names_are_used():
    command = launch_command(SGLANG_PLAN)
    assert "--context-length=32768 --mem-fraction-static=0.9 --max-running-requests=64" in command
    assert "--kv-cache-dtype=fp8_e4m3" in command
    assert "--enable-auto-tool-choice" not in command
    assert lint_manifest("sglang_command", command) == []
    assert lint_manifest("compose", compose_document(SGLANG_PLAN)) == []
    assert lint_manifest("gpustack_model", model_body(SGLANG_PLAN)) == []


def test_given_a_hostile_served_name_when_the_command_runs_in_a_shell_then_it_stays_one_word():
    plan = dataclasses.replace(PLAN, served_model_name="a'; touch /tmp/x; '$(id)", env={})
    echoed = subprocess.run(
        ["sh", "-c", f"printf '%s\\n' {launch_command(plan)}"], capture_output=True, text=True, check=True
    )
    assert "--served-model-name=a'; touch /tmp/x; '$(id)" in echoed.stdout.splitlines()


def test_given_dollar_signs_when_written_then_compose_and_kubernetes_expand_none_of_them():
    plan = dataclasses.replace(PLAN, served_model_name="a$HOME$(HOME)", env={"A": "$B$(C)"})
    service = compose_document(plan)["services"]["a-home-home"]
    assert "--served-model-name=a$$HOME$$(HOME)" in service["command"]
    assert service["environment"]["A"] == "$$B$$(C)"
    model = inference_service(plan)["spec"]["predictor"]["model"]
    assert "--served-model-name=a$HOME$$(HOME)" in model["args"]
    assert {"name": "A", "value": "$B$$(C)"} in model["env"]


def test_given_a_secret_reference_when_written_then_no_document_holds_a_value(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_very_secret")
    everything = "".join(
        [
            launch_command(PLAN),
            yaml_text(compose_document(PLAN)),
            yaml_text(inference_service(PLAN)),
            json.dumps(model_body(PLAN)),
        ]
    )
    assert "hf_very_secret" not in everything
    assert {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {
        "name": "modelscan-secrets", "key": "HF_TOKEN", "optional": False,
    }}} in inference_service(PLAN)["spec"]["predictor"]["model"]["env"]  # fmt: skip


def test_given_a_flag_that_the_version_lacks_when_written_then_it_is_refused_by_name():
    plan = dataclasses.replace(PLAN, extra_parameters=("--swap-space=4",))
    with pytest.raises(ManifestError, match=r"--swap-space left vllm after 0\.16\.0"):
        launch_command(plan)


@pytest.mark.parametrize("extra", ["--max-model-len=1", "-tp=4", "--trust-remote-code", "--port=1"])
def test_given_an_extra_flag_that_repeats_a_field_when_written_then_it_is_refused(extra):
    with pytest.raises(ManifestError, match="is a field of the plan: set it there"):
        launch_command(dataclasses.replace(PLAN, extra_parameters=(extra,)))


def test_given_a_plan_that_kserve_cannot_serve_when_written_then_the_reason_is_said():
    with pytest.raises(ManifestError, match="no runtime of its own for sglang"):
        inference_service(SGLANG_PLAN)
    with pytest.raises(ManifestError, match="pvc://claim/path"):
        inference_service(dataclasses.replace(PLAN, source="local_path", repo="/models/x"))
    with pytest.raises(ManifestError, match="no Kubernetes resource name is known for apple"):
        inference_service(dataclasses.replace(PLAN, gpu_vendor="apple"))
    with pytest.raises(ManifestError, match="no vllm container image is known for intel"):
        compose_document(dataclasses.replace(PLAN, gpu_vendor="intel"))


def test_given_more_ranks_than_gpus_when_planned_then_it_is_refused():
    with pytest.raises(ManifestError, match="needs 8 GPUs, the plan has 2"):
        dataclasses.replace(PLAN, tensor_parallel=4, pipeline_parallel=2)


def test_given_no_version_number_when_planned_then_it_is_refused():
    with pytest.raises(ManifestError, match="'latest' is no version number"):
        dataclasses.replace(PLAN, engine_version="latest")


def test_given_the_inference_service_then_the_pod_is_hardened():
    predictor = inference_service(
        PLAN, EmitOptions(service_account="puller", node_selector={"b": "1", "a": "2"})
    )["spec"]["predictor"]
    security = predictor["model"]["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= predictor["model"].keys()
    assert predictor["model"]["resources"]["limits"]["nvidia.com/gpu"] == "2"
    assert predictor["serviceAccountName"] == "puller"
    assert list(predictor["nodeSelector"]) == ["a", "b"]


def test_given_modelscope_weights_when_written_then_each_target_fetches_from_there():
    plan = dataclasses.replace(PLAN, source="model_scope", env={})
    assert launch_command(plan).startswith("VLLM_USE_MODELSCOPE=1 vllm serve")
    assert model_body(plan)["model_scope_model_id"] == "Qwen/Qwen3-8B-FP8"
    uri = inference_service(plan)["spec"]["predictor"]["model"]["storageUri"]
    assert uri == "modelscope://Qwen/Qwen3-8B-FP8:0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("name", "label", "gpustack"),
    [
        ("Qwen/Qwen3-8B", "qwen-qwen3-8b", "Qwen3-8B"),
        ("7b-chat", "m-7b-chat", "b-chat"),
        ("a" * 90, "a" * 63, "a" * 90),
        ("Model_v1.", "model-v1", "Model_v1"),
    ],
)
def test_given_a_served_name_when_used_as_a_name_then_each_targets_rule_holds(name, label, gpustack):
    assert deployment_name(dataclasses.replace(PLAN, served_model_name=name)) == label
    assert gpustack_name(name) == gpustack


def test_given_a_name_without_letters_when_used_for_gpustack_then_it_is_refused():
    with pytest.raises(ManifestError, match="choose another"):
        gpustack_name("123/4.5")


def test_given_many_plans_when_written_then_each_takes_under_ten_milliseconds():
    started = time.process_time()
    for number in range(100):
        plan = dataclasses.replace(PLAN, served_model_name=f"model-{number}", env={})
        model_body(plan), inference_service(plan), launch_command(plan)
    assert (time.process_time() - started) / 100 < 0.010
