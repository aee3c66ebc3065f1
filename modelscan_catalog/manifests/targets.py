"""Every target's manifest of one plan: ``emit(plan, target, options)`` gives linted, deterministic text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from modelscan_catalog.errors import ManifestError, ManifestLintError
from modelscan_catalog.fit.alternatives import MACHINE
from modelscan_catalog.manifests.commands import launch_command
from modelscan_catalog.manifests.compose import compose_document
from modelscan_catalog.manifests.documents import text_of
from modelscan_catalog.manifests.engines import Engine
from modelscan_catalog.manifests.findings import Finding, errors_of
from modelscan_catalog.manifests.gpustack import catalogue, model_body
from modelscan_catalog.manifests.kaito import workspace
from modelscan_catalog.manifests.kserve import inference_service
from modelscan_catalog.manifests.kserve_llm import llm_inference_service
from modelscan_catalog.manifests.kserve_runtime import runtime_service, serving_runtime
from modelscan_catalog.manifests.lint import ManifestKind, lint_manifest
from modelscan_catalog.manifests.options import EmitOptions, Target
from modelscan_catalog.manifests.plan_input import LaunchPlan
from modelscan_catalog.manifests.pods import sealed_network

Documents = Sequence[tuple[ManifestKind, Any]]


@dataclass(frozen=True)
class Manifest:
    """One target's file: its text, its usual name, and what its lint warns of.

    ``kind`` is that of its first document, ``documents`` are all of them (a command is a string).
    """

    kind: ManifestKind
    file_name: str
    text: str
    warnings: tuple[Finding, ...] = ()
    documents: tuple[Any, ...] = ()


def emit(plan: LaunchPlan, target: Target, options: EmitOptions | None = None) -> Manifest:
    """``plan`` as ``target`` reads it; equal input gives equal text.

    Raises ``ManifestError`` when ``target`` cannot serve the plan, saying why and what to do instead, and
    its subclass ``ManifestLintError`` when a document fails its own lint, which no plan should bring about.
    """
    file_name = file_name_of(target)
    documents = documents_of(plan, target, options or EmitOptions())
    findings = lint_documents(documents, plan.engine_version)
    faults = errors_of(findings)
    if faults:
        raise ManifestLintError(f"{plan.variant_id}: {file_name} fails its lint: {faults[0]}")
    findings += _one_machine(plan, target)
    written = tuple(document for _, document in documents)
    return Manifest(documents[0][0], file_name, text_of(file_name, written), tuple(findings), written)


def documents_of(plan: LaunchPlan, target: Target, options: EmitOptions) -> Documents:
    """The documents of ``target`` with their kinds, not linted. Raises ``ManifestError`` as ``emit`` does."""
    return _WRITERS[target][1](plan, options)


def file_name_of(target: Target) -> str:
    """The usual name of ``target``'s file; its suffix is its form."""
    return _WRITERS[target][0]


def lint_documents(documents: Documents, engine_version: str) -> list[Finding]:
    """Findings of all ``documents``, in their order."""
    return [
        finding
        for kind, document in documents
        for finding in lint_manifest(kind, document, engine_version=engine_version)
    ]


def _one_machine(plan: LaunchPlan, target: Target) -> list[Finding]:
    """A warning where one machine is asked for more cards than machines are built with."""
    if plan.gpu_count <= MACHINE or target in _SPREAD:
        return []
    message = (
        f"asks one machine for {plan.gpu_count} cards, and few have more than {MACHINE}: GPUStack spreads an "
        "engine over workers; elsewhere plan with fewer cards"
    )
    return [Finding("warning", "one_machine", "gpu", message)]


def engine_of_target(target: Target) -> Engine | None:
    """The one engine that ``target`` can be planned with; None where the plan decides."""
    return _ONE_ENGINE.get(target)


_SPREAD: tuple[Target, ...] = ("airgap", "gpustack", "gpustack-catalog")
"""Targets that do not say which machine."""
_ONE_ENGINE: dict[Target, Engine] = {
    "kserve-isvc": "vllm",
    "kserve-vllm": "vllm",
    "kserve-llmisvc": "vllm",
    "llm-d": "vllm",
    "vllm": "vllm",
    "sglang": "sglang",
}

_Writer = Callable[[LaunchPlan, EmitOptions], Documents]


def _in_cluster(plan: LaunchPlan, options: EmitOptions, *documents: tuple[ManifestKind, Any]) -> Documents:
    if not options.offline:
        return documents
    return [*documents, ("network_policy", sealed_network(plan, options))]


def _command(engine: Engine, kind: Literal["vllm_command", "sglang_command"]) -> _Writer:
    def write(plan: LaunchPlan, options: EmitOptions) -> Documents:
        if plan.engine != engine:
            raise ManifestError(f"{plan.variant_id}: this is a plan for {plan.engine}; plan it with {engine}")
        return [(kind, launch_command(plan, options))]

    return write


def _isvc(plan: LaunchPlan, options: EmitOptions) -> Documents:
    service = inference_service(plan, options, model_format="huggingface")
    return _in_cluster(plan, options, ("kserve_inferenceservice", service))


def _vllm_format(plan: LaunchPlan, options: EmitOptions) -> Documents:
    return _in_cluster(plan, options, ("kserve_inferenceservice", inference_service(plan, options)))


def _llm(*, scheduler: bool) -> _Writer:
    def write(plan: LaunchPlan, options: EmitOptions) -> Documents:
        service = llm_inference_service(plan, options, scheduler=scheduler)
        return _in_cluster(plan, options, ("kserve_llminferenceservice", service))

    return write


def _runtime(plan: LaunchPlan, options: EmitOptions) -> Documents:
    runtime, service = serving_runtime(plan, options), runtime_service(plan, options)
    return _in_cluster(
        plan, options, ("kserve_servingruntime", runtime), ("kserve_inferenceservice", service)
    )


def _airgap(plan: LaunchPlan, options: EmitOptions) -> Documents:
    from modelscan_catalog.manifests.airgap import airgap_bundle  # pays for pydantic

    return [("airgap_bundle", airgap_bundle(plan, options))]


_WRITERS: dict[Target, tuple[str, _Writer]] = {
    "airgap": ("airgap.json", _airgap),
    "compose": ("compose.yaml", lambda plan, options: [("compose", compose_document(plan, options))]),
    "gpustack": ("gpustack.json", lambda plan, options: [("gpustack_model", model_body(plan, options))]),
    "gpustack-catalog": (
        "gpustack-catalog.yaml",
        lambda plan, options: [("gpustack_catalogue", catalogue(plan, options))],
    ),
    "kaito": (
        "kaito.yaml",
        lambda plan, options: _in_cluster(plan, options, ("kaito_workspace", workspace(plan, options))),
    ),
    "kserve-isvc": ("kserve-huggingface.yaml", _isvc),
    "kserve-llmisvc": ("kserve-llm.yaml", _llm(scheduler=False)),
    "kserve-runtime": ("kserve-runtime.yaml", _runtime),
    "kserve-vllm": ("kserve.yaml", _vllm_format),
    "llm-d": ("llm-d.yaml", _llm(scheduler=True)),
    "sglang": ("launch.sh", _command("sglang", "sglang_command")),
    "vllm": ("launch.sh", _command("vllm", "vllm_command")),
}
"""Target to its file's usual name and its writer."""
