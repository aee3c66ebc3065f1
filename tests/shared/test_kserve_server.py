"""The KServe client against a real Kubernetes API server with KServe's CRDs.

Started by ``make test-kserve``; skips where no lab is. With MODELSCAN_RECORD=1 the exchanges that the unit
tests replay are recorded anew.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from modelscan_catalog.deploy.kserve import KINDS
from modelscan_catalog.deploy.kserve_api import Cluster, connect
from modelscan_catalog.settings import REPOSITORY_ROOT

# The claims lie beside the unit tests, which are no package.
sys.path.append(str(REPOSITORY_ROOT / "tests" / "unit" / "deploy"))
pytest.register_assert_rewrite("kserve_claims")
_claims = import_module("kserve_claims")
_exchanges = import_module("kserve_exchanges")

SHARED = Path(os.environ.get("MODELSCAN_SHARED", REPOSITORY_ROOT.parent / "shared"))
LAB = SHARED / "lab" / "kube.sh"
RECORD = os.environ.get("MODELSCAN_RECORD") == "1"
pytestmark = [pytest.mark.shared, pytest.mark.skipif(not LAB.is_file(), reason=f"NO LAB: {LAB} is missing")]


@pytest.fixture(scope="module")
def server() -> str:
    """Path of the kubeconfig of a running lab."""
    if subprocess.run([LAB, "status"], capture_output=True, check=False).returncode:
        pytest.skip(f'NO API SERVER: run `make test-kserve`, or eval "$({LAB} up --all)"')
    shown = subprocess.run([LAB, "up", "--all"], capture_output=True, text=True, check=True, timeout=120)
    return shown.stdout.strip().removeprefix("export KUBECONFIG=")


@pytest.fixture
def at(server: str) -> Iterator[str]:
    """The one namespace that the lab has, empty."""
    _empty(connect(server), "default")
    yield "default"
    _empty(connect(server), "default")


def _empty(cluster: Cluster, namespace: str) -> None:
    for kind in (*KINDS, _claims.RUNTIME):
        for found in cluster.list(kind, namespace):
            cluster.delete(kind, namespace, found["metadata"]["name"], found["metadata"]["uid"])


@pytest.mark.parametrize("claim", _claims.CLAIMS, ids=lambda claim: claim.__name__)
def test_on_the_real_server(claim: Any, server: str, at: str, tmp_path: Path) -> None:
    if not RECORD:
        claim(connect(server), at)
        return
    recorder = _exchanges.Recorder(connect(server).server)
    with recorder.running():
        claim(connect(_exchanges.kubeconfig(tmp_path, recorder.url)), at)
    recorder.write(claim.__name__)
