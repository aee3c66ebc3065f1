"""Lints manifest and catalogue files of any origin, whichever target they are for."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from modelscan_catalog.manifests.findings import Finding
from modelscan_catalog.manifests.lint import ManifestKind, lint_manifest

MAX_FILE_BYTES = 16 * 1024 * 1024
MAX_VALUES = 500_000
"""Values a document may unfold to: YAML aliases can make gigabytes of a kilobyte."""

_KINDS: dict[str, ManifestKind] = {
    "ClusterServingRuntime": "kserve_servingruntime",
    "InferenceService": "kserve_inferenceservice",
    "LLMInferenceService": "kserve_llminferenceservice",
    "NetworkPolicy": "network_policy",
    "ServingRuntime": "kserve_servingruntime",
    "Workspace": "kaito_workspace",
    "modelscan-airgap-bundle": "airgap_bundle",
}
_COMMANDS: dict[str, ManifestKind] = {
    "sglang.launch_server": "sglang_command",
    "vllm serve": "vllm_command",
    "vllm.entrypoints.openai.api_server": "vllm_command",
}
"""What a shell line that starts an engine has in it."""
_SUFFIXES = {".yaml", ".yml", ".json", ".sh"}
_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, order=True)
class FileFinding:
    """A finding and the file it is in; ``kind`` is null where the file is of no known kind."""

    path: str
    kind: ManifestKind | None
    finding: Finding

    def __str__(self) -> str:
        return f"{self.path}: {self.finding}"


def lint_files(paths: Iterable[Path]) -> list[FileFinding]:
    """Findings of every document in ``paths``, in file order; directories are searched for YAML, JSON
    and shell files; of a shell file, the lines that start an engine are read.

    A file that cannot be read, parsed or recognized is a finding, never an exception.
    """
    found: list[FileFinding] = []
    for path in paths:
        files = _files_of(path)
        if not files:
            found.append(_unchecked(path, "nothing_to_check", "has no YAML, JSON or shell file in it"))
        for file in files:
            found.extend(_lint_file(file))
    return found


def kind_of(document: Any) -> ManifestKind | None:
    """Which target ``document`` is for, by its own words."""
    if isinstance(document, str):
        return next((kind for starter, kind in _COMMANDS.items() if starter in document), None)
    if not isinstance(document, dict):
        return None
    if isinstance(document.get("kind"), str) and document["kind"] in _KINDS:
        return _KINDS[document["kind"]]
    if "model_sets" in document:
        return "gpustack_catalogue"
    if isinstance(document.get("services"), dict):
        return "compose"
    if "source" in document and "name" in document:
        return "gpustack_model"
    return None


def _files_of(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if file.suffix in _SUFFIXES and file.is_file())


def _lint_file(path: Path) -> Iterator[FileFinding]:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            yield _refused(path, "too_large", f"is larger than {MAX_FILE_BYTES // 2**20} MiB: split it")
            return
        documents = _documents(path)
    except (OSError, UnicodeDecodeError) as error:
        yield _refused(path, "unreadable", f"cannot be read: {error}")
        return
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        message = " ".join(str(error).split())
        yield _refused(path, "malformed", f"is neither YAML nor JSON: {message[:300]}")
        return
    if not documents:
        what = "starts no engine" if path.suffix == ".sh" else "is empty"
        yield _unchecked(path, "nothing_to_check", f"{what}, so nothing was checked")
    for number, document in enumerate(documents):
        prefix = f"document {number + 1}: " if len(documents) > 1 else ""
        kind = kind_of(document)
        if kind is None and _is_kubernetes(document):
            what = f"{prefix}{document['kind']} of {document['apiVersion']} is not checked"
            yield _unchecked(path, "not_checked", what)
        elif kind is None:
            yield _refused(
                path,
                "unknown_kind",
                f"{prefix}is no GPUStack model or catalogue, no compose file, and none of "
                f"{', '.join(sorted(_KINDS))}",
            )
        elif not _unfolds_within(document, MAX_VALUES):
            yield _refused(path, "too_large", f"{prefix}unfolds to more than {MAX_VALUES} values")
        else:
            for finding in lint_manifest(kind, document):
                where = f"{prefix}{finding.where}"
                yield FileFinding(
                    str(path), kind, Finding(finding.severity, finding.code, where, finding.message)
                )


def _documents(path: Path) -> list[Any]:
    text = path.read_text("utf-8")
    if path.suffix == ".sh":
        lines = text.replace("\\\n", " ").splitlines()
        return [line for line in lines if not line.lstrip().startswith("#") and kind_of(line)]
    if path.suffix == ".json":
        return [json.loads(text)]
    return [document for document in yaml.load_all(text, Loader=_SafeLoader) if document is not None]


def _is_kubernetes(document: Any) -> bool:
    if not isinstance(document, dict):
        return False
    return all(isinstance(document.get(key), str) for key in ("apiVersion", "kind"))


def _unfolds_within(document: Any, limit: int) -> bool:
    waiting, seen = [document], 0
    while waiting:
        value = waiting.pop()
        seen += 1
        if seen + len(waiting) > limit:
            return False
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return True


def _unchecked(path: Path, code: str, message: str) -> FileFinding:
    return FileFinding(str(path), None, Finding("warning", code, "file", message))


def _refused(path: Path, code: str, message: str) -> FileFinding:
    return FileFinding(str(path), None, Finding("error", code, "file", message))
