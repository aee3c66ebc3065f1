"""A plan as a KServe LLMInferenceService (v1alpha2), with or without llm-d's scheduler."""

import re
import shlex
from typing import Any

from modelscan_catalog.errors import ManifestError
from modelscan_catalog.manifests import pods
from modelscan_catalog.manifests.commands import container_image, engine_parameters
from modelscan_catalog.manifests.engines import flag_name
from modelscan_catalog.manifests.kserve import storage_uri
from modelscan_catalog.manifests.options import EmitOptions
from modelscan_catalog.manifests.plan_input import LaunchPlan, deployment_name

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]*")
PORT = 8000
"""Where the well-known template's engine listens, by TLS with a certificate that the controller makes."""


def llm_inference_service(
    plan: LaunchPlan, options: EmitOptions | None = None, *, scheduler: bool = False
) -> dict[str, Any]:
    """The LLMInferenceService of ``plan``; ``scheduler`` adds llm-d's endpoint picker to its router.

    The cluster's template starts vLLM with the weights, the served name and the tensor parallel size, and
    appends ``VLLM_ADDITIONAL_ARGS`` as a shell reads it; all other flags are there. Pipeline stages of one
    machine are such a flag too: ``parallelism.pipeline`` asks for several machines.

    Raises ``ManifestError`` for an engine, source or vendor that KServe cannot serve, and for a served name
    that a shell would read as more than a name.
    """
    if plan.engine != "vllm":
        raise ManifestError(f"an LLMInferenceService runs vLLM, not {plan.engine}: plan it with vllm")
    if not _PLAIN.fullmatch(plan.served_model_name):
        raise ManifestError(
            f"{plan.served_model_name!r}: an LLMInferenceService hands this name to a shell unquoted: "
            "use letters, digits and ._:/- only"
        )
    options = options or EmitOptions()
    pods.needs_a_claim(plan, options)
    tensor = flag_name("vllm", "tensor_parallel")
    rest = [word for word in engine_parameters(plan) if not word.startswith(f"{tensor}=")]
    mounts, volumes = pods.scratch_mounts(shared_memory=True)
    additional = {"VLLM_ADDITIONAL_ARGS": shlex.join(rest)}
    container = {
        "name": "main",
        "image": container_image(plan),
        "env": pods.environment(plan, options, additional, fetched_before=True),
        "resources": pods.gpu_resources(plan, options),
        "securityContext": pods.container_security(options),
        "volumeMounts": mounts,
        **pods.probes(PORT, "/health", "HTTPS"),
    }
    template: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "containers": [container],
        "securityContext": pods.pod_security(),
        "volumes": volumes,
    }
    if options.service_account:
        template["serviceAccountName"] = options.service_account
    if options.node_selector:
        template["nodeSelector"] = dict(sorted(options.node_selector.items()))
    router: dict[str, Any] = {"route": {}, "gateway": {}}
    if scheduler:
        router["scheduler"] = {}
    return {
        "apiVersion": "serving.kserve.io/v1alpha2",
        "kind": "LLMInferenceService",
        "metadata": pods.metadata(plan, options),
        "spec": {
            "model": {"uri": storage_uri(plan), "name": plan.served_model_name},
            "replicas": options.replicas,
            "parallelism": {"tensor": plan.tensor_parallel},
            "labels": {pods.DEPLOYMENT_LABEL: deployment_name(plan)},
            "router": router,
            "template": template,
        },
    }
