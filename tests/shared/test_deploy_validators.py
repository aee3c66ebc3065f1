"""deploy/ as other tools read it: docker compose, hadolint, haproxy, kustomize, Kubernetes' own schemas.

`make test-deploy` installs hadolint and kubernetes-validate; kubectl, haproxy and docker-compose are Debian
packages, and said to be missing where they are not on PATH.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from modelscan_catalog.settings import REPOSITORY_ROOT

DEPLOY = REPOSITORY_ROOT / "deploy"
pytestmark = pytest.mark.shared


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"NOT CHECKED: there is no {name} on PATH")
    return found


def run(*words: str | Path, code: int = 0) -> str:
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    assert run(tool("hadolint"), DEPLOY / "Dockerfile") == ""


@pytest.mark.parametrize("files", [("compose.yaml",), ("compose.yaml", "compose.production.yaml")])
def test_docker_compose_takes_the_files(files: tuple[str, ...]) -> None:
    named = [word for name in files for word in ("--file", DEPLOY / name)]
    run(tool("docker-compose"), *named, "--profile", "pipeline", "config", "--quiet")


def test_haproxy_takes_its_configuration(tmp_path: Path) -> None:
    # Outside of the network the names do not resolve, which init-addr none allows.
    run(tool("haproxy"), "-c", "-f", DEPLOY / "haproxy.cfg")


@pytest.mark.parametrize("version", ["1.30.0", "1.37.0"])
@pytest.mark.parametrize("folder", ["k8s", "k8s-kserve"])
def test_the_rendered_manifests_have_no_field_that_kubernetes_does_not_know(
    tmp_path: Path, folder: str, version: str
) -> None:
    validate = tool("kubernetes-validate")
    rendered = run(tool("kubectl"), "kustomize", DEPLOY / folder)
    path = tmp_path / "all.yaml"
    path.write_text(rendered)
    told = run(validate, "--strict", "-k", version, path)
    assert told.count(" passed for resource ") == rendered.count("\nkind: ")
    assert "image: modelscan:" in rendered
    assert ("automountServiceAccountToken: true" in rendered) == (folder == "k8s-kserve")
    path.write_text(rendered.replace("readOnlyRootFilesystem", "readOnlyRootFileSystem"))
    assert "readOnlyRootFileSystem" in run(validate, "--strict", "-k", version, path, code=1)


def test_a_server_side_dry_run_takes_them_where_a_cluster_is_named() -> None:
    """A whole cluster with pods and admission: the lab's server has custom resources alone."""
    if os.environ.get("DEPLOY_CLUSTER") != "1":
        pytest.skip("NOT CHECKED: DEPLOY_CLUSTER=1 has the cluster of KUBECONFIG dry-run deploy/k8s")
    run(tool("kubectl"), "apply", "--dry-run=server", "--validate=strict", "-k", DEPLOY / "k8s")
