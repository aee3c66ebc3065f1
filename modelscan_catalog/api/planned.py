"""Manifests made on request: planned on named cards, or on those of the published reference plan."""

from contextlib import nullcontext
from pathlib import Path

from modelscan_catalog.api.snapshot import Snapshot
from modelscan_catalog.deploy.plan import DeploymentPlan, Hub, PlanRequest
from modelscan_catalog.errors import FitInputError, ManifestError
from modelscan_catalog.manifests.options import TARGETS, EmitOptions, Target, in_place
from modelscan_catalog.manifests.targets import Manifest, emit, engine_of_target

_SHORT: dict[str, Target] = {
    "command": "vllm",
    "kserve": "kserve-vllm",
    "isvc": "kserve-isvc",
    "llmisvc": "kserve-llmisvc",
}
_HUBS: dict[str, Hub] = {"hf": "huggingface", "modelscope": "modelscope"}


def known_target(name: str) -> Target:
    """The target of that name or short name; raises ``FitInputError`` listing them."""
    for target in TARGETS:
        if name == target:
            return target
    if name in _SHORT:
        return _SHORT[name]
    known = ", ".join([*TARGETS, *_SHORT])
    raise FitInputError(f"target: {name[:40]!r} is unknown; use one of {known}", "target")


def reference_cards(snapshot: Snapshot, model: str) -> str:
    """The cards of a model's reference plan, as ``NAME:COUNT``; raises ``ManifestError`` without one."""
    plans = snapshot.registry.files.rows("plans.jsonl")
    plan = next((row for row in plans if row["model"] == model), None)
    if plan is None:
        raise ManifestError(f"{model}: has no reference plan; name cards with profile=NAME:COUNT")
    return f"{plan['gpu']}:{plan['gpu_count']}"


def planned_manifest(
    snapshot: Snapshot,
    model: str,
    target: Target,
    cards: str,
    *,
    storage: str = "",
    namespace: str = "ai",
    state: Path | None = None,
    service_account: str = "",
    writable_root: bool = False,
) -> tuple[DeploymentPlan, Manifest]:
    """``model`` planned on ``cards`` (``NAME:COUNT``) and written for ``target``.

    ``storage`` is where its weights are taken from: ``hf``, ``modelscope``, ``pvc://claim/path``;
    ``service_account`` and ``writable_root`` are as in ``EmitOptions``. Speeds that
    ``state`` holds of this machine's deployments stand before estimates. Raises
    ``ManifestError`` saying why it does not start there or cannot be written, ``UnknownIdError`` and
    ``FitInputError`` for a model, cards or a place that are none.
    """
    from modelscan_catalog.deploy.benchmark_evidence import measured_here
    from modelscan_catalog.deploy.planner import make_plan
    from modelscan_catalog.manifests.launch import checkpoint_of

    request = PlanRequest(model=model, gpu=cards, engine=engine_of_target(target), source=_HUBS.get(storage))
    with measured_here(state) if state else nullcontext():
        plan = make_plan(snapshot.registry.published, request)
    launch = plan.launch_plan()
    if storage and storage not in _HUBS:
        launch = in_place(launch, storage)
    known = checkpoint_of(snapshot.registry.published, plan.variant_id, plan.hub)
    options = EmitOptions(
        namespace=namespace,
        checkpoint=known,
        service_account=service_account or None,
        writable_root=writable_root,
    )
    return plan, emit(launch, target, options)
