"""Emitted pods keep within Kubernetes' restricted Pod Security Standard, control by control.

https://kubernetes.io/docs/concepts/security/pod-security-standards/ as of Kubernetes 1.36. KServe copies the
engine container's security context to the one that fetches the weights.
"""

import pytest
from manifest_samples import PLAN

from modelscan_catalog.manifests.options import EmitOptions, in_place
from modelscan_catalog.manifests.targets import emit

VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected",
    "secret",
}  # fmt: skip
CAPABILITIES = {"drop": ["ALL"]}
NEVER_IN_PODS = {
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "sysctls",
    "hostProcess",
    "windowsOptions",
    "seLinuxOptions",
}
NEVER_IN_CONTAINERS = {"hostPort", "procMount", "appArmorProfile", "seLinuxOptions"}


def parts(value):
    """Every mapping below ``value``."""
    if isinstance(value, dict):
        yield value
        for below in value.values():
            yield from parts(below)
    if isinstance(value, list):
        for below in value:
            yield from parts(below)


@pytest.mark.parametrize(
    "target", ["kaito", "kserve-isvc", "kserve-llmisvc", "kserve-runtime", "kserve-vllm", "llm-d"]
)
@pytest.mark.parametrize("place", [None, "pvc://weights/qwen3-8b"], ids=["hub", "claim"])
@pytest.mark.parametrize(
    "options", [EmitOptions(), EmitOptions(writable_root=True)], ids=["sealed", "writable"]
)
def test_given_a_pod_when_emitted_then_the_restricted_standard_admits_it(target, place, options):
    plan = in_place(PLAN, place) if place else PLAN
    for document in emit(plan, target, options).documents:
        found = list(parts(document))
        names = {name for part in found for name in part}
        assert not names & (NEVER_IN_PODS | NEVER_IN_CONTAINERS)
        volumes = [volume for part in found for volume in part.get("volumes") or ()]
        assert volumes
        assert all(set(volume) - {"name"} <= VOLUMES for volume in volumes)
        containers = [part for part in found if "volumeMounts" in part]
        assert containers
        for container in containers:
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["privileged"] is False
            assert security["capabilities"] == CAPABILITIES
            assert security["runAsNonRoot"] is True
            assert security["runAsUser"] != 0
            assert security["seccompProfile"] == {"type": "RuntimeDefault"}
