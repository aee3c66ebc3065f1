"""Weights that are on this machine already: in a named directory, installed, or in a hub client's cache."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from modelscan_catalog.deploy.weights.library import find_local
from modelscan_catalog.errors import FitInputError
from modelscan_catalog.fit.checkpoints import CheckpointFacts, StoredConfig, fit_variant
from modelscan_catalog.fit.matrix_terms import FitVariant
from modelscan_catalog.fit.published import Row
from modelscan_catalog.settings import load_settings

MOST_JSON_BYTES = 64_000_000
"""The index of the largest published checkpoints has a tenth of this."""
_INDEX = "model.safetensors.index.json"


def downloaded_copy(row: Row) -> Path | None:
    """A complete copy of a checkpoint: installed, else in the hubs' caches; the listed revision first."""
    places = [
        *_installed(row),
        *(_huggingface(str(row["repo"]), row.get("revision")) if row.get("hub") == "huggingface" else ()),
        *_modelscope(str(row.get("modelscope_repo") or row["repo"])),
    ]
    return next((place for place in places if is_complete(place)), None)


def is_complete(directory: Path) -> bool:
    """Whether a configuration and every weight file that its index names (without one, any) are there."""
    if not (directory / "config.json").is_file():
        return any(_weight_files(directory, "*.gguf"))
    try:
        index = _object(directory / _INDEX) if (directory / _INDEX).is_file() else {}
    except FitInputError:
        return False
    named = index.get("weight_map")
    if isinstance(named, Mapping) and named:
        return all(_is_file(directory, name) for name in set(map(str, named.values())))
    return any(_weight_files(directory, "*.safetensors"))


def local_checkpoint(directory: Path, model_id: str) -> FitVariant:
    """The checkpoint of a directory by its own files; its id is the path.

    Raises `FitInputError` (field `local_path`) for a directory without a readable configuration and weights.
    """
    if not directory.is_dir():
        raise FitInputError(f"local_path: {directory} is no directory", field="local_path")
    if not is_complete(directory):
        raise FitInputError(
            f"local_path: {directory} lacks config.json or weight files (*.safetensors); finish the download",
            field="local_path",
        )
    quant = directory / "hf_quant_config.json"
    facts = CheckpointFacts(
        id=str(directory),
        model=model_id,
        repo=str(directory),
        weights_bytes=sum(path.stat().st_size for path in _weight_files(directory, "*.safetensors")) or None,
    )
    config = _object(directory / "config.json")
    variant, why = fit_variant(facts, StoredConfig(config, _object(quant) if quant.is_file() else None))
    if variant.scheme is None:
        raise FitInputError(f"local_path: {directory}/config.json: {why}", field="local_path")
    return variant


def _installed(row: Row) -> Iterator[Path]:
    """Where `modelscan weights install` put it, from either hub."""
    root = load_settings().weights_dir
    for repo in (row["repo"], row.get("modelscope_repo")):
        for revision in (row.get("revision"), None):
            if repo and (found := find_local(str(repo), revision, root)) is not None:
                yield found


def _huggingface(repo: str, revision: str | None) -> Iterator[Path]:
    """Snapshots of a repository where huggingface_hub puts them: `models--owner--name/snapshots/<commit>`."""
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    cache = Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()
    snapshots = cache / f"models--{repo.replace('/', '--')}" / "snapshots"
    found = sorted(snapshots.iterdir()) if snapshots.is_dir() else []
    yield from sorted(found, key=lambda path: path.name != revision)


def _modelscope(repo: str) -> Iterator[Path]:
    """Where ModelScope's clients put a repository: snapshots like HuggingFace's, or the bare files.

    The older client wrote `___` for a dot in names.
    """
    cache = Path(os.environ.get("MODELSCOPE_CACHE") or "~/.cache/modelscope").expanduser()
    standard = cache / "models" / repo.replace("/", "--") / "snapshots"
    if standard.is_dir():
        yield from sorted(standard.iterdir())
    for name in dict.fromkeys((repo, repo.replace(".", "___"))):
        for root in (cache, cache / "models", cache / "hub", cache / "hub" / "models"):
            if (root / name).is_dir():
                yield root / name


def _weight_files(directory: Path, pattern: str) -> Iterator[Path]:
    return (path for path in directory.glob(pattern) if path.is_file())


def _is_file(directory: Path, name: str) -> bool:
    """Whether a file that an index names is there; names that leave the directory are not."""
    return not Path(name).is_absolute() and ".." not in Path(name).parts and (directory / name).is_file()


def _object(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MOST_JSON_BYTES:
            raise ValueError("it is too large")
        found = json.loads(path.read_bytes())
        if not isinstance(found, dict):
            raise ValueError("it is no JSON object")
    except (OSError, ValueError, RecursionError) as error:
        raise FitInputError(
            f"local_path: {path} cannot be read ({str(error)[:80]})", field="local_path"
        ) from error
    return found
