"""A plan as a KServe InferenceService (v1beta1), hardened, with secrets as references."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from modelscan_catalog.errors import ManifestError
from modelscan_catalog.manifests.commands import container_image, engine_parameters
from modelscan_catalog.manifests.engines import accelerators
from modelscan_catalog.manifests.plan_input import LaunchPlan, deployment_name

ModelFormat = Literal["vLLM", "huggingface"]

_URI_SCHEME = {"huggingface": "hf", "model_scope": "modelscope"}
_PORT = 8080
"""Where KServe's serving runtimes listen."""

_WRITABLE = "/tmp"  # noqa: S108 - an emptyDir inside the pod
_RUNTIME_ENV = {
    "HOME": _WRITABLE,
    "USER": "modelscan",
    "HF_HOME": f"{_WRITABLE}/huggingface",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_CACHE_ROOT": f"{_WRITABLE}/vllm",
    "VLLM_NO_USAGE_STATS": "1",
    "TRITON_CACHE_DIR": f"{_WRITABLE}/triton",
    "TORCHINDUCTOR_CACHE_DIR": f"{_WRITABLE}/inductor",
    "XDG_CACHE_HOME": f"{_WRITABLE}/cache",
}
"""Every cache inside the one writable directory; the weights are fetched before the engine starts."""


@dataclass(frozen=True)
class PodResources:
    """CPU and memory beside the GPUs: a policy of the cluster, not a fact about the model."""

    cpu: int = 4
    cpu_limit: int = 8
    memory_gib: int = 16
    memory_limit_gib: int = 64


def inference_service(
    plan: LaunchPlan,
    *,
    namespace: str = "ai",
    model_format: ModelFormat = "vLLM",
    resources: PodResources | None = None,
    secret_name: str = "modelscan-secrets",  # noqa: S107 - a name, not a secret
    service_account: str | None = None,
    node_selector: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The InferenceService of ``plan``.

    ``vLLM`` needs KServe 0.20 or later and pins the engine's image; ``huggingface`` runs the engine that
    the cluster's own runtime bundles. Each secret reference ``env:NAME`` becomes key ``NAME`` of
    ``secret_name``; the download of gated weights runs before the engine and takes its token from the
    secrets of ``service_account``.

    Raises ``ManifestError`` for an engine, source or vendor that KServe cannot serve.
    """
    if plan.engine != "vllm":
        raise ManifestError(f"KServe has no runtime for {plan.engine}: plan it with vllm")
    resource = accelerators().get(plan.gpu_vendor, {}).get("kubernetes_resource")
    if resource is None:
        raise ManifestError(f"no Kubernetes resource name is known for {plan.gpu_vendor} GPUs")
    name = deployment_name(plan)
    model: dict[str, Any] = {
        "modelFormat": {"name": model_format},
        "storageUri": _storage_uri(plan),
        "args": [_pod_literal(word) for word in _arguments(plan, model_format, name)],
        "env": _environment(plan, secret_name),
        "resources": _resources(resource, plan.gpu_count, resources or PodResources()),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "runAsGroup": 1000,
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": "scratch", "mountPath": _WRITABLE}],
        **_probes(),
    }
    if model_format == "vLLM":
        model |= {"runtime": "kserve-vllmserver", "image": container_image(plan)}
    predictor: dict[str, Any] = {
        "minReplicas": 1,
        "maxReplicas": 1,
        "automountServiceAccountToken": False,
        "model": model,
        "securityContext": {"fsGroup": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "volumes": [{"name": "scratch", "emptyDir": {}}],
    }
    if service_account:
        predictor["serviceAccountName"] = service_account
    if node_selector:
        predictor["nodeSelector"] = dict(sorted(node_selector.items()))
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/managed-by": "modelscan"},
            "annotations": {
                "modelscan.io/model": plan.model_id,
                "modelscan.io/variant": plan.variant_id,
                "modelscan.io/gpu": f"{plan.gpu_count}x {plan.gpu_profile_id}",
            },
        },
        "spec": {"predictor": predictor},
    }


def _storage_uri(plan: LaunchPlan) -> str:
    if plan.source == "local_path":
        if not plan.repo.startswith("pvc://"):
            raise ManifestError(f"{plan.repo}: KServe reads local weights from a claim: use pvc://claim/path")
        return plan.repo
    pinned = f":{plan.revision}" if plan.revision else ""
    return f"{_URI_SCHEME[plan.source]}://{plan.repo}{pinned}"


def _arguments(plan: LaunchPlan, model_format: ModelFormat, name: str) -> list[str]:
    parameters = engine_parameters(plan)
    if model_format == "huggingface":
        return [f"--model_name={plan.served_model_name}", "--backend=vllm", *parameters]
    served = [] if plan.served_model_name == name else [f"--served-model-name={plan.served_model_name}"]
    return [*served, *parameters]


def _environment(plan: LaunchPlan, secret_name: str) -> list[dict[str, Any]]:
    values = _RUNTIME_ENV | plan.plain_env()
    plain = [{"name": name, "value": _pod_literal(value)} for name, value in values.items()]
    secrets = []
    for name, reference in plan.secret_env().items():
        kind, _, key = reference.partition(":")
        if kind != "env":
            raise ManifestError(f"{reference}: a pod reads secrets from a Secret's key: use env:NAME")
        secrets.append(
            {
                "name": name,
                "valueFrom": {"secretKeyRef": {"name": secret_name, "key": key, "optional": False}},
            }
        )
    return plain + secrets


def _pod_literal(text: str) -> str:
    """``text`` as a container gets it: ``$(NAME)`` would be replaced by a variable."""
    return text.replace("$(", "$$(")


def _resources(resource: str, gpu_count: int, pod: PodResources) -> dict[str, dict[str, str]]:
    gpus = {resource: str(gpu_count)}
    return {
        "requests": {"cpu": str(pod.cpu), "memory": f"{pod.memory_gib}Gi", **gpus},
        "limits": {"cpu": str(pod.cpu_limit), "memory": f"{pod.memory_limit_gib}Gi", **gpus},
    }


def _probes() -> dict[str, Any]:
    """An engine lists its model only once it is loaded; two hours cover the largest download-free load."""
    listed = {"httpGet": {"path": "/v1/models", "port": _PORT}, "timeoutSeconds": 5}
    return {
        "startupProbe": {**listed, "periodSeconds": 10, "failureThreshold": 720},
        "readinessProbe": {**listed, "periodSeconds": 10, "failureThreshold": 3},
        "livenessProbe": {**listed, "periodSeconds": 30, "failureThreshold": 6},
    }
