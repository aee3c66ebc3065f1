"""Claims about the connection to an API server: whatever it answers becomes one line that says what to do."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kserve_exchanges import Replay, Routes, kubeconfig

from modelscan_catalog.deploy.kserve.api import (
    INFERENCE_SERVICE,
    LLM_INFERENCE_SERVICE,
    Cluster,
    Kind,
    connect,
)
from modelscan_catalog.deploy.kserve.client import KServe, named
from modelscan_catalog.deploy.kserve.refusals import NotAllowedError, NotServedError
from modelscan_catalog.errors import DeployError, ServerUnreachableError, SettingsError

AT = INFERENCE_SERVICE.path("ai", "active-llm")


@contextmanager
def answering(folder: Path, status: int, answer: Any) -> Iterator[Cluster]:
    routes = Routes({f"{method} {AT}": (status, answer) for method in ("GET", "PATCH", "DELETE")})
    with routes.running():
        yield connect(kubeconfig(folder, routes.url))


def test_a_server_that_is_not_there_is_named_within_seconds(tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(ServerUnreachableError, match=r"http://127\.0\.0\.1:9: no answer to GET .*KUBECONFIG"):
        connect(kubeconfig(tmp_path, "http://127.0.0.1:9")).get(INFERENCE_SERVICE, "ai", "active-llm")
    assert time.monotonic() - begun < 10


def test_without_any_kubeconfig_there_is_no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ServerUnreachableError, match="set KUBECONFIG or give --kubeconfig"):
        connect(None)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", "a: b", "\x00", "apiVersion: v1\ncontexts: 3\ncurrent-context: x",
     "clusters: [{name: c}]\ncontexts: [{name: x, context: {cluster: c}}]\ncurrent-context: x"],
)  # fmt: skip
def test_a_file_that_is_no_kubeconfig_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "odd"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"odd: is no usable kubeconfig"):
        connect(str(path))


def test_several_kubeconfigs_are_merged_as_kubectl_does(tmp_path: Path) -> None:
    (tmp_path / "users").write_text("apiVersion: v1\nkind: Config\nusers: []\n")
    both = os.pathsep.join([str(tmp_path / "users"), kubeconfig(tmp_path, "http://127.0.0.1:9")])
    assert connect(both).server == "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("status", "answer", "says"),
    [
        (401, {"message": "Unauthorized"}, "does not allow it: Unauthorized; check the kubeconfig's user"),
        (403, {"message": "no", "details": {"kind": "inferenceservices"}}, "does not allow it"),
        (403, {"message": "admission webhook x denied the request: no"}, "denied the request: no"),
        (403, {"message": "is forbidden: exceeded quota: gpus"}, "have the quota raised"),
        (200, "<html>a gateway</html>", "answered 200 '<html>a gateway</html>': is it an API server?"),
        (200, "[]", "is it an API server"),
        (502, "bad gateway", "answered 502"),
        (500, {"message": "etcd is away"}, "answered 500: etcd is away"),
        (413, {"message": "too large"}, "too large"),
        (422, {"message": "bad", "details": {"causes": [{"field": "spec.x", "message": "no"}]}}, "x: no"),
        (409, {"message": "changed"}, "somebody changed it meanwhile: changed"),
        (404, {"details": {"name": "ai", "kind": "namespaces"}}, "kubectl create namespace ai"),
        (404, {"message": "no such resource"}, "does not serve this kind"),
        (599, {}, "answered 599"),
        (404, {"details": {"causes": "odd"}}, "does not serve this kind"),
        (404, "404 page not found", "is KServe installed"),
    ],
)  # fmt: skip
def test_every_refusal_says_what_happened(tmp_path: Path, status: int, answer: Any, says: str) -> None:
    document = {"metadata": {"name": "active-llm"}}
    with answering(tmp_path, status, answer) as cluster, pytest.raises(DeployError) as refused:
        cluster.apply(INFERENCE_SERVICE, "ai", document)
    assert says in str(refused.value)
    assert "active-llm" in str(refused.value)


def test_a_busy_server_is_asked_again_and_only_so_often(tmp_path: Path) -> None:
    document = {"metadata": {"name": "active-llm"}}
    asked = f"PATCH {AT}?fieldManager=modelscan&fieldValidation=Strict&force=false"
    kind = "application/apply-patch+yaml"
    busy = {"asked": asked, "type": kind, "body": document, "status": 429, "answer": {"message": "busy"}}
    done = busy | {"status": 200, "answer": {"kind": "InferenceService"}}
    replay = Replay([busy, busy, done])
    with replay.running():
        cluster = connect(kubeconfig(tmp_path, replay.url))
        assert cluster.apply(INFERENCE_SERVICE, "ai", document) == {"kind": "InferenceService"}
    replay = Replay([busy] * 9)
    with replay.running(), pytest.raises(DeployError, match="answered 429: busy"):
        connect(kubeconfig(tmp_path, replay.url)).apply(INFERENCE_SERVICE, "ai", document)
    assert len(replay.left) == 4


def test_a_kind_that_is_not_served_is_told_from_an_object_that_is_not_there(tmp_path: Path) -> None:
    unserved = Kind("example.com/v1", "things", "Thing")
    with answering(tmp_path, 404, {"message": "not found", "details": {"name": "active-llm"}}) as cluster:
        assert cluster.get(INFERENCE_SERVICE, "ai", "active-llm") is None
        assert not cluster.serves(unserved)
        with pytest.raises(NotServedError):
            cluster.list(unserved, "ai")


@pytest.mark.parametrize("name", ["../x", "A", "a/b", "a?b", "-a", "x" * 300, "a\n"])
def test_no_name_leads_to_another_path(name: str) -> None:
    with pytest.raises(SettingsError, match="is no Kubernetes name"):
        INFERENCE_SERVICE.path("ai", name)
    with pytest.raises(SettingsError, match="is no Kubernetes name"):
        INFERENCE_SERVICE.path(name, "active-llm")


def test_a_renamed_service_serves_its_model_under_the_old_name() -> None:
    model: dict[str, Any] = {"modelFormat": {"name": "vLLM"}, "args": ["--max-model-len=8"]}
    document = {"metadata": {"name": "qwen3-8b"}, "spec": {"predictor": {"model": model}}}
    renamed = named(document, "active-llm", "ai")
    arguments = renamed["spec"]["predictor"]["model"]["args"]
    assert arguments == ["--served-model-name=qwen3-8b", "--max-model-len=8"]
    assert named(renamed, "other", "ai")["spec"]["predictor"]["model"]["args"] == arguments
    assert model["args"] == ["--max-model-len=8"]
    assert named(document, "qwen3-8b", "ai")["spec"] == document["spec"]


def test_rights_on_one_kind_of_service_are_enough(tmp_path: Path) -> None:
    denied = (403, {"message": "not for you", "details": {"kind": "x"}})
    llm = LLM_INFERENCE_SERVICE.path("ai", "active-llm")
    there = {"kind": "InferenceService", "metadata": {"name": "active-llm"}}
    lists = {f"GET {INFERENCE_SERVICE.path('ai')}": (200, {"items": [there]})}
    routes = Routes({f"GET {AT}": (200, there), f"GET {llm}": denied, **lists})
    with routes.running():
        services = KServe(connect(kubeconfig(tmp_path, routes.url)), "ai")
        assert services.find("active-llm") == there
        assert services.services() == [there]
        del routes.table[f"GET {AT}"]
        assert services.find("active-llm") is None
        routes.table[f"GET {AT}"] = denied
        with pytest.raises(NotAllowedError, match="check the kubeconfig's user"):
            services.find("active-llm")
        routes.table.clear()
        with pytest.raises(NotServedError):
            services.services()
