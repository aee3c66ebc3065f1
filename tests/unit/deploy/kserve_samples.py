"""Services to try, and what others than ModelScan do to them."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

from modelscan_catalog.deploy.deployer import Wanted
from modelscan_catalog.deploy.kserve.api import INFERENCE_SERVICE, Cluster, Kind
from modelscan_catalog.deploy.plan import DeploymentPlan

NAME = "active-llm"
RUNTIME = Kind("serving.kserve.io/v1alpha1", "servingruntimes", "ServingRuntime")
_LIMITS = {"cpu": "6", "memory": "24Gi", "nvidia.com/gpu": "1"}
SERVICE: dict[str, Any] = {
    "apiVersion": "serving.kserve.io/v1beta1",
    "kind": "InferenceService",
    "metadata": {"name": NAME, "annotations": {"modelscan.io/model": "alibaba/qwen3-8b"}},
    "spec": {
        "predictor": {
            "minReplicas": 1,
            "maxReplicas": 1,
            "model": {
                "modelFormat": {"name": "vLLM"},
                "runtime": "kserve-vllmserver",
                "args": ["--served-model-name=qwen3-8b", "--max-model-len=8192"],
                "storageUri": "hf://Qwen/Qwen3-8B",
                "resources": {"limits": _LIMITS, "requests": _LIMITS},
            },
        }
    },
}
LLM: dict[str, Any] = {
    "apiVersion": "serving.kserve.io/v1alpha2",
    "kind": "LLMInferenceService",
    "metadata": {"name": NAME},
    "spec": {"model": {"uri": "hf://Qwen/Qwen3-8B", "name": "qwen3-8b"}, "replicas": 1},
}
WANTED = Wanted(
    NAME,
    DeploymentPlan(
        model_id="alibaba/qwen3-8b", served_model_name="qwen3-8b", verdict="fits", gpu_profile_id="h100-sxm",
        gpu_name="H100 SXM", gpu_vendor="nvidia", gpu_count=1,
    ),
)  # fmt: skip


def planned(engine: str, version: str, *, name: str = NAME, gpu_count: int = 1) -> Wanted:
    """A whole plan, as the planner makes it."""
    plan = WANTED.plan.model_copy(
        update={
            "variant_id": "Qwen/Qwen3-8B",
            "repo": "Qwen/Qwen3-8B",
            "hub": "huggingface",
            "engine": engine,
            "engine_version": version,
            "gpu_count": gpu_count,
            "tensor_parallel": gpu_count,
        }
    )
    return Wanted(name, plan)


def changed(document: Mapping[str, Any], **predictor: Any) -> dict[str, Any]:
    """``document`` with other fields of its predictor, or of its spec where it has none."""
    other = copy.deepcopy(dict(document))
    other["spec"].get("predictor", other["spec"]).update(predictor)
    return other


def write_status(
    cluster: Cluster, namespace: str, status: Mapping[str, Any], kind: Kind = INFERENCE_SERVICE
) -> None:
    """What a controller does after a look at the service."""
    path = f"{kind.path(namespace, NAME)}/status"
    got, answer = cluster._call("PATCH", path, (), {"status": status}, "application/merge-patch+json")
    assert got == 200, answer


def condition(kind: str, status: str, reason: str = "", message: str = "") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


class Meddled(Cluster):
    """The same server, on which somebody does something after each dry run."""

    def __init__(self, cluster: Cluster, meddle: Callable[[], object]) -> None:
        super().__init__(cluster._client, cluster.server)
        self._meddle = meddle

    def apply(self, *args: Any, dry_run: bool = False, **options: Any) -> dict[str, Any]:
        answer = super().apply(*args, dry_run=dry_run, **options)
        if dry_run:
            self._meddle()
        return answer


INFERENCE_TYPE = {key: SERVICE[key] for key in ("apiVersion", "kind")}
