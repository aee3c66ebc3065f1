"""What somebody who helps needs to know of an installation, in one zip; secrets are left out or masked."""

import json
import os
import platform
import re
import sqlite3
import sys
import zipfile
from collections.abc import Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from modelscan_catalog import __version__
from modelscan_catalog.errors import ModelScanError, StateError
from modelscan_catalog.service.parts import router_dir
from modelscan_catalog.settings import Settings, load_tolerant
from modelscan_catalog.state import events, jobs, open_state, schema_version

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
_SECRET_WORDS = ("token", "key", "secret", "password", "credential", "webhook")
_OWN_NAMES = ("MODELSCAN_", "HF_", "HUGGINGFACE_", "MODELSCOPE_", "CATALOG_", "WEIGHTS_", "DATASTORE_")
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
    beside = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as bundle:
            for name, document in documents.items():
                bundle.writestr(name, masked(json.dumps(document, indent=1, sort_keys=True, default=str)))
        beside.replace(target)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise StateError(f"{target}: the bundle cannot be written: {error.strerror}") from error
    return sorted(documents)


def masked(text: str) -> str:
    """``text`` without credentials in addresses, and without the values of variables that may be secrets."""
    for name, value in sorted(os.environ.items(), key=lambda pair: -len(pair[1])):
        if len(value) >= _SHORTEST_SECRET and _may_be_secret(name):
            text = text.replace(json.dumps(value)[1:-1], f"(the value of {name})")
    return _CREDENTIALS.sub("(credentials)@", text)


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
