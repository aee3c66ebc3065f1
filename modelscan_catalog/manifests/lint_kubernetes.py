"""Checks of Kubernetes documents that the structure of their resource cannot express."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from modelscan_catalog.manifests.engines import launch_names, load_engine
from modelscan_catalog.manifests.findings import Finding
from modelscan_catalog.manifests.flags import check_flags
from modelscan_catalog.manifests.lint_argv import (
    any_plugin,
    engine_words,
    image_version,
    lint_argv,
    literal_secrets,
)

_LABEL = re.compile(r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$")
_SUBDOMAIN = re.compile(r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")
_STORAGE = re.compile(r"^(hf|modelscope|pvc|s3|gs|oci|https?)://.+")

_OLDER = {
    "LLMInferenceService": ("serving.kserve.io/v1alpha1",),
    "Workspace": ("kaito.sh/v1alpha1",),
}
"""Versions that are still served, and are not the one that is stored."""

Document = Mapping[str, Any]


def lint_inference_service(document: Document, engine_version: str | None) -> list[Finding]:
    """Names, storage, secrets, and the arguments that the runtime hands to its engine."""
    findings = _identity(document, "serving.kserve.io/v1beta1", "InferenceService", _LABEL)
    predictor = document.get("spec", {}).get("predictor", {})
    findings += _containers(predictor.get("containers") or (), "spec.predictor.containers", engine_version)
    model = predictor.get("model")
    if model is None:
        return findings
    where = "spec.predictor.model"
    served = (model.get("modelFormat") or {}).get("name")
    if served not in ("vLLM", "huggingface", "sglang"):
        if str(served).lower() == "vllm":
            findings.append(_wrong(f"{where}.modelFormat.name", "is case-sensitive: write vLLM"))
        return findings
    findings += _storage(model.get("storageUri"), f"{where}.storageUri")
    findings += literal_secrets(model.get("env") or (), f"{where}.env")
    arguments = [str(argument) for argument in model.get("args") or ()]
    if served == "huggingface":
        own = launch_names()["own_flags"]["kserve_huggingfaceserver"]
        arguments = [a for a in arguments if a.split("=", 1)[0].lstrip("-").replace("-", "_") not in own]
    table = load_engine(
        "sglang" if served == "sglang" else "vllm", image_version(model.get("image")) or engine_version
    )
    return findings + check_flags(table, arguments, where=f"{where}.args", vendors=any_plugin())


def lint_llm_inference_service(document: Document, engine_version: str | None) -> list[Finding]:
    """The resource's own rules (CEL), the flags in VLLM_ADDITIONAL_ARGS, storage and secrets."""
    findings = _identity(document, "serving.kserve.io/v1alpha2", "LLMInferenceService", _LABEL)
    spec = document.get("spec") or {}
    findings += _storage((spec.get("model") or {}).get("uri"), "spec.model.uri")
    for where, part in (("spec", spec), ("spec.prefill", spec.get("prefill") or {})):
        findings += _scaling(part, where)
        for pod in ("template", "worker"):
            containers = (part.get(pod) or {}).get("containers") or ()
            for spot, container in _numbered(containers, f"{where}.{pod}.containers"):
                findings += literal_secrets(container.get("env") or (), f"{spot}.env")
                findings += _additional_arguments(container, spot, engine_version)
    return findings


def lint_serving_runtime(document: Document, engine_version: str | None) -> list[Finding]:
    """The engines that the runtime's containers start."""
    findings = _identity(document, "serving.kserve.io/v1alpha1", "ServingRuntime", _SUBDOMAIN)
    spec = document.get("spec") or {}
    return [*findings, *_containers(spec.get("containers") or (), "spec.containers", engine_version)]


def lint_workspace(document: Document, engine_version: str | None) -> list[Finding]:
    """A preset or a template, and the engine that the template starts."""
    findings = _identity(document, "kaito.sh/v1beta1", "Workspace", _SUBDOMAIN)
    inference, tuning = document.get("inference"), document.get("tuning")
    if (inference is None) == (tuning is None):
        findings.append(Finding("error", "schema", "inference", "give either inference or tuning"))
    if inference is None:
        return findings
    if ("preset" in inference) == ("template" in inference):
        findings.append(Finding("error", "schema", "inference", "give either a preset or a template"))
    if "resource" not in document:
        findings.append(Finding("error", "schema", "resource", "says on which nodes it runs: add it"))
    pod = (inference.get("template") or {}).get("spec") or {}
    where = "inference.template.spec.containers"
    return [*findings, *_containers(pod.get("containers") or (), where, engine_version)]


