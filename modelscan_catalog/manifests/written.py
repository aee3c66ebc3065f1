"""Every target's document for one plan, as linted text, or the reason why a target cannot have one."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from modelscan_catalog.errors import ManifestError
from modelscan_catalog.manifests.commands import compose_document, launch_command, yaml_text
from modelscan_catalog.manifests.findings import Finding, errors_of
from modelscan_catalog.manifests.gpustack import model_body
from modelscan_catalog.manifests.kserve import inference_service
from modelscan_catalog.manifests.lint import ManifestKind, lint_manifest
from modelscan_catalog.manifests.plan_input import LaunchPlan


@dataclass(frozen=True)
class Manifest:
    """One document, its usual file name, and what its lint warns of."""

    kind: ManifestKind
    file_name: str
    text: str
    warnings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class WrittenPlan:
    """What came of one plan; every target is in ``manifests`` or in ``refused``."""

    manifests: tuple[Manifest, ...]
    refused: dict[ManifestKind, str]


def write_plan(plan: LaunchPlan) -> WrittenPlan:
    """All documents of ``plan``; equal plans give equal text.

    A target that cannot serve the plan is refused with the reason. Raises ``ManifestError`` when a
    document fails its own lint, which no plan should bring about.
    """
    command: ManifestKind = "vllm_command" if plan.engine == "vllm" else "sglang_command"
    writers: tuple[tuple[ManifestKind, str, Callable[[LaunchPlan], Any]], ...] = (
        (command, "launch.sh", launch_command),
        ("gpustack_model", "gpustack.json", model_body),
        ("kserve_inferenceservice", "kserve.yaml", inference_service),
        ("compose", "compose.yaml", compose_document),
    )
    manifests = []
    refused: dict[ManifestKind, str] = {}
    for kind, file_name, write in writers:
        try:
            document = write(plan)
        except ManifestError as error:
            refused[kind] = str(error)
            continue
        findings = lint_manifest(kind, document, engine_version=plan.engine_version)
        if errors_of(findings):
            raise ManifestError(f"{plan.variant_id}: {file_name} fails its lint: {errors_of(findings)[0]}")
        manifests.append(Manifest(kind, file_name, _text(file_name, document), tuple(findings)))
    return WrittenPlan(tuple(manifests), refused)


def _text(file_name: str, document: Any) -> str:
    if file_name.endswith(".json"):
        return json.dumps(document, ensure_ascii=False, indent=1) + "\n"
    if file_name.endswith(".yaml"):
        return yaml_text(document)
    return f"{document}\n"
