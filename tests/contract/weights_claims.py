"""What the claims about weights share: a tiny repository, settings, and what a whole install is."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from weights_hub_server import FakeHub, sha256

from modelscan_catalog.deploy.weights import (
    Install,
    InstallRequest,
    install_weights,
    list_installs,
)
from modelscan_catalog.deploy.weights.library import (
    directory_of,
    partials,
)
from modelscan_catalog.deploy.weights.operations import new_install_job, run_install_job
from modelscan_catalog.errors import ModelScanError
from modelscan_catalog.settings import Settings, load_settings
from modelscan_catalog.state import job as read_job
from modelscan_catalog.state import open_state
from modelscan_catalog.state.jobs import Job

REPO = "acme/tiny"
WEIGHTS = "model.safetensors"
CONTENT = random.Random(3).randbytes(16 * 1024 * 1024)
FILES = {
    WEIGHTS: CONTENT,
    "config.json": b'{"architectures": ["Qwen3ForCausalLM"]}',
    "tokenizer.json": b'{"version": "1.0"}',
    "tokenizer_config.json": b"{}",
    "chat_template.jinja": b"{{ messages }}",
    "README.md": b"# tiny",
    "pytorch_model.bin": b"pickle",
    "original/consolidated.00.pth": b"pickle",
    "onnx/model.onnx": b"graph",
}
NEEDED = {WEIGHTS, "config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}
HELD = 12 * 1024 * 1024
"""Where answers pause: HuggingFace's client writes in steps of 10 MiB."""
both_hubs = pytest.mark.parametrize("name", ["huggingface", "modelscope"])


@contextmanager
def tiny_hub() -> Iterator[FakeHub]:
    """A hub that has ``REPO``."""
    found = FakeHub()
    found.add(REPO, FILES)
    try:
        yield found
    finally:
        found.close()


def settings_for(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a machine without tokens whose hubs are ``hub`` and whose home must stay empty."""
    for variable in ("HF_TOKEN", "HUGGINGFACE_API_TOKEN", "SLACK_WEBHOOK_URL", "WEIGHTS_STORAGE_PATH"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return load_settings(data_dir=tmp_path / "data", huggingface_url=hub.url, modelscope_url=hub.url)


def request(name: str, **more: Any) -> InstallRequest:
    return InstallRequest.model_validate({"hub": name, "repo": REPO, **more})


def silent(**_: object) -> None:
    """A report that nobody reads."""


def listed(settings: Settings) -> list[Install]:
    installs, problems = list_installs(settings.weights_dir)
    assert problems == []
    return installs


def assert_whole(settings: Settings, install: Install) -> None:
    assert listed(settings) == [install]
    assert {file.path: file.sha256 for file in install.files} == {
        path: sha256(FILES[path]) for path in NEEDED
    }
    folder = directory_of(settings.weights_dir, install)
    assert {path: (folder / path).read_bytes() for path in NEEDED} == {path: FILES[path] for path in NEEDED}
    assert partials(settings.weights_dir) == []


def assert_fails_then_converges(
    settings: Settings, wanted: InstallRequest, mend: Any, kind: type[ModelScanError], says: str
) -> None:
    """The install fails with ``says`` and lists nothing; once mended, the same request installs."""
    with pytest.raises(kind, match=says):
        install_weights(settings, wanted, silent)
    assert listed(settings) == []
    mend()
    assert_whole(settings, install_weights(settings, wanted, silent))


def started(settings: Settings, wanted: InstallRequest) -> tuple[Job, threading.Thread]:
    job = new_install_job(settings, wanted)
    thread = threading.Thread(target=run_install_job, args=(settings, job, "test"))
    thread.start()
    return job, thread


def now(settings: Settings, job: Job) -> Job:
    with open_state(settings.state_file) as connection:
        return read_job(connection, job.id)