def lint_network_policy(document: Document, _engine_version: str | None) -> list[Finding]:
    """Names, and directions that are restricted without being named."""
    findings = _identity(document, "networking.k8s.io/v1", "NetworkPolicy", _SUBDOMAIN)
    spec = document.get("spec")
    if not spec or "podSelector" not in spec:
        findings.append(Finding("error", "schema", "spec.podSelector", "says which pods it is about: add it"))
        return findings
    named = set(spec.get("policyTypes") or ())
    for direction in sorted(named - {"Egress", "Ingress"}):
        findings.append(_wrong("spec.policyTypes", f"{direction!r} is neither Ingress nor Egress"))
    if named and "egress" in spec and "Egress" not in named:
        findings.append(_wrong("spec.egress", "has no effect: policyTypes does not name Egress"))
    return findings


def _identity(document: Document, version: str, kind: str, name: re.Pattern[str]) -> list[Finding]:
    findings = []
    written, named = document.get("apiVersion"), document.get("kind")
    if written in _OLDER.get(kind, ()):
        findings.append(Finding("warning", "older_version", "apiVersion", f"checked as {version}: use that"))
    elif written != version:
        findings.append(_wrong("apiVersion", f"must be {version!r}"))
    if named not in (kind, f"Cluster{kind}"):
        findings.append(_wrong("kind", f"must be {kind!r}"))
    called = str((document.get("metadata") or {}).get("name", ""))
    if not name.match(called):
        form = "DNS label" if name is _LABEL else "DNS subdomain"
        findings.append(_wrong("metadata.name", f"{called!r} is no {form}"))
    return findings


def _storage(uri: Any, where: str) -> list[Finding]:
    if uri is None or _STORAGE.match(str(uri)):
        return []
    return [_wrong(where, f"unknown scheme: {uri}")]


def _scaling(part: Document, where: str) -> Iterator[Finding]:
    """Rules that the resource states in CEL, for what an author is likely to write."""
    scaling = part.get("scaling")
    if scaling is None:
        return
    if "replicas" in part:
        yield _wrong(f"{where}.scaling", "replicas and scaling exclude each other: leave one out")
    backend = scaling.get("wva")
    if backend is None:
        yield _wrong(f"{where}.scaling.wva", "names what scales: add it")
    elif ("hpa" in backend) == ("keda" in backend):
        yield _wrong(f"{where}.scaling.wva", "takes either hpa or keda")
    if scaling.get("minReplicas", 0) > scaling["maxReplicas"]:
        yield _wrong(f"{where}.scaling.minReplicas", "is more than maxReplicas")


def _additional_arguments(container: Document, where: str, engine_version: str | None) -> list[Finding]:
    given = [e for e in container.get("env") or () if e.get("name") == "VLLM_ADDITIONAL_ARGS"]
    words = []
    for entry in given:
        try:
            words += shlex.split(str(entry.get("value") or "").replace("$$(", "$("))
        except ValueError as error:
            return [_wrong(f"{where}.env.VLLM_ADDITIONAL_ARGS", f"a shell cannot read it: {error}")]
    words += [str(word) for word in container.get("args") or ()]
    table = load_engine("vllm", image_version(container.get("image")) or engine_version)
    return check_flags(table, words, where=f"{where}.env.VLLM_ADDITIONAL_ARGS", vendors=any_plugin())


def _containers(containers: Sequence[Document], prefix: str, engine_version: str | None) -> Iterator[Finding]:
    for where, container in _numbered(containers, prefix):
        yield from literal_secrets(container.get("env") or (), f"{where}.env")
        command, arguments = ([str(w) for w in container.get(key) or ()] for key in ("command", "args"))
        image = str(container.get("image") or "")
        words = engine_words(image, command, arguments)
        if words is not None:
            words = [word.replace("$$(", "$(") for word in words]
            yield from lint_argv(words, f"{where}.args", image_version(image) or engine_version)


def _numbered(containers: Sequence[Document], prefix: str) -> Iterator[tuple[str, Document]]:
    for number, container in enumerate(containers):
        yield f"{prefix}[{number}]", container


def _wrong(where: str, message: str) -> Finding:
    return Finding("error", "wrong_value", where, message)
