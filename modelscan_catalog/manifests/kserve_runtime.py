"""A KServe ServingRuntime of exactly the plan's engine version, and the InferenceService that uses it."""

from dataclasses import replace
from typing import Any

from modelscan_catalog.manifests import pods
from modelscan_catalog.manifests.commands import container_image, engine_parameters, server_command
from modelscan_catalog.manifests.engines import Engine, flag_name
from modelscan_catalog.manifests.kserve import PORT, served_by
from modelscan_catalog.manifests.options import EmitOptions
from modelscan_catalog.manifests.plan_input import LaunchPlan, deployment_name

RUNTIME_PREFIX = "modelscan-"
_FORMATS: dict[Engine, str] = {"vllm": "vLLM", "sglang": "sglang"}


def runtime_name(plan: LaunchPlan) -> str:
    """One runtime an engine version and GPU vendor."""
    version = plan.engine_version.replace(".", "-")
    return f"{RUNTIME_PREFIX}{plan.engine}-{version}-{plan.gpu_vendor}"


def serving_runtime(plan: LaunchPlan, options: EmitOptions | None = None) -> dict[str, Any]:
    """The ServingRuntime: any model of the engine, so it holds no flag and no cards of the plan's model.

    It is how KServe serves SGLang, and a vLLM that its own runtime is not pinned to.
    """
    options = options or EmitOptions()
    mounts, volumes = pods.scratch_mounts(shared_memory=True)
    command, model = server_command(plan.engine, pods.WEIGHTS_MOUNT)
    name = flag_name(plan.engine, "served_model_name")
    address = [f"{flag_name(plan.engine, 'host')}=0.0.0.0", f"{flag_name(plan.engine, 'port')}={PORT}"]
    container = {
        "name": "kserve-container",
        "image": container_image(plan),
        "command": command,
        "args": [*model, *address, f"{name}={{{{.Name}}}}"],
        "env": pods.environment(replace(plan, env={}), options, {}, fetched_before=True),
        "ports": [{"containerPort": PORT, "protocol": "TCP"}],
        "resources": pods.resources(options),
        "securityContext": pods.container_security(options),
        "volumeMounts": mounts,
        **pods.probes(PORT, "/v1/models"),
    }
    described = pods.metadata(plan, options, runtime_name(plan))
    del described["annotations"]
    return {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "ServingRuntime",
        "metadata": described,
        "spec": {
            "annotations": {"prometheus.kserve.io/port": str(PORT), "prometheus.kserve.io/path": "/metrics"},
            "supportedModelFormats": [{"name": _FORMATS[plan.engine], "version": "1", "autoSelect": False}],
            "protocolVersions": ["v1", "v2"],
            "containers": [container],
            "volumes": volumes,
        },
    }


def runtime_service(plan: LaunchPlan, options: EmitOptions | None = None) -> dict[str, Any]:
    """The InferenceService of ``plan`` on its ``serving_runtime``."""
    options = options or EmitOptions()
    name = flag_name(plan.engine, "served_model_name")
    other = plan.served_model_name != deployment_name(plan)
    served = [f"{name}={plan.served_model_name}"] if other else []
    service = served_by(plan, options, _FORMATS[plan.engine], [*served, *engine_parameters(plan)])
    service["spec"]["predictor"]["model"]["runtime"] = runtime_name(plan)
    return service
