"""What Kubernetes documents share: hardened containers, probes, secrets by reference, sealed networks."""

import re
from collections.abc import Mapping
from typing import Any

from modelscan_catalog.errors import ManifestError
from modelscan_catalog.manifests.engines import Engine, accelerators
from modelscan_catalog.manifests.options import OFFLINE_ENV, EmitOptions
from modelscan_catalog.manifests.plan_input import LaunchPlan, deployment_name

WEIGHTS_MOUNT = "/mnt/models"
"""Where KServe puts the weights, whatever storage they come from."""

_WRITABLE = "/tmp"  # noqa: S108 - an emptyDir inside the pod
_CACHES = {
    "HOME": _WRITABLE,
    "USER": "modelscan",
    "HF_HOME": f"{_WRITABLE}/huggingface",
    "MODELSCOPE_CACHE": f"{_WRITABLE}/modelscope",
    "TRITON_CACHE_DIR": f"{_WRITABLE}/triton",
    "TORCHINDUCTOR_CACHE_DIR": f"{_WRITABLE}/inductor",
    "XDG_CACHE_HOME": f"{_WRITABLE}/cache",
}
"""Every cache inside the one writable directory."""
_ENGINE_ENV: dict[Engine, dict[str, str]] = {
    "vllm": {"VLLM_CACHE_ROOT": f"{_WRITABLE}/vllm", "VLLM_NO_USAGE_STATS": "1"},
    "sglang": {},
}

_CLAIM = re.compile(r"^pvc://(?P<claim>[a-z0-9]([-a-z0-9.]*[a-z0-9])?)(/(?P<path>[^/].*))?$")
DEPLOYMENT_LABEL = "modelscan.io/deployment"


def metadata(plan: LaunchPlan, options: EmitOptions, name: str | None = None) -> dict[str, Any]:
    """Name, namespace, and what the document was made from."""
    return {
        "name": name or deployment_name(plan),
        "namespace": options.namespace,
        "labels": {"app.kubernetes.io/managed-by": "modelscan"},
        "annotations": {
            "modelscan.io/model": plan.model_id,
            "modelscan.io/variant": plan.variant_id,
            "modelscan.io/gpu": f"{plan.gpu_count}x {plan.gpu_profile_id}",
        },
    }


def claim_of(plan: LaunchPlan) -> tuple[str, str | None] | None:
    """Claim and path inside it, of weights on a PersistentVolumeClaim; None for weights from a hub.

    Raises ``ManifestError`` for a directory: a pod sees no disk but a claim's.
    """
    if plan.source != "local_path":
        return None
    found = _CLAIM.match(plan.repo)
    if found is None or ".." in (found["path"] or "").split("/"):
        raise ManifestError(f"{plan.repo}: a pod reads local weights from a claim: use pvc://claim/path")
    return found["claim"], found["path"]


def needs_a_claim(plan: LaunchPlan, options: EmitOptions) -> None:
    """Raises ``ManifestError`` when a sealed pod would have to fetch its weights."""
    if options.offline and claim_of(plan) is None:
        raise ManifestError(
            f"{plan.variant_id}: offline, a pod cannot fetch from a hub: "
            "put the weights on a claim and name it as pvc://claim/path"
        )


def gpu_resources(plan: LaunchPlan, options: EmitOptions) -> dict[str, dict[str, str]]:
    """Requests and limits; raises ``ManifestError`` for a vendor without a known device plugin."""
    resource = accelerators().get(plan.gpu_vendor, {}).get("kubernetes_resource")
    if resource is None:
        raise ManifestError(f"no Kubernetes resource name is known for {plan.gpu_vendor} GPUs")
    gpus = {resource: str(plan.gpu_count)}
    return {side: {**found, **gpus} for side, found in resources(options).items()}


def resources(options: EmitOptions) -> dict[str, dict[str, str]]:
    """Requests and limits without GPUs."""
    pod = options.resources
    return {
        "requests": {"cpu": str(pod.cpu), "memory": f"{pod.memory_gib}Gi"},
        "limits": {"cpu": str(pod.cpu_limit), "memory": f"{pod.memory_limit_gib}Gi"},
    }


def container_security(options: EmitOptions) -> dict[str, Any]:
    """The restricted pod security standard, and a read-only root file system unless that is not wanted."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "privileged": False,
        "readOnlyRootFilesystem": not options.writable_root,
        "runAsGroup": 1000,
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def pod_security() -> dict[str, Any]:
    """Pod-wide: the group that owns mounted volumes, and the system call filter."""
    return {"fsGroup": 1000, "seccompProfile": {"type": "RuntimeDefault"}}


def scratch_mounts(*, shared_memory: bool) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Mounts and volumes of all that is writable; ranks of one engine meet in shared memory."""
    mounts = [{"name": "scratch", "mountPath": _WRITABLE}]
    volumes: list[dict[str, Any]] = [{"name": "scratch", "emptyDir": {}}]
    if shared_memory:
        mounts.append({"name": "shared-memory", "mountPath": "/dev/shm"})  # noqa: S108 - an emptyDir
        volumes.append({"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": "16Gi"}})
    return mounts, volumes


def environment(
    plan: LaunchPlan, options: EmitOptions, extra: Mapping[str, str], *, fetched_before: bool
) -> list[dict[str, Any]]:
    """Caches, switches, the plan's own variables, and secrets as references to ``options.secret_name``.

    ``fetched_before``: the weights are in place before the engine starts, so it may always run offline.
    """
    switches = OFFLINE_ENV if fetched_before or options.offline else {}
    values = {**_CACHES, **_ENGINE_ENV[plan.engine], **switches, **extra, **plan.plain_env()}
    entries: list[dict[str, Any]] = [
        {"name": name, "value": literal(value)} for name, value in values.items()
    ]
    for name, reference in plan.secret_env().items():
        kind, _, key = reference.partition(":")
        if kind != "env":
            raise ManifestError(f"{reference}: a pod reads secrets from a Secret's key: use env:NAME")
        secret = {"name": options.secret_name, "key": key, "optional": False}
        entries.append({"name": name, "valueFrom": {"secretKeyRef": secret}})
    return entries


def literal(text: str) -> str:
    """``text`` as a container gets it: ``$(NAME)`` would be replaced by a variable."""
    return text.replace("$(", "$$(")


def probes(port: int, path: str, scheme: str = "HTTP") -> dict[str, Any]:
    """Two hours cover the largest load; ``path`` answers only once the model is there."""
    asked = {"httpGet": {"path": path, "port": port, "scheme": scheme}, "timeoutSeconds": 5}
    return {
        "startupProbe": {**asked, "periodSeconds": 10, "failureThreshold": 720},
        "readinessProbe": {**asked, "periodSeconds": 10, "failureThreshold": 3},
        "livenessProbe": {**asked, "periodSeconds": 30, "failureThreshold": 6},
    }


def sealed_network(plan: LaunchPlan, options: EmitOptions) -> dict[str, Any]:
    """A NetworkPolicy under which the pods of ``plan`` may be asked, and may ask nobody."""
    name = deployment_name(plan)
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(plan, options, f"{name[:56]}-sealed"),
        "spec": {
            "podSelector": {"matchLabels": {DEPLOYMENT_LABEL: name}},
            "policyTypes": ["Egress"],
            "egress": [],
        },
    }
