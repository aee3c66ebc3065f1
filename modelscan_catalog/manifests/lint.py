"""Strict checks of one document for one target: the target's schema, then the engine's flags."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any, Literal

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from modelscan_catalog.manifests.findings import Finding
from modelscan_catalog.manifests.lint_argv import lint_command, lint_compose
from modelscan_catalog.manifests.lint_gpustack import lint_catalogue, lint_model
from modelscan_catalog.manifests.lint_kubernetes import (
    lint_inference_service,
    lint_llm_inference_service,
    lint_network_policy,
    lint_serving_runtime,
    lint_workspace,
)
from modelscan_catalog.settings import REPOSITORY_ROOT

ManifestKind = Literal[
    "airgap_bundle",
    "compose",
    "gpustack_catalogue",
    "gpustack_model",
    "kaito_workspace",
    "kserve_inferenceservice",
    "kserve_llminferenceservice",
    "kserve_servingruntime",
    "network_policy",
    "sglang_command",
    "vllm_command",
]

_SCHEMAS = REPOSITORY_ROOT / "registry" / "contracts"
_SCHEMA_FILES: dict[ManifestKind, str] = {
    "gpustack_catalogue": "gpustack_model_catalog.json",
    "gpustack_model": "gpustack_model_create.json",
    "kaito_workspace": "kaito_workspace.json",
    "kserve_inferenceservice": "kserve_inferenceservice.json",
    "kserve_llminferenceservice": "kserve_llminferenceservice.json",
    "kserve_servingruntime": "kserve_servingruntime.json",
    "network_policy": "kubernetes_networkpolicy.json",
}


def lint_manifest(kind: ManifestKind, document: Any, *, engine_version: str | None = None) -> list[Finding]:
    """All faults of ``document`` (a mapping, or the text of a command), errors first.

    A document without errors is accepted by its target; warnings name what will stop working. Flags are
    checked for the version that the document names, else for ``engine_version``, else for the newest.
    """
    findings = _schema_findings(kind, document) if kind in _SCHEMA_FILES else []
    if not findings:
        findings = _CHECKS[kind](document, engine_version)
    return sorted(findings)


def _schema_findings(kind: ManifestKind, document: Any) -> list[Finding]:
    return [
        Finding("error", "schema", _path(best), best.message[:300])
        for error in validator(kind).iter_errors(document)
        for best in [_deepest(error)]
    ]


@cache
def validator(kind: ManifestKind) -> Draft202012Validator:
    """The strict schema of ``kind``, read once; its named parts are put in place, which saves looking up."""
    schema = json.loads((_SCHEMAS / _SCHEMA_FILES[kind]).read_text("utf-8"))
    named = schema.pop("$defs", {})
    placed: dict[str, Any] = {}

    def place(part: Any) -> Any:
        if isinstance(part, list):
            return [place(one) for one in part]
        if not isinstance(part, dict):
            return part
        if "$ref" in part:
            name = part["$ref"].rpartition("/")[2]
            if name not in placed:
                placed[name] = place(named[name])
            return placed[name]
        return {key: place(value) for key, value in part.items()}

    return Draft202012Validator(place(schema))


def _deepest(error: ValidationError) -> ValidationError:
    """Of an ``anyOf`` failure, the branch that came closest."""
    return best_match([error]) or error


def _path(error: ValidationError) -> str:
    return ".".join(str(part) for part in error.absolute_path) or "document"


def _airgap(document: Any, _engine_version: str | None) -> list[Finding]:
    from pydantic import ValidationError as InvalidRecord  # pays for pydantic

    from modelscan_catalog.manifests.airgap import AirgapBundle

    try:
        AirgapBundle.model_validate_json(json.dumps(document))
    except InvalidRecord as error:
        return [
            Finding("error", "schema", ".".join(map(str, fault["loc"])) or "document", fault["msg"])
            for fault in error.errors(include_url=False)
        ]
    return []


_CHECKS: dict[ManifestKind, Callable[[Any, str | None], list[Finding]]] = {
    "airgap_bundle": _airgap,
    "compose": lint_compose,
    "gpustack_catalogue": lint_catalogue,
    "gpustack_model": lint_model,
    "kaito_workspace": lint_workspace,
    "kserve_inferenceservice": lint_inference_service,
    "kserve_llminferenceservice": lint_llm_inference_service,
    "kserve_servingruntime": lint_serving_runtime,
    "network_policy": lint_network_policy,
    "sglang_command": lint_command,
    "vllm_command": lint_command,
}
