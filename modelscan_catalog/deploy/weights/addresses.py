"""How other programs name installed weights: a claim's URI, and the path inside a serving container."""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from modelscan_catalog.deploy.weights.records import Install
from modelscan_catalog.settings import Settings

_LATER_PART = re.compile(r"-(?!00001-)\d{5}-of-\d{5}\.gguf$")


def storage_uri(settings: Settings, name: str) -> str | None:
    """``pvc://claim/path`` of the install ``name``; None where no claim is named."""
    return f"pvc://{settings.weights_pvc}/{name}" if settings.weights_pvc else None


def inference_model_path(settings: Settings, name: str, paths: Iterable[str] = ()) -> str:
    """Where a serving container finds the install: its folder, or its file where that is one GGUF model.

    ``paths`` are the install's files.
    """
    root = settings.inference_model_root or settings.weights_dir.as_posix()
    folder = PurePosixPath(root) / name
    weights = [path for path in paths if path.endswith((".gguf", ".safetensors", ".bin"))]
    first = [path for path in weights if not _LATER_PART.search(path)]
    return str(folder / first[0]) if len(first) == 1 and first[0].endswith(".gguf") else str(folder)


def described(settings: Settings, install: Install) -> dict[str, object]:
    """An install as the API and ``--json`` show it, without its list of files."""
    return {
        "name": install.name,
        "hub": install.hub,
        "repo": install.repo,
        "revision": install.revision,
        "asked": list(install.asked),
        "source": install.source,
        "installed_at": install.installed_at,
        "files": len(install.files),
        "bytes": install.bytes,
        "storageUri": storage_uri(settings, install.name),
        "inferenceModelPath": inference_model_path(
            settings, install.name, (file.path for file in install.files)
        ),
    }
