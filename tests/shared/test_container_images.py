"""The images, built and started by a real container engine: read-only, without rights, as nobody.

Needs Docker (DOCKER_HOST names another engine than the usual) and a Debian 12 as BASE_IMAGE
(debian:bookworm-slim). ``make test-image`` starts it: with DEPLOY_IMAGES=build, which takes minutes; built
takes the images that are there.
"""

import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modelscan_catalog import __version__
from modelscan_catalog.settings import REPOSITORY_ROOT

IMAGES = {"router": "modelscan-router", "serve": "modelscan", "dagster": "modelscan-dagster"}
DATA = "--tmpfs=/var/lib/modelscan:uid=10001,gid=10001,mode=0750"
REGISTRY_TOKEN = ("--env", "MODELSCAN_REGISTRY_TOKEN=file:/run/secrets/modelscan_registry_token")
HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp:noexec,nosuid")
START_S = 300
UPSTREAM = """
import json
from http.server import BaseHTTPRequestHandler, HTTPServer
class Seller(BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = {"role": "assistant", "content": "from " + asked["model"]}
        answer = json.dumps({"choices": [{"index": 0, "message": said}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
HTTPServer(("0.0.0.0", 9000), Seller).serve_forever()
"""
REGISTER = (
    "from pathlib import Path; from modelscan_catalog.router.deployments import register_deployment; "
    "register_deployment(Path('/var/lib/modelscan/router'), 'own', 'lab/own', 'http://{}:9000/v1')"
)


def docker(*words: str, timeout: float = 120, check: bool = True) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=timeout, check=False)
    if check and done.returncode:
        raise AssertionError(f"docker {' '.join(words)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return (done.stdout + done.stderr).strip()


def obstacle() -> str:
    """Why nothing can be tried here; empty where it can."""
    if os.environ.get("DEPLOY_IMAGES") not in ("build", "built"):
        return "IMAGES NOT TRIED: run make test-image"
    if shutil.which("docker") is None or "Server Version" not in docker("info", check=False):
        return "NO CONTAINER ENGINE: docker info fails"
    return ""


NOT_HERE = obstacle()
pytestmark = [pytest.mark.shared, pytest.mark.skipif(bool(NOT_HERE), reason=NOT_HERE)]


@pytest.fixture(scope="module", params=IMAGES)
def image(request: pytest.FixtureRequest) -> str:
    return built(request.param)


def built(target: str) -> str:
    name = f"{IMAGES[target]}:{__version__}"
    if os.environ["DEPLOY_IMAGES"] == "build":
        base = os.environ.get("BASE_IMAGE", "debian:bookworm-slim")
        words = (
            "--file",
            "deploy/Dockerfile",
            "--build-arg",
            f"BASE={base}",
            "--target",
            target,
            "--tag",
            name,
        )
        docker("build", *words, str(REPOSITORY_ROOT), timeout=3600)
    return name


def test_an_image_has_no_root_no_package_installer_and_no_compiler(image: str) -> None:
    config = json.loads(docker("image", "inspect", image))[0]
    assert config["Config"]["User"] == "10001:10001"
    assert config["Config"]["Healthcheck"]["Test"][0] == "CMD"
    look = "for tool in pip pip3 gcc cc g++ make ld; do command -v $tool; done; true"
    assert docker("run", "--rm", *HARDENED, "--entrypoint", "sh", image, "-c", look) == ""
    print(f"{image}: {config['Size'] / 1e6:.0f} MB")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Starts containers in a network of their own that leads nowhere, and removes them."""
    mark = secrets.token_hex(4)
    network = f"modelscan-test-{mark}"
    docker("network", "create", "--internal", network)
    started: list[str] = []
    tokens = tmp_path / "tokens"
    tokens.mkdir()
    for name in ("api", "client", "registry"):
        (tokens / f"modelscan_{name}_token").write_text(f"{name}-token")

    def start(name: str, *words: str) -> str:
        started.append(f"{name}-{mark}")
        known = ("--name", started[-1], "--network", network, "--network-alias", name)
        docker("run", "--detach", *known, *HARDENED, DATA, f"--volume={tokens}:/run/secrets:ro", *words)
        return started[-1]

    yield start
    for container in started:
        docker("rm", "--force", "--volumes", container, check=False)
    docker("network", "rm", network, check=False)


def inside(container: str, code: str) -> str:
    return docker("exec", container, "python3", "-c", code)


def healthy(container: str) -> float:
    """Seconds until the container answered /healthz; its log when it does not."""
    began = time.monotonic()
    ask = "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/healthz', timeout=2)"
    while time.monotonic() - began < START_S:
        if docker("exec", container, "python3", "-c", ask, check=False) == "":
            return time.monotonic() - began
        time.sleep(0.2)
    raise AssertionError(docker("logs", container))


def chat(container: str, token: str = "client-token") -> Any:
    body = json.dumps({"model": "lab/own", "messages": [{"role": "user", "content": "hi"}]})
    code = (
        "from urllib.request import Request, urlopen; "
        f"r = Request('http://127.0.0.1:8080/v1/chat/completions', {body!r}.encode(), "
        f"{{'Authorization': 'Bearer {token}', 'Content-Type': 'application/json'}}); "
        "print(urlopen(r, timeout=10).read().decode())"
    )
    return json.loads(inside(container, code))


def test_a_router_apart_serves_what_the_registry_has_and_goes_on_without_it(run: Callable[..., str]) -> None:
    serve_image, router_image = built("serve"), built("router")
    upstream = run("seller", "--entrypoint", "python3", router_image, "-c", UPSTREAM)
    serve = run("serve", *REGISTRY_TOKEN, serve_image)
    print(f"serve: healthy after {healthy(serve):.1f} s")
    inside(serve, REGISTER.format("seller"))
    router = run("router", "--env", "REGISTRY_URL=http://serve:8080", *REGISTRY_TOKEN, router_image)
    print(f"router: healthy after {healthy(router):.1f} s")
    assert chat(router)["choices"][0]["message"]["content"] == "from own"
    assert chat(serve)["choices"][0]["message"]["content"] == "from own"
    with pytest.raises(AssertionError, match="401"):
        chat(router, "wrong")
    assert "Read-only file system" in docker(
        "exec", router, "sh", "-c", "touch /opt/modelscan/x", check=False
    )
    status = docker("exec", router, "cat", "/proc/1/status")
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    docker("stop", serve)
    assert chat(router)["choices"][0]["message"]["content"] == "from own"
    assert docker("inspect", "--format", "{{.State.ExitCode}}", serve) == "0"
    docker("stop", router, upstream)
    assert docker("inspect", "--format", "{{.State.ExitCode}}", router) == "0"


def test_without_a_token_a_container_says_what_it_lacks() -> None:
    said = docker("run", "--rm", *HARDENED, built("serve"), check=False)
    assert "/run/secrets/modelscan_api_token" in said
    assert "Traceback" not in said


def test_the_pipeline_loads_its_assets_and_publishes_into_its_volume(run: Callable[..., str]) -> None:
    pipeline = run("dagster", built("dagster"))
    assert "modelscan" in docker(
        "exec", pipeline, "dagster", "definitions", "validate", "--workspace", "workspace.yaml", timeout=300
    )
    assert "--offline" in docker("exec", pipeline, "modelscan", "build", "--help")
