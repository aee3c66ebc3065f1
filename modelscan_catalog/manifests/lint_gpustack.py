"""Checks of GPUStack's model bodies and catalogues that their schema cannot express."""

import re
from collections.abc import Mapping
from typing import Any

from modelscan_catalog.manifests.engines import canonical_engine, gpustack_versions, load_engine
from modelscan_catalog.manifests.findings import Finding
from modelscan_catalog.manifests.flags import check_flags
from modelscan_catalog.manifests.gpustack import BACKENDS
from modelscan_catalog.manifests.lint_argv import any_plugin

_BACKENDS = {*BACKENDS.values(), "MindIE", "VoxBox", "Custom"}
_NAME = re.compile(r"^[A-Za-z](?:[A-Za-z0-9_\-\.:]*[A-Za-z0-9])?$")


def lint_model(body: Mapping[str, Any], engine_version: str | None) -> list[Finding]:
    """Name, backend, and flags of a body of ``POST /v2/models``."""
    findings = []
    name = str(body["name"])
    if not _NAME.match(name):
        findings.append(
            Finding(
                "error",
                "wrong_value",
                "name",
                f"{name!r}: letters, digits and _-.: from a letter to a letter or digit; no '/'",
            )
        )
    return findings + _gpustack_spec(body, "", engine_version)


def _gpustack_spec(spec: Mapping[str, Any], prefix: str, engine_version: str | None) -> list[Finding]:
    """Faults that a model body and a catalogue spec have in common; ``prefix`` ends in a dot or is empty."""
    findings = []
    needed = {
        "huggingface": "huggingface_repo_id",
        "model_scope": "model_scope_model_id",
        "local_path": "local_path",
    }[spec["source"]]
    if not spec.get(needed):
        findings.append(
            Finding("error", "schema", f"{prefix}{needed}", f"source {spec['source']} needs {needed}")
        )
    backend = spec.get("backend")
    if backend is not None and backend not in _BACKENDS:
        findings.append(
            Finding(
                "error",
                "unknown_backend",
                f"{prefix}backend",
                f"{backend!r} is accepted and never starts: use one of {', '.join(sorted(_BACKENDS))}",
            )
        )
    engine = canonical_engine(str(backend)) if backend in _BACKENDS else None
    version = spec.get("backend_version")
    if spec.get("image_name") and version:
        findings.append(
            Finding("error", "refused_field", f"{prefix}image_name", "cannot go with a backend_version")
        )
    if engine is not None:
        known = gpustack_versions(engine)
        if version is not None and version not in known:
            findings.append(
                Finding(
                    "warning",
                    "unknown_version",
                    f"{prefix}backend_version",
                    f"GPUStack has no {backend} {version} of its own: its newest is {known[-1]}",
                )
            )
        findings += check_flags(
            load_engine(engine, version or engine_version),
            spec.get("backend_parameters") or (),
            where=f"{prefix}backend_parameters",
            target="gpustack",
            vendors=_vendors(spec),
        )
    return findings


def _vendors(spec: Mapping[str, Any]) -> list[str]:
    """Accelerators that a catalogue spec is for; of a model body, which has no filter, any plugin's."""
    if "gpu_filters" not in spec:
        return any_plugin()
    named = spec["gpu_filters"].get("vendor") or []
    return [named] if isinstance(named, str) else list(named)


def lint_catalogue(document: Mapping[str, Any], engine_version: str | None) -> list[Finding]:
    """The specs of every model set."""
    return [
        finding
        for model_set in document["model_sets"]
        for number, spec in enumerate(model_set["specs"])
        for finding in _gpustack_spec(spec, f"{model_set['name']}.specs[{number}].", engine_version)
    ]
