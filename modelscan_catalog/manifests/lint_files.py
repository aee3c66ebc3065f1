"""Lints manifest and catalogue files of any origin, whichever target they are for."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from modelscan_catalog.manifests.findings import Finding
from modelscan_catalog.manifests.lint import ManifestKind, lint_manifest
from modelscan_catalog.manifests.lint_argv import literal_secrets
from modelscan_catalog.manifests.lint_shell import (
    SERVERS,
    assignments,
    engine_commands,
    logical_lines,
    starts_at,
)

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
_COMMANDS: dict[str, ManifestKind] = {"sglang": "sglang_command", "vllm": "vllm_command"}
_TEMPLATE = re.compile(r"\{\{-?\s*(if|end|range|with|include|template|define|\.|\$)")
"""Expressions of Helm and other Go templates."""
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
        return _kind_of_line(document)
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


def _kind_of_line(line: str) -> ManifestKind | None:
    try:
        command = next(iter(engine_commands(line)), None)
    except ValueError:  # a quotation that is not closed: told where it starts an engine
        command = line.split() if "vllm" in line or "sglang" in line else None
    if command is None or starts_at(command) is None:
        return None
    module = next((word for word in command if word in SERVERS), None)
    return _COMMANDS[SERVERS[module] if module else "vllm"]


def _files_of(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if file.suffix in _SUFFIXES and file.is_file())


def _lint_file(path: Path) -> Iterator[FileFinding]:
    try:
        with path.open("rb") as stream:  # at most so much, of a pipe or a device too
            content = stream.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            yield _refused(path, "too_large", f"is larger than {MAX_FILE_BYTES // 2**20} MiB: split it")
            return
        text = content.decode("utf-8")
        documents = _documents(path, text)
    except (OSError, UnicodeDecodeError) as error:
        yield _refused(path, "unreadable", f"cannot be read: {error}")
        return
    except _RepeatedKeyError as error:
        yield _refused(path, "repeated_key", str(error))
        return
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if _TEMPLATE.search(text):
            yield _refused(
                path, "malformed", "is a template ({{ … }}): render it first, as with helm template"
            )
            return
        message = " ".join(str(error).split())
        yield _refused(path, "malformed", f"is neither YAML nor JSON: {message[:300]}")
        return
    if path.suffix == ".sh":
        yield from _secrets(path, text)
    if not documents:
        what = "starts no engine" if path.suffix == ".sh" else "is empty"
        yield _unchecked(path, "nothing_to_check", f"{what}, so nothing was checked")
    for number, document in documents:
        prefix = f"document {number}: " if len(documents) > 1 else ""
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


def _documents(path: Path, text: str) -> list[tuple[int, Any]]:
    """Documents with their places in the file; a List of Kubernetes is the documents that it holds."""
    if path.suffix == ".sh":
        lines = [line for _, line in logical_lines(text) if kind_of(line)]
        return list(enumerate(lines, 1))
    if path.suffix == ".json":
        read = [json.loads(text, object_pairs_hook=_without_repeats)]
    else:
        read = list(yaml.load_all(text, Loader=_Loader))
    held = [item for document in read for item in _items(document)]
    return [(number, document) for number, document in enumerate(held, 1) if document is not None]


def _items(document: Any) -> list[Any]:
    if _is_kubernetes(document) and document["kind"] == "List" and isinstance(document.get("items"), list):
        return list(document["items"])
    return [document]


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _RepeatedKeyError(f"{twice!r} is given twice in one object: keep one")
    return found


class _RepeatedKeyError(ValueError):
    """Readers keep one of two values without a word; Kubernetes' strict one refuses both."""


class _Loader(_SafeLoader):  # type: ignore[misc]
    """Refuses keys that are given twice, of which YAML's readers keep one without a word."""


def _mapping(loader: Any, node: Any) -> dict[Any, Any]:
    seen: set[str] = set()
    for key, _ in node.value:
        if key.tag == "tag:yaml.org,2002:str" and key.value in seen:
            line = key.start_mark.line + 1
            raise _RepeatedKeyError(
                f"{key.value!r} is given twice in one mapping, again in line {line}: keep one"
            )
        seen.add(key.value if isinstance(key.value, str) else "")
    loader.flatten_mapping(node)
    return dict(loader.construct_mapping(node, deep=True))


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def _secrets(path: Path, text: str) -> Iterator[FileFinding]:
    for number, name, value in assignments(text):
        for finding in literal_secrets([{"name": name, "value": value}], f"line {number}"):
            yield FileFinding(str(path), None, finding)


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
