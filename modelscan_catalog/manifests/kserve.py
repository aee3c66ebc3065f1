"""A plan as a KServe InferenceService (v1beta1), hardened, with secrets as references."""

from typing import Any, Literal

from modelscan_catalog.errors import ManifestError
from modelscan_catalog.manifests import pods
from modelscan_catalog.manifests.commands import container_image, engine_parameters
from modelscan_catalog.manifests.options import EmitOptions
from modelscan_catalog.manifests.plan_input import LaunchPlan, WeightSource, deployment_name

ModelFormat = Literal["vLLM", "huggingface"]

_URI_SCHEME: dict[WeightSource, str] = {"huggingface": "hf", "model_scope": "modelscope"}
PORT = 8080
"""Where KServe's serving runtimes listen."""


def inference_service(
    plan: LaunchPlan, options: EmitOptions | None = None, *, model_format: ModelFormat = "vLLM"
) -> dict[str, Any]:
    """The InferenceService of ``plan``.

    ``vLLM`` needs KServe 0.20 or later and pins the engine's image; ``huggingface`` runs the engine that
    the cluster's own runtime bundles. The download of gated weights runs before the engine and takes its
    token from the secrets of the service account.

    Raises ``ManifestError`` for an engine, source or vendor that KServe cannot serve.
    """
    if plan.engine != "vllm":
        raise ManifestError(
            f"KServe has no runtime of its own for {plan.engine}: use kserve-runtime, or plan it with vllm"
        )
    options = options or EmitOptions()
    parameters = engine_parameters(plan)
    name = deployment_name(plan)
    if model_format == "huggingface":
        directory = [f"--model_dir={pods.WEIGHTS_MOUNT}"] if plan.source == "local_path" else []
        arguments = [f"--model_name={plan.served_model_name}", *directory, "--backend=vllm", *parameters]
    else:
        served = [] if plan.served_model_name == name else [f"--served-model-name={plan.served_model_name}"]
        arguments = [*served, *parameters]
    service = served_by(plan, options, model_format, arguments)
    if model_format == "vLLM":
        model = service["spec"]["predictor"]["model"]
        model |= {"runtime": "kserve-vllmserver", "image": container_image(plan)}
    return service


def served_by(
    plan: LaunchPlan, options: EmitOptions, model_format: str, arguments: list[str]
) -> dict[str, Any]:
    """An InferenceService of any format, with ``arguments`` for its runtime's container."""
    pods.needs_a_claim(plan, options)
    mounts, volumes = pods.scratch_mounts(shared_memory=False)
    model: dict[str, Any] = {
        "modelFormat": {"name": model_format},
        "storageUri": storage_uri(plan),
        "args": [pods.literal(word) for word in arguments],
        "env": pods.environment(plan, options, _copy_in_place(plan), fetched_before=True),
        "resources": pods.gpu_resources(plan, options),
        "securityContext": pods.container_security(options),
        "volumeMounts": mounts,
        **pods.probes(PORT, "/v1/models"),
    }
    predictor: dict[str, Any] = {
        "minReplicas": options.replicas,
        "maxReplicas": options.replicas,
        "automountServiceAccountToken": False,
        "labels": {pods.DEPLOYMENT_LABEL: deployment_name(plan)},
        "model": model,
        "securityContext": pods.pod_security(),
        "volumes": volumes,
    }
    if options.service_account:
        predictor["serviceAccountName"] = options.service_account
    if options.node_selector:
        predictor["nodeSelector"] = dict(sorted(options.node_selector.items()))
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": pods.metadata(plan, options),
        "spec": {"predictor": predictor},
    }


def storage_uri(plan: LaunchPlan) -> str:
    """Where KServe's storage initializer finds the weights; raises ``ManifestError`` for a directory."""
    if pods.claim_of(plan) is not None:
        return plan.repo
    pinned = f":{plan.revision}" if plan.revision else ""
    return f"{_URI_SCHEME[plan.source]}://{plan.repo}{pinned}"


def _copy_in_place(plan: LaunchPlan) -> dict[str, str]:
    """Runtimes that read MODEL_ID take the copy on the claim for the model, not a hub's repository."""
    return {"MODEL_ID": pods.WEIGHTS_MOUNT} if plan.source == "local_path" else {}
