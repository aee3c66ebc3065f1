"""Claims about deploy/k8s: the restricted pod security standard, what may talk to what, and which rights."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelscan_catalog.settings import REPOSITORY_ROOT, Settings
from modelscan_catalog.settings.load import variables_of

BASE = REPOSITORY_ROOT / "deploy" / "k8s"
KSERVE = REPOSITORY_ROOT / "deploy" / "k8s-kserve"
RECORDED = REPOSITORY_ROOT / "tests" / "unit" / "deploy" / "recorded_kserve"
VERBS = {"POST": "create", "PATCH": "patch", "DELETE": "delete"}


def documents(folder: Path) -> list[dict[str, Any]]:
    """Every object of the files that the folder's kustomization names."""
    named = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    files = [folder / name for name in named if name.endswith(".yaml")]
    assert sorted(path.name for path in files) == sorted(
        path.name for path in folder.glob("*.yaml") if path.name != "kustomization.yaml"
    )
    return [found for path in files for found in yaml.safe_load_all(path.read_text())]


OBJECTS = documents(BASE)
RIGHTS = documents(KSERVE)


def of(kind: str, objects: list[dict[str, Any]] = OBJECTS) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in objects if one["kind"] == kind}


DEPLOYMENTS = of("Deployment")
PODS = {name: one["spec"]["template"]["spec"] for name, one in DEPLOYMENTS.items()}


def test_no_object_is_there_twice_and_no_secret_is_among_them() -> None:
    names = [(one["kind"], one["metadata"]["name"]) for one in (*OBJECTS, *RIGHTS)]
    assert len(names) == len(set(names))
    assert "Secret" not in {kind for kind, _ in names}
    assert set(DEPLOYMENTS) == {"serve", "router"}


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_pods_meet_the_restricted_standard_that_the_namespace_enforces(name: str) -> None:
    labels = of("Namespace")["modelscan"]["metadata"]["labels"]
    assert {labels[f"pod-security.kubernetes.io/{mode}"] for mode in ("enforce", "warn", "audit")} == {
        "restricted"
    }
    pod = PODS[name]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] >= 10000
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(pod)
    assert {key for volume in pod["volumes"] for key in volume} <= {
        "name", "emptyDir", "secret", "persistentVolumeClaim",
    }  # fmt: skip
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert not any("hostPort" in port for port in container["ports"])


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_pod_is_probed_at_its_health_and_bounded(name: str) -> None:
    (container,) = PODS[name]["containers"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert container["ports"] == [{"name": "http", "containerPort": Settings.model_fields["port"].default}]
    assert set(container["resources"]["requests"]) == {"cpu", "memory"}
    assert container["resources"]["limits"]["memory"]
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in PODS[name]["volumes"]}


def test_the_state_is_written_by_one_pod_at_a_time() -> None:
    serve = DEPLOYMENTS["serve"]["spec"]
    assert (serve["replicas"], serve["strategy"]) == (1, {"type": "Recreate"})
    claims = [volume.get("persistentVolumeClaim", {}).get("claimName") for volume in PODS["serve"]["volumes"]]
    assert [claim for claim in claims if claim] == list(of("PersistentVolumeClaim"))


def test_selectors_find_the_pods_they_are_for() -> None:
    pods = {name: one["spec"]["template"]["metadata"]["labels"] for name, one in DEPLOYMENTS.items()}
    for name, one in DEPLOYMENTS.items():
        assert one["spec"]["selector"]["matchLabels"] == pods[name] == one["metadata"]["labels"]
    for name, service in of("Service").items():
        assert [
            pod for pod, labels in pods.items() if service["spec"]["selector"].items() <= labels.items()
        ] == [name]
        assert service["spec"]["ports"][0]["targetPort"] == "http"
    for name, budget in of("PodDisruptionBudget").items():
        assert budget["spec"]["selector"]["matchLabels"] == pods[name]
        assert 0 < budget["spec"]["minAvailable"] < DEPLOYMENTS[name]["spec"]["replicas"]
    chosen = [
        labels
        for policy in (*of("NetworkPolicy").values(), *of("NetworkPolicy", RIGHTS).values())
        if (labels := policy["spec"]["podSelector"].get("matchLabels"))
    ]
    assert chosen
    assert all(any(labels.items() <= pod.items() for pod in pods.values()) for labels in chosen)


