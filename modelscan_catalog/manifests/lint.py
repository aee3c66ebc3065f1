"""Strict checks of one document for one target: the target's schema, then the engine's flags."""

import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Literal

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from modelscan_catalog.manifests.engines import (
    EngineTable,
    canonical_engine,
    flag_name,
    gpustack_versions,
    launch_names,
    load_engine,
)
from modelscan_catalog.manifests.findings import Finding
from modelscan_catalog.manifests.flags import check_flags
from modelscan_catalog.manifests.gpustack import BACKENDS
from modelscan_catalog.settings import REPOSITORY_ROOT

ManifestKind = Literal[
    "gpustack_model",
    "gpustack_catalogue",
    "kserve_inferenceservice",
    "compose",
    "vllm_command",
    "sglang_command",
]

_SCHEMAS = REPOSITORY_ROOT / "registry" / "contracts"
_SCHEMA_FILES: dict[ManifestKind, str] = {
    "gpustack_model": "gpustack_model_create.json",
    "gpustack_catalogue": "gpustack_model_catalog.json",
    "kserve_inferenceservice": "kserve_inferenceservice.json",
}
_BACKENDS = {*BACKENDS.values(), "MindIE", "VoxBox", "Custom"}
_NAME = r"^[A-Za-z](?:[A-Za-z0-9_\-\.:]*[A-Za-z0-9])?$"


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
        for error in _validator(kind).iter_errors(document)
        for best in [_deepest(error)]
    ]


@cache
def _validator(kind: ManifestKind) -> Draft202012Validator:
    schema = json.loads((_SCHEMAS / _SCHEMA_FILES[kind]).read_text("utf-8"))
    return Draft202012Validator(schema)


def _deepest(error: ValidationError) -> ValidationError:
    """Of an ``anyOf`` failure, the branch that came closest."""
    return best_match([error]) or error


def _path(error: ValidationError) -> str:
    return ".".join(str(part) for part in error.absolute_path) or "document"


def _gpustack_model(body: Mapping[str, Any], engine_version: str | None) -> list[Finding]:
    findings = []
    name = str(body["name"])
    if not _matches(_NAME, name):
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
        return _any_plugin()
    named = spec["gpu_filters"].get("vendor") or []
    return [named] if isinstance(named, str) else list(named)


def _any_plugin() -> list[str]:
    return [vendor for plugins in launch_names()["plugin_values"].values() for vendor in plugins]


def _kserve(document: Mapping[str, Any], engine_version: str | None) -> list[Finding]:
    findings = []
    expected = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService"}
    for field, value in expected.items():
        if document.get(field) != value:
            findings.append(Finding("error", "wrong_value", field, f"must be {value!r}"))
    name = str((document.get("metadata") or {}).get("name", ""))
    if not _matches(r"^[a-z]([-a-z0-9]*[a-z0-9])?$", name) or len(name) > 63:
        findings.append(Finding("error", "wrong_value", "metadata.name", f"{name!r} is no DNS label"))
    model = document.get("spec", {}).get("predictor", {}).get("model")
    if model is None:
        return findings
    where = "spec.predictor.model"
    served = (model.get("modelFormat") or {}).get("name")
    if served not in ("vLLM", "huggingface"):
        if str(served).lower() == "vllm":
            findings.append(
                Finding("error", "wrong_value", f"{where}.modelFormat.name", "is case-sensitive: write vLLM")
            )
        return findings
    if not _matches(r"^(hf|modelscope|pvc|s3|gs|oci|https?)://.+", str(model.get("storageUri") or "pvc://x")):
        findings.append(
            Finding("error", "wrong_value", f"{where}.storageUri", f"unknown scheme: {model['storageUri']}")
        )
    findings += _literal_secrets(model.get("env") or (), f"{where}.env")
    arguments = [str(argument) for argument in model.get("args") or ()]
    if served == "huggingface":
        own = launch_names()["own_flags"]["kserve_huggingfaceserver"]
        arguments = [a for a in arguments if a.split("=", 1)[0].lstrip("-").replace("-", "_") not in own]
    table = load_engine("vllm", _image_version(model.get("image")) or engine_version)
    return findings + check_flags(table, arguments, where=f"{where}.args", vendors=_any_plugin())


