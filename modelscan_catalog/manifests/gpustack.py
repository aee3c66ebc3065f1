"""A plan as the body of GPUStack's ``POST /v2/models``, and as an entry of its catalogue."""

import re
from dataclasses import replace
from typing import Any

from packaging.version import Version

from modelscan_catalog.errors import ManifestError
from modelscan_catalog.fit.profiles import load_profiles
from modelscan_catalog.manifests.commands import engine_parameters
from modelscan_catalog.manifests.engines import Engine, gpustack_versions
from modelscan_catalog.manifests.options import OFFLINE_ENV, EmitOptions
from modelscan_catalog.manifests.plan_input import LaunchPlan, WeightSource

BACKENDS: dict[Engine, str] = {"vllm": "vLLM", "sglang": "SGLang"}
"""The server's own spelling; another spelling is accepted and never starts."""

_REPO_FIELD: dict[WeightSource, str] = {
    "huggingface": "huggingface_repo_id",
    "model_scope": "model_scope_model_id",
    "local_path": "local_path",
}

_CATEGORIES = {
    "llm": "llm",
    "vlm": "llm",
    "embedding": "embedding",
    "reranker": "reranker",
    "image": "image",
    "speech_to_text": "speech_to_text",
    "text_to_speech": "text_to_speech",
}
"""Our categories in GPUStack's vocabulary; it has none for video."""


def model_body(
    plan: LaunchPlan,
    options: EmitOptions | None = None,
    *,
    cluster_id: int | None = None,
    version: str | None = None,
) -> dict[str, Any]:
    """JSON body that creates ``plan`` as a model with its route.

    Secrets are left out: the server and its workers hold their own hub tokens, and the body would store
    the value. The revision is only recorded in the description: GPUStack fetches the default branch.
    Without ``version`` the engine's is the newest that the recorded GPUStack has and that is not newer than
    the plan's, or left to the server. Raises ``ManifestError`` when that version lacks one of its flags.
    """
    options = options or EmitOptions()
    where = f"{plan.gpu_count}x {plan.gpu_profile_id}"
    pinned = f"@{plan.revision}" if plan.revision else ""
    launched = _launch_fields(plan, options, version or gpustack_version(plan))
    body: dict[str, Any] = {
        "name": gpustack_name(plan.served_model_name),
        "description": f"{plan.model_id}: {plan.repo}{pinned} on {where}",
        **{key: launched.pop(key) for key in ("source", _REPO_FIELD[plan.source])},
        "replicas": options.replicas,
        "categories": _categories(plan),
        "placement_strategy": "spread",
        "cpu_offloading": False,
        "distributed_inference_across_workers": plan.pipeline_parallel > 1,
        **{key: value for key, value in launched.items() if key != "env"},
        "restart_on_error": True,
        "enable_model_route": True,
    }
    if "env" in launched:
        body["env"] = launched["env"]
    if cluster_id is not None:
        body["cluster_id"] = cluster_id
    return body


def catalogue(plan: LaunchPlan, options: EmitOptions | None = None) -> dict[str, Any]:
    """A catalogue file (``--model-catalog-file``) with ``plan`` as its one entry.

    The entry is for cards of the plan's vendor that are at least of its generation, because its flags are.
    """
    options = options or EmitOptions()
    profile = load_profiles().get(plan.gpu_profile_id)
    filters = {"vendor": plan.gpu_vendor}
    if profile is not None and profile.compute_capability is not None:
        filters["compute_capability"] = f">={profile.compute_capability}"
    spec: dict[str, Any] = {"mode": "standard"}
    if options.checkpoint.quantization:
        spec["quantization"] = options.checkpoint.quantization.upper()
    launched = _launch_fields(plan, options, gpustack_version(plan))
    if launched["backend_version"] is None:
        del launched["backend_version"]
    model_set: dict[str, Any] = {
        "name": gpustack_name(plan.served_model_name),
        "categories": _categories(plan),
        "specs": [{**spec, "gpu_filters": filters, **launched}],
    }
    if options.checkpoint.license:
        model_set["licenses"] = [options.checkpoint.license]
    return {"draft_models": [], "model_sets": [model_set]}


def _launch_fields(plan: LaunchPlan, options: EmitOptions, version: str | None) -> dict[str, Any]:
    """What a model's body and a catalogue's spec have in common."""
    if plan.repo.startswith("pvc://"):
        raise ManifestError(f"{plan.repo}: GPUStack's workers read a directory: name that instead")
    parameters = engine_parameters(replace(plan, engine_version=version) if version else plan)
    fields: dict[str, Any] = {
        "source": plan.source,
        _REPO_FIELD[plan.source]: plan.repo,
        "backend": BACKENDS[plan.engine],
        "backend_version": version,
        "backend_parameters": parameters,
    }
    env = {**(OFFLINE_ENV if options.offline else {}), **plan.plain_env()}
    return {**fields, "env": env} if env else fields


def gpustack_version(plan: LaunchPlan) -> str | None:
    """The engine version to ask GPUStack for; null when it has none that old, and picks its default."""
    usable = [
        version
        for version in gpustack_versions(plan.engine, plan.gpu_vendor)
        if Version(version) <= Version(plan.engine_version)
    ]
    return usable[-1] if usable else None


def gpustack_name(name: str) -> str:
    """``name`` as GPUStack accepts it: letters, digits and ``_-.:``, from a letter to a letter or digit.

    Raises ``ManifestError`` when nothing usable is left.
    """
    last = next((part for part in reversed(name.split("/")) if re.search("[A-Za-z]", part)), "")
    cleaned = re.sub(r"[^A-Za-z0-9_.:-]+", "-", last)
    cleaned = re.sub(r"^[^A-Za-z]+", "", cleaned)
    cleaned = re.sub(r"[^A-Za-z0-9]+$", "", cleaned)
    if not cleaned:
        raise ManifestError(f"{name!r} has no letter to start a GPUStack model name with: choose another")
    return cleaned


def _categories(plan: LaunchPlan) -> list[str]:
    return list(dict.fromkeys(_CATEGORIES.get(category, "unknown") for category in plan.categories))
