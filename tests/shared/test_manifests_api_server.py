"""A real Kubernetes API server with KServe's CRDs takes every KServe document, strictly and by its CEL rules.

`make test-kserve` starts the server; without it this skips.
"""

import dataclasses
import os
import subprocess
from pathlib import Path

import pytest
from kubernetes import client, config
from kubernetes.client.rest import ApiException

from modelscan_catalog.manifests.options import EmitOptions, in_place
from modelscan_catalog.manifests.plan_input import LaunchPlan
from modelscan_catalog.manifests.targets import emit
from modelscan_catalog.settings import REPOSITORY_ROOT

SHARED = Path(os.environ.get("MODELSCAN_SHARED", REPOSITORY_ROOT.parent / "shared"))
LAB = SHARED / "lab" / "kube.sh"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not LAB.is_file(), reason=f"NO LAB: {LAB} is missing"),
    # the lab's certificate is made at its start
    pytest.mark.filterwarnings("ignore:Unverified HTTPS request"),
]
PLAN = LaunchPlan(
    model_id="qwen/qwen3-8b",
    variant_id="Qwen/Qwen3-8B-FP8",
    repo="Qwen/Qwen3-8B-FP8",
    revision="0123456789abcdef0123456789abcdef01234567",
    engine="vllm",
    engine_version="0.33.0",
    served_model_name="qwen3-8b",
    gpu_profile_id="h100-80gb",
    gpu_vendor="nvidia",
    gpu_count=2,
    tensor_parallel=2,
    max_model_len=32768,
    reasoning_parser="qwen3",
    env={"HF_TOKEN": "env:HF_TOKEN"},
)
PLANS = {
    "hub": PLAN,
    "claim": in_place(PLAN, "pvc://weights/qwen"),
    "amd": dataclasses.replace(PLAN, gpu_vendor="amd", gpu_profile_id="mi300x"),
}


@pytest.fixture(scope="module")
def api():
    if subprocess.run([LAB, "status"], capture_output=True, check=False).returncode:
        pytest.skip(f'NO API SERVER: run `make test-kserve`, or eval "$({LAB} up --all)"')
    shown = subprocess.run([LAB, "up", "--all"], capture_output=True, text=True, check=True, timeout=120)
    config.load_kube_config(shown.stdout.strip().removeprefix("export KUBECONFIG="))
    return client.CustomObjectsApi()


def create(api, document):
    """A strict dry run: nothing is stored."""
    group, _, version = document["apiVersion"].partition("/")
    plural = f"{document['kind'].lower()}s"
    return api.create_namespaced_custom_object(
        group, version, "default", plural, document, dry_run="All", field_validation="Strict"
    )


def kept(sent, answered):
    """Whether everything that was sent is in the answer, which may have defaults besides."""
    if isinstance(sent, dict):
        return all(name in answered and kept(value, answered[name]) for name, value in sent.items())
    if isinstance(sent, list):
        return len(sent) == len(answered) and all(map(kept, sent, answered))
    return sent == answered


@pytest.mark.parametrize(
    "target", ["kserve-isvc", "kserve-llmisvc", "kserve-runtime", "kserve-vllm", "llm-d"]
)
@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_given_a_kserve_document_when_created_strictly_then_the_server_keeps_all_of_it(api, plan, target):
    options = EmitOptions(namespace="default", offline=plan.source == "local_path")
    for document in emit(plan, target, options).documents:
        if document["kind"] != "NetworkPolicy":
            assert kept(document["spec"], create(api, document)["spec"]), document["kind"]


def test_given_a_field_that_kserve_lacks_when_created_strictly_then_the_server_refuses_it(api):
    [document] = emit(PLAN, "llm-d", EmitOptions(namespace="default")).documents
    document["spec"]["replica"] = 1
    with pytest.raises(ApiException) as refused:
        create(api, document)
    assert refused.value.status == 400