def _compose(document: Mapping[str, Any], engine_version: str | None) -> list[Finding]:
    services = document.get("services") if isinstance(document, Mapping) else None
    if not isinstance(services, Mapping) or not services:
        return [Finding("error", "schema", "services", "a compose file needs at least one service")]
    findings: list[Finding] = []
    for name, service in services.items():
        where = f"services.{name}"
        if not isinstance(service, Mapping) or not service.get("image"):
            findings.append(Finding("error", "schema", f"{where}.image", "the service names no image"))
            continue
        findings += _literal_secrets(_compose_environment(service), f"{where}.environment")
        written = [*_compose_words(service.get("entrypoint")), *_compose_words(service.get("command"))]
        words = [word.replace("$$", "$") for word in written]
        image = str(service["image"])
        if "vllm" in image or "sglang" in image:
            findings += _argv(words, f"{where}.command", _image_version(image) or engine_version)
        ports = service.get("ports")
        for port in ports if isinstance(ports, list) else ():
            if not str(port).startswith("127.0.0.1:"):
                findings.append(
                    Finding("warning", "exposed_port", f"{where}.ports", f"{port} listens beyond loopback")
                )
    return findings


def _compose_environment(service: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Both of compose's forms: a mapping, or a list of ``NAME=value``."""
    written = service.get("environment") or {}
    if isinstance(written, Mapping):
        pairs = [(str(name), value) for name, value in written.items()]
    else:
        entries = written if isinstance(written, list) else []
        pairs = [(name, value) for name, _, value in (str(entry).partition("=") for entry in entries)]
    return [{"name": name, "value": value} for name, value in pairs]


def _compose_words(written: Any) -> list[str]:
    if isinstance(written, list):
        return [str(word) for word in written]
    try:
        return shlex.split(str(written or ""))
    except ValueError:
        return [str(written)]


def _command(text: Any, engine_version: str | None) -> list[Finding]:
    try:
        words = shlex.split(str(text))
    except ValueError as error:
        return [Finding("error", "schema", "command", f"not a shell command: {error}")]
    while words and "=" in words[0] and not words[0].startswith("-"):
        words.pop(0)
    return _argv(words, "command", engine_version)


def _argv(words: Sequence[str], where: str, version: str | None) -> list[Finding]:
    """Checks ``vllm serve MODEL …``, a bare flag list of vLLM, or ``python3 -m sglang.launch_server …``."""
    rest = list(words)
    table: EngineTable = load_engine("vllm", version)
    if "sglang.launch_server" in rest:
        table = load_engine("sglang", version)
        rest = rest[rest.index("sglang.launch_server") + 1 :]
        if not any(word.split("=")[0] in (flag_name("sglang", "model"), "--model") for word in rest):
            return [Finding("error", "missing_value", where, "no model is given: add --model-path")]
    elif rest[:2] == ["vllm", "serve"]:
        rest = rest[2:]
        if not rest or rest[0].startswith("-"):
            return [Finding("error", "missing_value", where, "no model is given after vllm serve")]
        rest = rest[1:]
    return check_flags(table, rest, where=where, vendors=_any_plugin())


def _literal_secrets(entries: Sequence[Mapping[str, Any]], where: str) -> list[Finding]:
    return [
        Finding(
            "error",
            "literal_secret",
            f"{where}.{entry['name']}",
            "a secret is given by reference, not by value",
        )
        for entry in entries
        if _matches(r".*(TOKEN|SECRET|PASSWORD|API_KEY)$", str(entry["name"]))
        and entry.get("value")
        and not str(entry["value"]).startswith("$")
    ]


def _image_version(image: Any) -> str | None:
    tag = str(image or "").partition("@")[0].rpartition(":")[2]
    return tag[1:] if _matches(r"^v\d+\.\d+\.\d+$", tag) else None


def _matches(pattern: str, text: str) -> bool:
    return re.match(pattern, text) is not None


def _catalogue(document: Mapping[str, Any], engine_version: str | None) -> list[Finding]:
    return [
        finding
        for model_set in document["model_sets"]
        for number, spec in enumerate(model_set["specs"])
        for finding in _gpustack_spec(spec, f"{model_set['name']}.specs[{number}].", engine_version)
    ]


_CHECKS: dict[ManifestKind, Callable[[Any, str | None], list[Finding]]] = {
    "gpustack_model": _gpustack_model,
    "gpustack_catalogue": _catalogue,
    "kserve_inferenceservice": _kserve,
    "compose": _compose,
    "vllm_command": _command,
    "sglang_command": _command,
}
