"""What a service needs of its cluster before it can start: kinds, runtime, claims, secrets, cards.

A check fails only on what was looked at and is not there. What cannot be looked at (no cluster, a kind that
is not served, no permission) is a warning: it stands in nobody's way.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from modelscan_catalog.deploy.kserve.api import Cluster, Document, Kind
from modelscan_catalog.deploy.kserve.client import kind_of
from modelscan_catalog.deploy.kserve.nodes import NODE, takes_pods
from modelscan_catalog.errors import DeployError

CheckStatus = Literal["ok", "warn", "fail"]

_NAMESPACE = Kind("v1", "namespaces", "Namespace")
_CLAIM = Kind("v1", "persistentvolumeclaims", "PersistentVolumeClaim")
_SECRET = Kind("v1", "secrets", "Secret")
_CONFIG_MAP = Kind("v1", "configmaps", "ConfigMap")
_ACCOUNT = Kind("v1", "serviceaccounts", "ServiceAccount")
_NODE_POOL = Kind("karpenter.sh/v1", "nodepools", "NodePool")
RUNTIME = Kind("serving.kserve.io/v1alpha1", "servingruntimes", "ServingRuntime")
CLUSTER_RUNTIME = Kind("serving.kserve.io/v1alpha1", "clusterservingruntimes", "ClusterServingRuntime")


@dataclass(frozen=True, slots=True)
class Check:
    """One answer; ``message`` says what was found, and what to do unless it is fine."""

    name: str
    status: CheckStatus
    message: str


@dataclass(frozen=True, slots=True)
class _Reference:
    kind: Kind
    name: str
    key: str | None = None
    optional: bool = False


def check_cluster(
    cluster: Callable[[], Cluster], namespace: str, document: Document, runtime: Document | None = None
) -> list[Check]:
    """Everything that ``document`` needs in ``namespace``.

    ``cluster`` connects, and may raise ``DeployError``. ``runtime`` is one that comes with the document.
    Raises ``ManifestError`` for what is no service.
    """
    kind = kind_of(document)
    try:
        found = cluster()
        served = found.serves(kind)
    except DeployError as error:
        return [Check("cluster", "warn", f"nothing was checked: {error}")]
    checks = [Check("cluster", "ok", found.server)]
    if not served:
        checks.append(
            Check(
                f"kind {kind.name}",
                "fail",
                f"{kind.api_version} is not served: install KServe 0.20 or later, with its CRDs",
            )
        )
    checks.append(
        _looked_up(found, _Reference(_NAMESPACE, namespace), None, f"kubectl create namespace {namespace}")
    )
    if runtime is None:
        checks += _runtime(found, namespace, document)
    for reference in sorted(
        set(_references(document)), key=lambda item: (item.kind.name, item.name, item.key or "")
    ):
        checks.append(_looked_up(found, reference, namespace, "create it, or name another"))
    checks += _capacity(found, document)
    return checks


def _looked_up(cluster: Cluster, wanted: _Reference, namespace: str | None, fix: str) -> Check:
    what = f"{wanted.kind.name} {wanted.name}" + (f" key {wanted.key}" if wanted.key else "")
    missing: CheckStatus = "warn" if wanted.optional else "fail"
    try:
        if not cluster.serves(wanted.kind):
            return Check(what, "warn", f"not checked: {cluster.server} serves no {wanted.kind.plural}")
        found = cluster.get(wanted.kind, namespace, wanted.name)
    except DeployError as error:
        return Check(what, "warn", f"not checked: {error}")
    where = f" in {namespace}" if namespace else ""
    if found is None:
        return Check(what, missing, f"there is none{where}: {fix}")
    if wanted.key and wanted.key not in {**(found.get("data") or {}), **(found.get("binaryData") or {})}:
        return Check(what, missing, f"it has no such key{where}: add it")
    phase = (found.get("status") or {}).get("phase")
    if wanted.kind is _CLAIM and phase != "Bound":
        lost = phase == "Lost"
        return Check(
            what,
            "fail" if lost else "warn",
            f"its volume is {phase or 'unknown'}: "
            + ("restore the volume" if lost else "it must be bound before the pod starts"),
        )
    return Check(what, "ok", "is there")


def _runtime(cluster: Cluster, namespace: str, document: Document) -> Iterator[Check]:
    model = (document.get("spec", {}).get("predictor") or {}).get("model") or {}
    name = model.get("runtime")
    if not name:
        return
    try:
        for kind, where in ((RUNTIME, namespace), (CLUSTER_RUNTIME, None)):
            found = cluster.get(kind, where, str(name))
            if found is None:
                continue
            spec = found.get("spec") or {}
            formats = [row.get("name") for row in spec.get("supportedModelFormats") or []]
            wanted = (model.get("modelFormat") or {}).get("name")
            if spec.get("disabled"):
                yield Check(f"runtime {name}", "fail", f"{kind.name} is disabled: enable it")
            elif wanted not in formats:
                told = ", ".join(map(str, formats)) or "nothing"
                yield Check(f"runtime {name}", "fail", f"{kind.name} serves {told}, not the format {wanted}")
            else:
                yield Check(f"runtime {name}", "ok", f"{kind.name} serves {wanted}")
            return
    except DeployError as error:
        yield Check(f"runtime {name}", "warn", f"not checked: {error}")
        return
    yield Check(
        f"runtime {name}", "fail", f"neither {namespace} nor the cluster has it: install KServe's runtimes"
    )


def _references(document: Any) -> Iterator[_Reference]:
    """Objects that the pods of ``document`` name, wherever they do."""
    if isinstance(document, list):
        for item in document:
            yield from _references(item)
    if not isinstance(document, Mapping):
        return
    for field, kind in (("secretKeyRef", _SECRET), ("configMapKeyRef", _CONFIG_MAP)):
        if isinstance(found := document.get(field), Mapping) and found.get("name"):
            yield _Reference(kind, str(found["name"]), found.get("key"), bool(found.get("optional")))
    for field, key, kind in (
        ("secretRef", "name", _SECRET),
        ("configMapRef", "name", _CONFIG_MAP),
        ("secret", "secretName", _SECRET),
        ("configMap", "name", _CONFIG_MAP),
        ("persistentVolumeClaim", "claimName", _CLAIM),
    ):
        if isinstance(found := document.get(field), Mapping) and found.get(key):
            yield _Reference(kind, str(found[key]), None, bool(found.get("optional")))
    for field in ("storageUri", "uri"):
        if isinstance(uri := document.get(field), str) and uri.startswith("pvc://"):
            yield _Reference(_CLAIM, uri.removeprefix("pvc://").partition("/")[0])
    if isinstance(account := document.get("serviceAccountName"), str):
        yield _Reference(_ACCOUNT, account)
    for secret in document.get("imagePullSecrets") or []:
        if isinstance(secret, Mapping) and secret.get("name"):
            yield _Reference(_SECRET, str(secret["name"]))
    for value in document.values():
        yield from _references(value)


def _capacity(cluster: Cluster, document: Document) -> Iterator[Check]:
    """Whether one node that the service may use has the cards; what already runs there is not subtracted."""
    cards = {name: count for name, count in _limits(document) if "gpu" in name.lower()}
    if not cards:
        return
    wanted = ", ".join(f"{count:g} {name}" for name, count in sorted(cards.items()))
    try:
        if not cluster.serves(NODE):
            yield Check("capacity", "warn", f"{wanted}: not checked, {cluster.server} serves no nodes")
            return
        nodes = cluster.list(NODE, None)
    except DeployError as error:
        yield Check("capacity", "warn", f"{wanted}: not checked: {error}")
        return
    selector = _selector(document)
    fitting = [node for node in nodes if takes_pods(node, selector)]
    enough = [
        str(node["metadata"]["name"])
        for node in fitting
        if all(
            _quantity((node.get("status", {}).get("allocatable") or {}).get(name)) >= count
            for name, count in cards.items()
        )
    ]
    if enough:
        yield Check("capacity", "ok", f"{wanted}: {', '.join(enough[:5])} can hold it")
        return
    where = f" with {', '.join(f'{k}={v}' for k, v in sorted(selector.items()))}" if selector else ""
    short = f"{wanted}: none of {len(fitting)} ready nodes{where} offers that many"
    if _grows(cluster):
        yield Check("capacity", "warn", f"{short}; the cluster's autoscaler may add one")
        return
    yield Check("capacity", "fail", f"{short}: use fewer, or add a node")


def _grows(cluster: Cluster) -> bool:
    """Whether nodes come when pods wait: Karpenter, or the cluster autoscaler by the status it writes."""
    try:
        return cluster.serves(_NODE_POOL) or bool(
            cluster.get(_CONFIG_MAP, "kube-system", "cluster-autoscaler-status")
        )
    except DeployError:
        return False


def _limits(document: Any) -> Iterator[tuple[str, Decimal]]:
    """Resources that a container asks for, by the larger of request and limit."""
    if isinstance(document, list):
        for item in document:
            yield from _limits(item)
    if not isinstance(document, Mapping):
        return
    resources = document.get("resources")
    if isinstance(resources, Mapping):
        sides: Iterable[Any] = (resources.get("limits") or {}, resources.get("requests") or {})
        for name in {name for side in sides for name in side}:
            yield str(name), max(_quantity(side.get(name)) for side in sides)
    for value in document.values():
        yield from _limits(value)


def _selector(document: Document) -> dict[str, str]:
    spec = document.get("spec", {})
    pod = spec.get("predictor") or spec.get("template") or {}
    return dict(pod.get("nodeSelector") or {})


def _quantity(value: Any) -> Decimal:
    """A count of cards; zero for what is none."""
    try:
        return Decimal(str(value)) if value is not None else Decimal(0)
    except InvalidOperation:
        return Decimal(0)
