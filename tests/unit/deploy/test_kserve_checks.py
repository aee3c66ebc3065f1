"""Claims about what a service needs: claims, secrets, keys, cards; the lab serves none of these kinds."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kserve_exchanges import Routes, kubeconfig

from modelscan_catalog.deploy.kserve.api import Cluster, connect
from modelscan_catalog.deploy.kserve.checks import Check, check_cluster
from modelscan_catalog.errors import ManifestError, ServerUnreachableError

CORE = ("namespaces", "secrets", "configmaps", "persistentvolumeclaims", "serviceaccounts", "nodes")
ISVC = "/apis/serving.kserve.io/v1beta1"
Table = dict[str, tuple[int, Any]]


def served(*, kinds: tuple[str, ...] = CORE, **objects: Any) -> Table:
    """Discovery, the namespace, and ``kind__name`` objects of it."""
    table: Table = {
        "GET /api/v1": (200, {"resources": [{"name": kind} for kind in kinds]}),
        f"GET {ISVC}": (200, {"resources": [{"name": "inferenceservices"}]}),
        "GET /api/v1/namespaces/ai": (200, {"metadata": {"name": "ai"}}),
    }
    for key, value in objects.items():
        kind, _, name = key.partition("__")
        path = f"/api/v1/namespaces/ai/{kind}/{name.replace('_', '-')}" if name else f"/api/v1/{kind}"
        table[f"GET {path}"] = value if isinstance(value, tuple) else (200, value)
    return table


def service(**predictor: Any) -> dict[str, Any]:
    return {
        "apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": {"name": "a"},
        "spec": {"predictor": predictor},
    }  # fmt: skip


@contextmanager
def checked(folder: Path, table: Table, document: dict[str, Any]) -> Iterator[dict[str, Check]]:
    routes = Routes(table)
    with routes.running():
        cluster: Cluster = connect(kubeconfig(folder, routes.url))
        found = check_cluster(lambda: cluster, "ai", document)
    assert len({check.name for check in found}) == len(found)
    yield {check.name: check for check in found}


ENV = {
    "env": [
        {"name": "T", "valueFrom": {"secretKeyRef": {"name": "s", "key": "HF_TOKEN"}}},
        {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k", "optional": True}}},
    ],
    "envFrom": [{"configMapRef": {"name": "c"}}],
}


def test_a_secret_must_have_the_key_that_is_asked_of_it(tmp_path: Path) -> None:
    table = served(secrets__s={"data": {"OTHER": "eA=="}}, configmaps__c={"data": {"k": "v"}})
    with checked(tmp_path, table, service(model=ENV)) as found:
        assert found["Secret s key HF_TOKEN"] == Check(
            "Secret s key HF_TOKEN", "fail", "it has no such key in ai: add it"
        )
        assert found["ConfigMap c"].status == found["ConfigMap c key k"].status == "ok"
    table = served(secrets__s={"data": {"HF_TOKEN": "eA=="}})
    with checked(tmp_path, table, service(model=ENV)) as found:
        assert found["Secret s key HF_TOKEN"].status == "ok"
        assert (found["ConfigMap c"].status, found["ConfigMap c key k"].status) == ("fail", "warn")
        assert "eA==" not in str(found)


@pytest.mark.parametrize(
    ("claim", "status"),
    [({"status": {"phase": "Bound"}}, "ok"), ({"status": {"phase": "Pending"}}, "warn"), ({}, "warn"),
     ({"status": {"phase": "Lost"}}, "fail"), ((404, {"message": "none", "details": {"name": "w"}}), "fail"),
     ((403, {"message": "not for you"}), "warn"), ((500, {"message": "etcd"}), "warn")],
)  # fmt: skip
def test_a_claim_must_be_there_and_bound(tmp_path: Path, claim: Any, status: str) -> None:
    wanted = service(
        model={"storageUri": "pvc://w/models/qwen"}, volumes=[{"persistentVolumeClaim": {"claimName": "w"}}]
    )
    with checked(tmp_path, served(persistentvolumeclaims__w=claim), wanted) as found:
        assert found["PersistentVolumeClaim w"].status == status


def test_accounts_pull_secrets_and_the_namespace_are_looked_up(tmp_path: Path) -> None:
    table = served(serviceaccounts__puller={"metadata": {}})
    del table["GET /api/v1/namespaces/ai"]
    wanted = service(serviceAccountName="puller", imagePullSecrets=[{"name": "registry"}])
    with checked(tmp_path, table, wanted) as found:
        assert found["ServiceAccount puller"].status == "ok"
        assert found["Secret registry"].status == "fail"
        assert found["Namespace ai"].message == "there is none: kubectl create namespace ai"


def node(name: str, gpus: str, *, ready: str = "True", **labels: str) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": ready}]
    return {
        "metadata": {"name": name, "labels": labels},
        "status": {"allocatable": {"nvidia.com/gpu": gpus}, "conditions": conditions},
    }


def cards(count: str, **pod: Any) -> dict[str, Any]:
    return service(model={"resources": {"limits": {"nvidia.com/gpu": count, "memory": "24Gi"}}}, **pod)


@pytest.mark.parametrize(
    ("nodes", "wanted", "status", "says"),
    [
        ([node("a", "8")], cards("4"), "ok", "a can hold it"),
        ([node("a", "2"), node("b", "2")], cards("4"), "fail", "none of 2 ready nodes offers that many"),
        ([node("a", "8", ready="False")], cards("4"), "fail", "none of 0 ready nodes"),
        ([node("a", "8") | {"spec": {"unschedulable": True}}], cards("4"), "fail", "none of 0"),
        ([node("a", "8", pool="x")], cards("4", nodeSelector={"pool": "y"}), "fail", "with pool=y"),
        ([node("a", "8", pool="x")], cards("4", nodeSelector={"pool": "x"}), "ok", "a can"),
        ([node("a", "odd")], cards("1"), "fail", "none of 1"),
    ],
)
def test_one_node_must_offer_all_cards_of_a_pod(
    tmp_path: Path, nodes: list[Any], wanted: dict[str, Any], status: str, says: str
) -> None:
    with checked(tmp_path, served(nodes={"items": nodes}), wanted) as found:
        assert found["capacity"].status == status
        assert says in found["capacity"].message


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/apis/karpenter.sh/v1", {"resources": [{"name": "nodepools"}]}),
        ("/api/v1/namespaces/kube-system/configmaps/cluster-autoscaler-status", {"data": {}}),
    ],
)
def test_a_cluster_that_grows_may_lack_the_cards_now(tmp_path: Path, path: str, answer: Any) -> None:
    table = served(nodes={"items": [node("a", "2")]}) | {f"GET {path}": (200, answer)}
    with checked(tmp_path, table, cards("4")) as found:
        assert found["capacity"].status == "warn"
        assert "autoscaler may add one" in found["capacity"].message


def test_what_may_not_be_listed_is_a_warning(tmp_path: Path) -> None:
    with checked(tmp_path, served(nodes=(403, {"message": "no"})), cards("1")) as found:
        assert found["capacity"].status == "warn"
    with checked(tmp_path, served(kinds=()), cards("1")) as found:
        assert {check.status for check in found.values()} == {"ok", "warn"}


def test_a_cluster_without_kserve_fails_with_what_to_install(tmp_path: Path) -> None:
    table = served()
    del table[f"GET {ISVC}"]
    with checked(tmp_path, table, service()) as found:
        assert "install KServe 0.20" in found["kind InferenceService"].message


def test_without_a_cluster_all_is_one_warning() -> None:
    def none() -> Cluster:
        raise ServerUnreachableError("there is no cluster")

    assert [(check.name, check.status) for check in check_cluster(none, "ai", service())] == [
        ("cluster", "warn")
    ]
    with pytest.raises(ManifestError, match="is no service"):
        check_cluster(none, "ai", {"kind": "Pod"})
