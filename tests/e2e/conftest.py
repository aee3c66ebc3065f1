"""One whole offline build that the end-to-end tests share."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Built:
    """A finished build: where it published and what it printed."""

    published: Path
    output: str
    exit_code: int


Builder = Callable[..., Built]


@pytest.fixture(scope="session")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    """Run ``modelscan build`` as a user would, with a data directory of the tests' own."""
    home = tmp_path_factory.mktemp("build")

    def build(*arguments: str, **environment: str) -> Built:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("MODELSCAN_", "HF_"))
        }
        kept |= {"MODELSCAN_DATA_DIR": str(home / "data"), "COLUMNS": "120"} | environment
        kept.pop("DAGSTER_HOME", None)
        published = home / "published"
        done = subprocess.run(
            [Path(sys.executable).with_name("modelscan"), "build", "--out", str(published), *arguments],
            env=kept,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        return Built(published, done.stdout + done.stderr, done.returncode)

    return build


@pytest.fixture(scope="session")
def built(builder: Builder) -> Built:
    """The first build, offline, from the embedded snapshot."""
    return builder("--offline")