def test_what_no_policy_names_is_refused() -> None:
    nothing = of("NetworkPolicy")["nothing"]["spec"]
    assert nothing == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for policy in of("NetworkPolicy").values():
        for direction in ("ingress", "egress"):
            for rule in policy["spec"].get(direction, ()):
                assert rule.get("from") or rule.get("to"), policy["metadata"]["name"]
                assert rule.get("ports"), policy["metadata"]["name"]


def test_routers_ask_the_service_that_is_there() -> None:
    (container,) = PODS["router"]["containers"]
    url = next(one["value"] for one in container["env"] if one["name"] == "REGISTRY_URL")
    port = of("Service")["serve"]["spec"]["ports"][0]["port"]
    assert url == f"http://serve:{port}"


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_variables_are_settings_and_tokens_are_files_of_the_mounted_secret(name: str) -> None:
    (container,) = PODS[name]["containers"]
    known = {variable.upper() for field in Settings.model_fields for variable in variables_of(field)}
    values = [*container.get("args", ())]
    for one in container["env"]:
        assert one["name"] in known
        values.append(one["value"])
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    files = [value for value in values if value.startswith("file:")]
    assert len(files) == 3
    assert all(
        re.fullmatch(rf"file:{mounts['tokens']}/(api|client|registry)_token", value) for value in files
    )
    assert all(set(one) == {"secretRef"} for one in container["envFrom"])


def test_no_pod_gets_a_token_of_the_cluster_but_serve_where_it_drives_kserve() -> None:
    for name, pod in PODS.items():
        assert pod["automountServiceAccountToken"] is False
        assert of("ServiceAccount")[pod["serviceAccountName"]]["automountServiceAccountToken"] is False, name
    (patch,) = yaml.safe_load((KSERVE / "kustomization.yaml").read_text())["patches"]
    assert patch["target"] == {"kind": "Deployment", "name": "serve"}
    changes = yaml.safe_load(patch["patch"])
    assert changes[0] == {
        "op": "replace", "path": "/spec/template/spec/automountServiceAccountToken", "value": True,
    }  # fmt: skip
    assert changes[1]["value"] == {"name": "ACTIVE_NAMESPACE", "value": "ai"}
    for kind in ("RoleBinding", "ClusterRoleBinding"):
        for binding in of(kind, RIGHTS).values():
            assert binding["subjects"] == [
                {"kind": "ServiceAccount", "name": "serve", "namespace": "modelscan"}
            ]


def granted() -> set[tuple[str, str, str, bool]]:
    """Verb, group, resource, and whether in the namespace `ai` alone."""
    return {
        (verb, group, resource, kind == "Role" or "resourceNames" in rule)
        for kind in ("Role", "ClusterRole")
        for role in of(kind, RIGHTS).values()
        for rule in role["rules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def asked() -> Iterator[tuple[str, str, str, bool]]:
    """The same of every request that the client sent to a real API server when its claims were recorded."""
    for path in RECORDED.glob("*.json"):
        for exchange in json.loads(path.read_text()):
            method, _, target = exchange["asked"].partition(" ")
            found = re.match(
                r"/(?:api|apis/([^/]+))/[^/]+(?:/namespaces/([^/?]+))?/([a-z]+)(?:/([^/?]+))?(?:\?|$)", target
            )
            if found is None:
                continue  # discovery, which every account may ask
            verb = VERBS.get(method) or ("get" if found[4] else "list")
            yield verb, found[1] or "", found[3], bool(found[2]) or found[3] == "namespaces"


def test_the_rights_suffice_for_everything_that_the_client_was_recorded_to_ask() -> None:
    wanted = {one for one in asked() if one[2] != "secrets"}
    assert ("patch", "serving.kserve.io", "inferenceservices", True) in wanted
    assert wanted <= granted()


def test_rights_are_for_kinds_that_the_client_knows_without_wildcards_and_without_secrets() -> None:
    code = "".join(
        path.read_text() for path in (REPOSITORY_ROOT / "modelscan_catalog/deploy/kserve").glob("*.py")
    )
    known = {
        (api_version.rpartition("/")[0], plural)
        for api_version, plural in re.findall(r'Kind\("([^"]+)", "([a-z]+)", "\w+"\)', code)
    }
    assert {(group, resource) for _, group, resource, _ in granted()} <= known
    assert not {"*", "watch", "update", "deletecollection", "escalate", "bind"} & {
        one[0] for one in granted()
    }
    assert "secrets" not in {resource for _, _, resource, _ in granted()}
    assert {one[0] for one in granted() if not one[3]} == {"get", "list"}
