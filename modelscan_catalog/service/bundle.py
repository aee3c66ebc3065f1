"""What somebody who helps needs to know of an installation, in one zip; secrets are left out or masked."""

import json
import os
import platform
import re
import sqlite3
import sys
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from modelscan_catalog import __version__
from modelscan_catalog.errors import ModelScanError, SettingsError, StateError
from modelscan_catalog.secret_refs import resolve_secret
from modelscan_catalog.service.parts import router_dir
from modelscan_catalog.settings import Settings, load_tolerant
from modelscan_catalog.state import events, jobs, open_state, schema_version

_CREDENTIALS = re.compile(r"(?<=://)[^/?#\s\"]+@")
_IN_QUERY = re.compile(
    r"(?i)([?&][a-z0-9_.-]{0,60}(?:token|key|secret|password|sig|credential|auth)[a-z0-9_.-]{0,60}=)[^&\s\"'<>\\]+"
)
_NAMED = re.compile(
    r"(?i)((?:api[_-]?key|secret|password|token)\\?[\"']?\s?[:=]\s?\\?[\"']?)(?!env:|file:|null\b|true\b|false\b)"
    r"[^\s\"'\\,;&(]{6,}"
)
"""In what an error repeats of a document or a form; references to secrets are no secrets."""
_IN_HEADER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}")
_KEY_SHAPES = re.compile(
    r"\b(?:sk|pk|rk|hf|gh[pousr]|github_pat|glpat|xox[abeprs]|gsk|nvapi|ms|r8|AKIA|AIza)[-_]?[A-Za-z0-9_-]{16,}\b"
    r"|(?<=hooks\.slack\.com/)[^\s\"'<>]+|(?<=/webhooks/)[^\s\"'<>]+|\beyJ[\w-]+\.[\w-]+\.[\w-]*"
)
"""Keys of well-known providers and forges, addresses of webhooks, signed tokens (JWT)."""
_SECRET_WORDS = ("token", "key", "secret", "password", "credential", "webhook")
_OWN_NAMES = ("MODELSCAN_", "HF_", "HUGGINGFACE_", "MODELSCOPE_", "CATALOG_", "WEIGHTS_", "DATASTORE_")
_REFERENCE = re.compile(r'"((?:env|file):[^"\\]+)"')
_SHORTEST_SECRET = 6
"""Shorter values would be found in the middle of words."""


def write_bundle(
    target: Path, registry: Path, findings: Sequence[Mapping[str, Any]], config: Path | None = None
) -> list[str]:
    """Write ``target``; the names of the documents in it. Raises ``StateError`` when the disk refuses."""
    documents = {
        "doctor.json": list(findings),
        "versions.json": _versions(),
        "environment.json": _environment(),
        "settings.json": _settings(config),
        "registry.json": _index(registry),
        "state.json": _state(config),
    }
    references = set(_REFERENCE.findall(json.dumps(documents["settings.json"], default=str)))
    beside = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as bundle:
            for name, document in documents.items():
                text = json.dumps(document, indent=1, sort_keys=True, default=str)
                bundle.writestr(name, masked(text, references))
        beside.replace(target)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise StateError(f"{target}: the bundle cannot be written: {error.strerror}") from error
    return sorted(documents)


def masked(text: str, references: Iterable[str] = ()) -> str:
    """``text`` without what may be a secret.

    That is: credentials in addresses, also in their queries and of webhooks; tokens in headers; what is
    called a key or a password; texts in the shape of known keys; the values of variables that may be
    secrets, and of ``references``.
    """
    known = {value: f"(the value of {name})" for name, value in os.environ.items() if _may_be_secret(name)}
    for reference in references:
        with suppress(SettingsError):
            known.setdefault(resolve_secret(reference), f"(the value of {reference})")
    for value, instead in sorted(known.items(), key=lambda pair: -len(pair[0])):
        if len(value) >= _SHORTEST_SECRET:
            text = text.replace(json.dumps(value)[1:-1], instead)
    text = _CREDENTIALS.sub("(credentials)@", text)
    text = _IN_QUERY.sub(r"\1(secret)", text)
    text = _IN_HEADER.sub(r"\1 (secret)", text)
    text = _NAMED.sub(r"\1(secret)", text)
    return _KEY_SHAPES.sub("(a key)", text)


def _may_be_secret(name: str) -> bool:
    return any(word in name.lower() for word in _SECRET_WORDS)


def _versions() -> dict[str, Any]:
    installed = {found.metadata["Name"]: found.version for found in distributions()}
    return {
        "modelscan-catalog": __version__,
        "python": sys.version,
        "platform": platform.platform(),
        "sqlite": sqlite3.sqlite_version,
        "packages": installed,
    }


def _environment() -> dict[str, str]:
    """Names that are set; the value only where it is ModelScan's own and is no secret."""
    told = {}
    for name, value in os.environ.items():
        if name.startswith(_OWN_NAMES):
            told[name] = "(set)" if _may_be_secret(name) else value
    return told


def _settings(config: Path | None) -> dict[str, Any]:
    try:
        loaded = load_tolerant(config)
    except ModelScanError as error:
        return {"refused": str(error)}
    return {"settings": loaded.settings.model_dump(mode="json"), "warnings": loaded.warnings}


def _index(registry: Path) -> dict[str, Any]:
    from modelscan_catalog.publish.registry import read_index, verify_published

    try:
        index, faults = read_index(registry), verify_published(registry)
    except ModelScanError as error:
        return {"refused": str(error)}
    told = index.model_dump(mode="json", exclude={"files"}) if index is not None else {}
    return {"place": str(registry), "index": told, "faults": faults[:50]}


def _state(config: Path | None) -> dict[str, Any]:
    """Versions, sizes, and the newest jobs and events without what was asked of them."""
    try:
        settings = load_tolerant(config).settings
    except ModelScanError:
        settings = Settings()
    path = settings.state_file
    told: dict[str, Any] = {"path": str(path), "router_files": _sizes(router_dir(settings))}
    if not path.is_file():
        return told | {"exists": False}
    try:
        with open_state(path) as state:
            names = ("id", "kind", "subject", "state", "step", "error", "created_at", "ended_at")
            told |= {
                "schema": schema_version(state),
                "jobs": [{name: getattr(one, name) for name in names} for one in jobs(state, limit=50)],
                "events": [
                    {"at": one.at, "kind": one.kind, "subject": one.subject}
                    for one in events(state, limit=200, newest_first=True)
                ],
            }
    except StateError as error:
        told["refused"] = str(error)
    return told


def _sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in sorted(folder.glob("*")) if path.is_file()}
