"""Which documents KServe gets for a plan: its form, its weights, and the runtime that comes with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from modelscan_catalog.deploy.deployer import Wanted
from modelscan_catalog.deploy.kserve.api import INFERENCE_SERVICE, Cluster
from modelscan_catalog.deploy.kserve.checks import RUNTIME
from modelscan_catalog.deploy.kserve.client import is_ours, named
from modelscan_catalog.deploy.kserve.refusals import NotAllowedError, NotServedError
from modelscan_catalog.errors import ConflictError, ManifestError
from modelscan_catalog.manifests.kserve_runtime import RUNTIME_PREFIX
from modelscan_catalog.manifests.options import EmitOptions, Target, in_place
from modelscan_catalog.manifests.plan_input import LaunchPlan
from modelscan_catalog.manifests.targets import emit

FORMS: dict[str, Target] = {
    "vllm": "kserve-vllm",
    "huggingface": "kserve-isvc",
    "runtime": "kserve-runtime",
    "llmisvc": "kserve-llmisvc",
    "llm-d": "llm-d",
}
"""Forms that the client can drive, by the word for them, each with the manifest's target."""
_OF_ENGINE: dict[str, Target] = {"vllm": "kserve-vllm", "sglang": "kserve-runtime"}
"""The form of a plan whose form nobody named: only a runtime of its own serves SGLang."""


@dataclass(frozen=True, slots=True)
class ServiceWishes:
    """What an operator wants of a service beside its plan; null and empty leave it to the defaults.

    ``claims`` are directories of this machine, each with the ``pvc://`` address of the claim that it is.
    """

    form: Target | None = None
    storage: str | None = None
    service_account: str | None = None
    secret_name: str | None = None
    writable_root: bool = False
    claims: Mapping[Path, str] = field(default_factory=lambda: MappingProxyType({}))


def form_of(name: str) -> Target:
    """The form of that word, or of that manifest's target; raises ``ManifestError`` listing them."""
    target = next((target for word, target in FORMS.items() if name in (word, target)), None)
    if target is None:
        known = ", ".join(f"{word} ({target})" for word, target in FORMS.items())
        raise ManifestError(f"form: {name[:40]!r} is none of {known}")
    return target


def documents_for(
    wanted: Wanted, wishes: ServiceWishes, namespace: str, node_selector: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The service that would serve ``wanted``, and the ServingRuntime that comes with it, if one does.

    Raises ``ManifestError`` for what KServe cannot serve in that form.
    """
    launch = wanted.plan.launch_plan()
    form = wishes.form or _OF_ENGINE[launch.engine]
    if launch.engine != "vllm" and form != "kserve-runtime":
        raise ManifestError(
            f"form: {form} runs vLLM, not {launch.engine}: plan with --backend vllm, or take --form runtime"
        )
    options = EmitOptions(
        namespace=namespace,
        replicas=wanted.replicas,
        node_selector=node_selector,
        service_account=wishes.service_account,
        writable_root=wishes.writable_root,
    )
    if wishes.secret_name:
        options = replace(options, secret_name=wishes.secret_name)
    documents: Sequence[dict[str, Any]] = emit(_placed(launch, wishes), form, options).documents
    service = named(documents[-1], wanted.name, namespace)
    return service, documents[0] if len(documents) > 1 else None


def _placed(launch: LaunchPlan, wishes: ServiceWishes) -> LaunchPlan:
    """``launch`` with its weights where a pod sees them."""
    if wishes.storage is not None:
        if not wishes.storage.startswith("pvc://"):
            raise ManifestError(f"storage: {wishes.storage[:80]!r}: a pod reads weights of pvc://claim/path")
        return in_place(launch, wishes.storage)
    if launch.source == "local_path":
        for directory, address in wishes.claims.items():
            place = Path(launch.repo).resolve()
            if place.is_relative_to(directory.resolve()):
                return in_place(launch, f"{address}/{place.relative_to(directory.resolve()).as_posix()}")
    return launch


def brings_runtime(service: Mapping[str, Any]) -> bool:
    """Whether ``service`` runs on a ServingRuntime that is made for it."""
    return (_runtime_of(service) or "").startswith(RUNTIME_PREFIX)


def apply_runtime(cluster: Cluster, namespace: str, runtime: Mapping[str, Any], *, dry_run: bool) -> None:
    """Create the ServingRuntime, or make it so; services of other plans on it are not disturbed by that.

    Raises ``ConflictError`` for one of that name that ModelScan did not make.
    """
    name = str(runtime["metadata"]["name"])
    found = cluster.get(RUNTIME, namespace, name)
    if found is not None and not is_ours(found):
        raise ConflictError(
            f"ServingRuntime {namespace}/{name} was not made by ModelScan; remove it, or take another form"
        )
    cluster.apply(RUNTIME, namespace, runtime, dry_run=dry_run)


def drop_runtime(cluster: Cluster, namespace: str, service: Mapping[str, Any]) -> None:
    """Delete the runtime of a removed ``service`` where ModelScan made it and no other service uses it.

    What cannot be looked at stays: an unused runtime costs nothing.
    """
    name = _runtime_of(service)
    if name is None or not brings_runtime(service):
        return
    try:
        found = cluster.get(RUNTIME, namespace, name)
        if found is None or not is_ours(found):
            return
        own = service["metadata"]["uid"]
        others = (one for one in cluster.list(INFERENCE_SERVICE, namespace) if one["metadata"]["uid"] != own)
        if not any(_runtime_of(one) == name for one in others):
            cluster.delete(RUNTIME, namespace, name, str(found["metadata"]["uid"]))
    except (NotAllowedError, NotServedError):
        return


def _runtime_of(service: Mapping[str, Any]) -> str | None:
    model = (service.get("spec", {}).get("predictor") or {}).get("model") or {}
    return model.get("runtime")
