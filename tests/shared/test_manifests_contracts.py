"""The committed engine and target facts agree with the recorded contracts they were carried from."""

import json
import os
from functools import cache
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from modelscan_catalog.manifests.carry import carry_all, compact_schema
from modelscan_catalog.manifests.commands import launch_command, serve_arguments
from modelscan_catalog.manifests.engines import launch_names
from modelscan_catalog.manifests.gpustack import model_body
from modelscan_catalog.manifests.kserve import inference_service
from modelscan_catalog.manifests.lint import lint_manifest
from modelscan_catalog.manifests.lint_files import lint_files
from modelscan_catalog.manifests.options import EmitOptions, in_place
from modelscan_catalog.manifests.plan_input import LaunchPlan
from modelscan_catalog.manifests.targets import emit
from modelscan_catalog.settings import REPOSITORY_ROOT

pytestmark = pytest.mark.shared

SHARED = Path(os.environ.get("MODELSCAN_SHARED", REPOSITORY_ROOT.parent / "shared"))
CONTRACTS = SHARED / "contracts"
CLUSTER = ("kaito", "kserve-isvc", "kserve-llmisvc", "kserve-runtime", "kserve-vllm", "llm-d")

SAFE_CORE = [
    "--max-model-len",
    "--gpu-memory-utilization",
    "--tensor-parallel-size",
    "--pipeline-parallel-size",
    "--data-parallel-size",
    "--enable-expert-parallel",
    "--max-num-seqs",
    "--max-num-batched-tokens",
    "--kv-cache-dtype",
    "--quantization",
    "--dtype",
    "--enable-prefix-caching",
    "--enable-chunked-prefill",
    "--enable-auto-tool-choice",
    "--tool-call-parser",
    "--reasoning-parser",
    "--served-model-name",
    "--trust-remote-code",
    "--revision",
    "--chat-template",
    "--hf-overrides",
    "--limit-mm-per-prompt",
    "--enable-lora",
]


@pytest.fixture(autouse=True)
def _contracts_present():
    if not CONTRACTS.is_dir():
        pytest.skip(f"NOT TESTED: no recorded contracts at {CONTRACTS}; set MODELSCAN_SHARED")


@pytest.fixture
def plan():
    return LaunchPlan(
        model_id="qwen/qwen3-8b",
        variant_id="Qwen/Qwen3-8B-FP8",
        repo="Qwen/Qwen3-8B-FP8",
        engine="vllm",
        engine_version="0.22.1",
        served_model_name="qwen3-8b",
        gpu_profile_id="h100-80gb",
        gpu_vendor="nvidia",
        gpu_count=1,
        max_model_len=32768,
        gpu_memory_utilization=0.9,
        reasoning_parser="qwen3",
        tool_parser="hermes",
        env={"HF_TOKEN": "env:HF_TOKEN", "A": "b"},
    )


def test_given_the_recorded_contracts_when_carried_again_then_the_committed_files_are_the_same(tmp_path):
    for written in carry_all(CONTRACTS, tmp_path):
        committed = REPOSITORY_ROOT / "registry" / written.relative_to(tmp_path)
        assert committed.read_bytes() == written.read_bytes(), committed


def test_given_a_model_body_when_validated_against_the_recorded_schemas_then_it_is_valid(plan):
    body = model_body(plan)
    derived = json.loads((CONTRACTS / "gpustack/model_create.schema.json").read_text())
    Draft202012Validator(derived).validate(body)
    openapi = json.loads((CONTRACTS / "gpustack/openapi-2.3.0.json").read_text())
    schema = {"$ref": "#/components/schemas/ModelCreate", "components": openapi["components"]}
    Draft202012Validator(schema).validate(body)


def test_given_an_inference_service_when_validated_against_the_recorded_crd_then_it_is_valid(plan):
    crd = json.loads((CONTRACTS / "crds/kserve_inferenceservices_v1beta1.schema.json").read_text())
    Draft202012Validator(crd).validate(inference_service(plan))


def test_given_the_recorded_samples_when_linted_then_only_their_known_slips_are_found():
    samples = CONTRACTS / "samples"
    names = ["gpustack_create_model.json", "kserve_isvc_huggingface.yaml", "kserve_isvc_vllm_pvc.yaml"]
    assert lint_files([samples / name for name in names]) == []
    [found] = lint_files([samples / "docker-compose.yaml"])
    assert found.finding.code == "deprecated_value"


def test_given_kserves_own_samples_when_linted_then_no_fault_is_found_in_them():
    names = ["kserve-vllmserver.yaml", "kserve-huggingfaceserver.yaml", "single-node-gpu", "lora-adapters"]
    samples = [CONTRACTS / "kserve" / name for name in (*names, "agentic-tool-calling")]
    samples += sorted((CONTRACTS / "samples").glob("kserve_*.yaml"))
    found = lint_files(samples)
    assert {(one.kind, one.finding.code) for one in found} == {(None, "not_checked")}, found


@pytest.mark.parametrize("target", CLUSTER)
@pytest.mark.parametrize("offline", [False, True], ids=["online", "offline"])
def test_given_a_resource_when_validated_against_the_released_crds_then_it_is_valid(plan, target, offline):
    placed = in_place(plan, "pvc://weights/qwen") if offline else plan
    for document in emit(placed, target, EmitOptions(offline=offline)).documents:
        if document["kind"] == "NetworkPolicy":
            continue
        group, _, version = document["apiVersion"].partition("/")
        plural = f"{document['kind'].lower()}s"
        folder = CONTRACTS / ("kaito" if group == "kaito.sh" else "crds/v0.20.0")
        schema = released_crd(folder / f"{group}_{plural}.yaml", version)
        Draft202012Validator(schema).validate(document)


@cache
def released_crd(path, version):
    crd = yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    [found] = [v for v in crd["spec"]["versions"] if v["name"] == version]
    return compact_schema(found["schema"]["openAPIV3Schema"])


def test_given_the_flags_that_manifests_use_then_every_recorded_vllm_version_has_them_undeprecated():
    matrix = json.loads((CONTRACTS / "vllm_flag_matrix.json").read_text())
    used = {names["vllm"] for names in launch_names()["flags"].values() if "vllm" in names}
    for flag in (used - {"--host", "--port", "--api-key"}) | set(SAFE_CORE):
        for version, table in matrix.items():
            assert table["flags"].get(flag, {"deprecated": True})["deprecated"] is False, (version, flag)


def test_given_any_plan_flag_when_written_then_the_recorded_table_of_its_version_has_it(plan):
    table = json.loads((CONTRACTS / "vllm_flag_matrix.json").read_text())[plan.engine_version]
    written = [word.split("=")[0] for word in serve_arguments(plan, host="127.0.0.1", port=8000)[3:]]
    assert set(written) <= table["flags"].keys() | {"--host", "--port"}
    assert lint_manifest("vllm_command", launch_command(plan)) == []
