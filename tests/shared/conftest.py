"""The replay server of real recorded sources, found beside the checkout or through MODELSCAN_SHARED."""

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from modelscan_catalog.records import SourceName
from modelscan_catalog.settings import REPOSITORY_ROOT

SHARED = Path(os.environ.get("MODELSCAN_SHARED", REPOSITORY_ROOT.parent / "shared"))
SERVER = SHARED / "mirror" / "serve.py"

IN_MIRROR: dict[SourceName, str] = {
    "models_dev": "models.dev",
    "gpustack": "gpustack-raw",
    "modelscope": "modelscope",
    "huggingface": "huggingface",
}


@dataclass
class Mirror:
    url: str

    def call(self, path: str, method: str = "GET", value: Any = None) -> Any:
        data = json.dumps(value).encode() if value is not None else None
        request = urllib.request.Request(self.url + path, data=data, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def stats(self, source: SourceName) -> dict[str, Any]:
        return dict(self.call("/_stats")["sources"][IN_MIRROR[source]])

    def fault(self, source: SourceName, kind: str) -> None:
        self.call("/_faults", "DELETE")
        self.call("/_stats", "DELETE")
        seconds = 2 if kind == "429" else 6
        self.call("/_faults", "POST", {"source": IN_MIRROR[source], "kind": kind, "seconds": seconds})


@contextmanager
def running(*options: str) -> Iterator[Mirror]:
    command = [sys.executable, str(SERVER), "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            base = next(
                found[1]
                for line in process.stdout
                if (found := re.search(r"(http://[^/\s]+)/models\.dev", line))
            )
            yield Mirror(base)
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def mirror() -> Iterator[Mirror]:
    with running() as started:
        yield started
