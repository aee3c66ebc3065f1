"""Claims about deploy/: what the images hold, who they run as, and that every name and path in it exists."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelscan_catalog.router.app import Router
from modelscan_catalog.service.service import is_routers
from modelscan_catalog.settings import REPOSITORY_ROOT, Settings
from modelscan_catalog.settings.load import variables_of

DEPLOY = REPOSITORY_ROOT / "deploy"
PROJECT = tomllib.loads((REPOSITORY_ROOT / "pyproject.toml").read_text("utf-8"))["project"]
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
NOT_SETTINGS = {"PATH", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "HOME", "DAGSTER_HOME"}
TARGETS = ("serve", "router", "dagster")


class _Loader(yaml.SafeLoader):
    """Reads compose files, whose ``!reset`` takes a value of the file below away."""


_Loader.add_constructor("!reset", lambda loader, node: None)


def compose(name: str) -> dict[str, Any]:
    return yaml.load((DEPLOY / name).read_text("utf-8"), _Loader)


ONE_MACHINE, PRODUCTION = compose("compose.yaml"), compose("compose.production.yaml")
SERVICES = {
    name: (ONE_MACHINE["services"].get(name) or {}) | (PRODUCTION["services"].get(name) or {})
    for name in ONE_MACHINE["services"] | PRODUCTION["services"]
}


def stages() -> dict[str, list[str]]:
    """The instructions of each stage of the Dockerfile."""
    found: dict[str, list[str]] = {}
    for line in DOCKERFILE.splitlines():
        if line.startswith("FROM "):
            found[line.split()[-1]] = here = [line]
        elif line and line[0].isupper() and found:
            here.append(line)
    return found


def lineage(target: str) -> Iterator[str]:
    """The instructions that make an image, from those of its base on."""
    instructions = stages()[target]
    base = instructions[0].split()[1]
    if base in stages():
        yield from lineage(base)
    yield from instructions


def listed(*names: str) -> set[str]:
    lines = [
        line for name in names for line in (DEPLOY / "packages" / f"{name}.txt").read_text().splitlines()
    ]
    return {line for line in lines if line and not line.startswith("#")}


def test_the_lists_of_packages_are_what_the_images_need() -> None:
    done = subprocess.run(
        [sys.executable, str(DEPLOY / "list_packages.py")], capture_output=True, text=True, timeout=120
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_an_image_that_serves_has_nothing_of_the_pipeline_and_the_router_next_to_nothing() -> None:
    assert not listed("router", "serve") & {"dagster", "dagster-webserver", "matplotlib", "pandas"}
    assert not listed("router") & {"duckdb", "pyarrow", "numpy", "fastapi", "kubernetes"}
    assert f" {len(listed('router'))} packages" in (REPOSITORY_ROOT / "docs" / "containers.md").read_text()
    assert {"duckdb", "pyarrow", "numpy", "fastapi", "kubernetes"} <= listed("serve")
    assert {"dagster", "dagster-webserver", "matplotlib", "pandas"} <= listed("dagster")


@pytest.mark.parametrize(
    "names", [("router",), ("router", "serve"), ("router", "serve", "dagster"), ("build",)]
)
def test_every_package_of_an_image_is_pinned_by_hashes_in_the_lock(names: tuple[str, ...]) -> None:
    lists = [str(DEPLOY / "packages" / f"{name}.txt") for name in names]
    command = [sys.executable, str(DEPLOY / "locked.py"), str(REPOSITORY_ROOT / "requirements.lock"), *lists]
    part = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    pins = {re.split(r"[\[=]", line)[0] for line in part.splitlines() if "==" in line}
    assert pins == listed(*names)
    assert all(block.count("--hash=sha256:") for block in re.split(r"\n(?=\S)", part.strip()))


def test_a_package_that_the_lock_does_not_have_ends_the_build_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("# a remark\nclick\nno-such-package\n")
    command = [sys.executable, str(DEPLOY / "locked.py"), str(REPOSITORY_ROOT / "requirements.lock")]
    done = subprocess.run([*command, str(tmp_path / "names.txt")], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.strip()) == (1, "not in the lock: no-such-package")


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_runs_as_nobody_in_particular_and_has_no_compiler(target: str) -> None:
    instructions = list(lineage(target))
    users = [line.split()[1] for line in instructions if line.startswith("USER ")]
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", users[-1])
    installed = {
        word
        for line in instructions
        if "apt-get install" in line
        for word in line.partition("--no-install-recommends")[2].partition("&&")[0].split()
    }
    assert installed == {"ca-certificates", "python3"}
    assert not [line for line in instructions if line.startswith("ADD ")]
    assert any(line.startswith("HEALTHCHECK ") for line in instructions)


def test_everything_that_the_build_copies_is_there_and_in_its_context() -> None:
    kept = {
        line.removeprefix("!")
        for line in (REPOSITORY_ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = [
        source
        for line in DOCKERFILE.splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    ]
    assert copied
    for source in copied:
        assert (REPOSITORY_ROOT / source).exists(), source
        assert any(source == one or source.startswith(f"{one}/") for one in kept), source
    assert [one for one in kept if not (REPOSITORY_ROOT / one).exists()] == []


def test_images_bear_the_version_of_the_project() -> None:
    tagged = {
        (service["image"], service["build"]["target"]) for service in SERVICES.values() if "build" in service
    }
    names = {"serve": "modelscan", "router": "modelscan-router", "dagster": "modelscan-dagster"}
    assert tagged == {(f"{names[target]}:{PROJECT['version']}", target) for target in TARGETS}
    rendered = yaml.safe_load((DEPLOY / "k8s" / "kustomization.yaml").read_text())
    assert {one["newTag"] for one in rendered["images"]} == {PROJECT["version"]}
    assert f"modelscan:{PROJECT['version']} ." in DOCKERFILE


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_hardened_and_comes_back(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] == "10001:10001"
    assert service["restart"] == "unless-stopped"
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert not {"privileged", "cap_add", "pid", "ipc", "network_mode", "devices"} & set(service)


def test_only_loopback_is_listened_on_unless_somebody_says_otherwise() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports") or ()]
    assert published
    assert all(port.startswith(("127.0.0.1:", "${MODELSCAN_LISTEN:-127.0.0.1:")) for port in published)


def environments() -> Iterator[tuple[str, str]]:
    for service in SERVICES.values():
        yield from (service.get("environment") or {}).items()
    for line in DOCKERFILE.splitlines():
        if line.startswith("ENV "):
            yield from re.findall(r"(\w+)=(\S+)", line)


def test_every_variable_is_a_setting_or_pythons() -> None:
    known = {variable.upper() for field in Settings.model_fields for variable in variables_of(field)}
    named = {name for name, _ in environments() if not name.startswith("PIP_")}
    assert named - known == NOT_SETTINGS


def test_secrets_are_files_and_no_value_is_one() -> None:
    for name, value in environments():
        if re.search(r"TOKEN|KEY|SECRET|PASSWORD", name):
            assert re.fullmatch(r"file:/run/secrets/\w+", value), name
    declared = ONE_MACHINE["secrets"] | PRODUCTION["secrets"]
    assert all(set(secret) == {"file"} for secret in declared.values())
    used = {secret for service in SERVICES.values() for secret in service.get("secrets") or ()}
    assert used == set(declared)
    named = set(re.findall(r"file:/run/secrets/(\w+)", f"{SERVICES} {DOCKERFILE}"))
    assert named == set(declared)
    ignored = (DEPLOY / ".gitignore").read_text().splitlines()
    assert {"/secrets/", "/sellers.env"} <= set(ignored)


def test_ports_and_volumes_are_those_of_the_images() -> None:
    port = Settings.model_fields["port"].default
    for target in ("serve", "router"):
        text = "\n".join(stages()[target])
        assert f"EXPOSE {port}" in text
        assert f"127.0.0.1:{port}/healthz" in text
    assert f"127.0.0.1:{port}/healthz" in str(SERVICES["serve"]["healthcheck"])
    data = re.search(r"MODELSCAN_DATA_DIR=(\S+)", DOCKERFILE)
    assert data is not None
    mounts = {
        volume.split(":")[1]
        for service in SERVICES.values()
        for volume in service.get("volumes") or ()
        if not volume.startswith("./")
    }
    assert mounts == {data[1], f"{data[1]}/router"}
    assert all(mount in DOCKERFILE for mount in mounts)


def test_the_balancer_sends_to_the_routers_what_the_service_would() -> None:
    text = (DEPLOY / "haproxy.cfg").read_text()
    begins = tuple(path for line in re.findall(r"path_beg (.+)", text) for path in line.split())
    exact = {path for line in re.findall(r"acl models path (.+)", text) for path in line.split()}
    asked = {
        f"/{word}" for word in ("models", "healthz", "router.json", "refresh", "metrics", "api/providers")
    }
    asked |= Router(_no_models).paths
    for path in asked:
        assert (path in exact or path.startswith(begins)) == is_routers(path), path


def _no_models() -> Any:
    from modelscan_catalog.router.config import read_config

    return read_config(REPOSITORY_ROOT / "registry" / "published" / "router.json")
