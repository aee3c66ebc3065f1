"""A plan as a KAITO Workspace (v1beta1) with a pod template of its own."""

from typing import Any

from modelscan_catalog.manifests import pods
from modelscan_catalog.manifests.commands import container_image, engine_environment, serve_arguments
from modelscan_catalog.manifests.options import EmitOptions
from modelscan_catalog.manifests.plan_input import LaunchPlan, deployment_name

PORT = 5000
"""Where the Service that KAITO makes for a Workspace sends its requests."""
NODE_LABEL = "modelscan.io/gpu-profile"


def workspace(plan: LaunchPlan, options: EmitOptions | None = None) -> dict[str, Any]:
    """The Workspace of ``plan``: nodes by label, and the pod that is to run on them.

    KAITO's presets bundle an engine version, flags and a security context of their own; the template runs
    what was planned. The nodes are chosen by ``options.node_selector``, else by the label
    ``modelscan.io/gpu-profile``.

    Raises ``ManifestError`` for a vendor without a known image or device plugin.
    """
    options = options or EmitOptions()
    pods.needs_a_claim(plan, options)
    mounts, volumes = pods.scratch_mounts(shared_memory=True)
    claim = pods.claim_of(plan)
    weights = None
    if claim is not None:
        name, path = claim
        weights = pods.WEIGHTS_MOUNT
        mount: dict[str, Any] = {"name": "weights", "mountPath": weights, "readOnly": True}
        mounts.append({**mount, "subPath": path} if path else mount)
        volumes.append({"name": "weights", "persistentVolumeClaim": {"claimName": name, "readOnly": True}})
    arguments = serve_arguments(plan, host="0.0.0.0", port=PORT, weights=weights)  # noqa: S104 - in the pod
    label = deployment_name(plan)
    hub = engine_environment(plan, offline=options.offline)
    container = {
        "name": "engine",
        "image": container_image(plan),
        "command": [pods.literal(word) for word in arguments],
        "env": pods.environment(plan, options, hub, fetched_before=claim is not None),
        "ports": [{"containerPort": PORT, "protocol": "TCP"}],
        "resources": pods.gpu_resources(plan, options),
        "securityContext": pods.container_security(options),
        "volumeMounts": mounts,
        **pods.probes(PORT, "/health"),
    }
    pod: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "containers": [container],
        "securityContext": pods.pod_security(),
        "volumes": volumes,
    }
    if options.service_account:
        pod["serviceAccountName"] = options.service_account
    nodes = dict(sorted(options.node_selector.items())) or {NODE_LABEL: plan.gpu_profile_id}
    return {
        "apiVersion": "kaito.sh/v1beta1",
        "kind": "Workspace",
        "metadata": pods.metadata(plan, options),
        "resource": {"count": 1, "labelSelector": {"matchLabels": nodes}},
        "inference": {
            "template": {"metadata": {"labels": {pods.DEPLOYMENT_LABEL: label}}, "spec": pod},
        },
    }
