"""The GPUStack feeds in the real GPUStack: its own strict loader, and a server started with each of them.

The loader needs the lab's installed GPUStack (``LAB_HOME``); the servers are started where
``MODELSCAN_LAB_SERVERS`` is set, on ports and in a folder of their own.
"""

import json
import os
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelscan_catalog.settings import REPOSITORY_ROOT

pytestmark = pytest.mark.shared

SHARED = Path(os.environ.get("MODELSCAN_SHARED", REPOSITORY_ROOT.parent / "shared"))
SCRIPT = SHARED / "lab" / "gpustack.sh"
LAB_HOME = Path(os.environ.get("LAB_HOME", Path.home() / ".cache" / "modelscan-lab"))
INSTALLED = LAB_HOME / "venv-gpustack"
FEEDS = REPOSITORY_ROOT / "registry" / "published" / "feeds"
HUBS = ("huggingface", "modelscope")
API_PORT, PG_PORT, MIRROR_PORT = 28481, 25832, 28901
_LOAD = """
import json, sys
from gpustack.schemas.catalog_source import normalize_catalog_yaml
import yaml
loaded = yaml.safe_load(normalize_catalog_yaml(open(sys.argv[1]).read(), strict=True))
print(json.dumps(loaded, default=str))
"""


def _feed(hub: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((FEEDS / f"gpustack-{hub}.yaml").read_text("utf-8"))
    return document


def _need_gpustack() -> None:
    if not (INSTALLED / "bin" / "python").exists():
        pytest.skip(f"{INSTALLED} is not there; {SCRIPT} up installs it")


@pytest.mark.parametrize("hub", HUBS)
def test_gpustacks_own_loader_drops_nothing_of_a_feed(hub: str) -> None:
    _need_gpustack()
    done = subprocess.run(
        [str(INSTALLED / "bin" / "python"), "-c", _LOAD, str(FEEDS / f"gpustack-{hub}.yaml")],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    loaded, feed = json.loads(done.stdout.splitlines()[-1]), _feed(hub)
    assert [one["name"] for one in loaded["model_sets"]] == [one["name"] for one in feed["model_sets"]]
    assert [one["name"] for one in loaded["draft_models"]] == [one["name"] for one in feed["draft_models"]]
    for ours, theirs in zip(feed["model_sets"], loaded["model_sets"], strict=True):
        assert len(theirs["specs"]) == len(ours["specs"]), ours["name"]
        for spec, read in zip(ours["specs"], theirs["specs"], strict=True):
            assert _as_in(spec, read) == spec


def _as_in(spec: dict[str, Any], read: dict[str, Any]) -> dict[str, Any]:
    """The fields of ``spec`` as they were read; a filter that GPUStack reads as a list of one is that one."""
    found = {name: read.get(name) for name in spec}
    for name, wanted in spec.get("gpu_filters", {}).items():
        value = found["gpu_filters"][name]
        one = isinstance(value, list) and not isinstance(wanted, list)
        found["gpu_filters"] = found["gpu_filters"] | {name: value[0] if one else value}
    if "gpu_filters" in spec:
        found["gpu_filters"] = {name: found["gpu_filters"][name] for name in spec["gpu_filters"]}
    return found


@pytest.fixture(params=HUBS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str, str]]:
    """Hub, address and key of a GPUStack that was started with the hub's feed as its catalogue."""
    if not os.environ.get("MODELSCAN_LAB_SERVERS"):
        pytest.skip("it starts a GPUStack of 1.5 GB: set MODELSCAN_LAB_SERVERS=1")
    _need_gpustack()
    home = tmp_path / "lab"
    home.mkdir()
    (home / INSTALLED.name).symlink_to(INSTALLED)
    environment = os.environ | {
        "LAB_HOME": str(home),
        "GPUSTACK_API_PORT": str(API_PORT),
        "GPUSTACK_PG_PORT": str(PG_PORT),
        "LAB_MIRROR_PORT": str(MIRROR_PORT),
        "GPUSTACK_MODEL_CATALOG_FILE": str(FEEDS / f"gpustack-{request.param}.yaml"),
    }
    environment.pop("HF_ENDPOINT", None)
    try:
        done = subprocess.run(
            [str(SCRIPT), "up"], env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, done.stderr[-2000:]
        told = dict(
            line.removeprefix("export ").partition("=")[::2]
            for line in done.stdout.splitlines()
            if "=" in line
        )
        yield request.param, told["GPUSTACK_URL"], told["GPUSTACK_API_KEY"]
    finally:
        subprocess.run([str(SCRIPT), "down"], env=environment, capture_output=True, check=False, timeout=120)


def _all(url: str, key: str, path: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    page, pages = 1, 1
    while page <= pages:
        query = urllib.parse.urlencode({"page": page, "perPage": 100})
        request = urllib.request.Request(f"{url}{path}?{query}", headers={"Authorization": f"Bearer {key}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            body = json.load(answer)
        rows += body["items"]
        pages = body["pagination"]["totalPage"]
        page += 1
    return rows


@pytest.mark.slow
def test_a_server_started_with_a_feed_offers_all_its_models(server: tuple[str, str, str]) -> None:
    hub, url, key = server
    feed = _feed(hub)
    served = {row["name"]: row for row in _all(url, key, "/v2/model-sets")}
    assert set(served) == {one["name"] for one in feed["model_sets"]}
    drafts = {row["name"] for row in _all(url, key, "/v2/draft-models")}
    assert drafts == {one["name"] for one in feed["draft_models"]}
    for one in feed["model_sets"]:
        specs = _all(url, key, f"/v2/model-sets/{served[one['name']]['id']}/specs")
        # It offers the recipes that suit its workers, which have two H100.
        everywhere = sum("gpu_filters" not in spec for spec in one["specs"])
        assert everywhere <= len(specs) <= len(one["specs"]), one["name"]
        ours = {(spec.get("mode"), spec.get("quantization")) for spec in one["specs"]}
        assert {(spec["mode"], spec["quantization"]) for spec in specs} <= ours, one["name"]
