"""How other programs name installed weights: a claim's URI, and the path inside a serving container."""

from pathlib import PurePosixPath

from modelscan_catalog.deploy.weights.records import Install
from modelscan_catalog.settings import Settings


def storage_uri(settings: Settings, name: str) -> str | None:
    """``pvc://claim/path`` of the install ``name``; None where no claim is named."""
    return f"pvc://{settings.weights_pvc}/{name}" if settings.weights_pvc else None


def inference_model_path(settings: Settings, name: str, install: Install | None = None) -> str:
    """Where a serving container finds the install: its folder, or its file where that is one GGUF model."""
    root = settings.inference_model_root or settings.weights_dir.as_posix()
    folder = PurePosixPath(root) / name
    models = [file.path for file in install.files if file.path.endswith(".gguf")] if install else []
    others = (
        [file.path for file in install.files if file.path.endswith((".safetensors", ".bin"))]
        if install
        else []
    )
    first = [path for path in models if "-00001-of-" in path] or models
    return str(folder / first[0]) if len(first) == 1 and not others else str(folder)


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
        "inferenceModelPath": inference_model_path(settings, install.name, install),
    }
