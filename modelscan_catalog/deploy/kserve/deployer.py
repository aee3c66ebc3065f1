"""KServe as a target of deployments: every service of one namespace of one cluster."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from modelscan_catalog.deploy.deployer import Cards, Health, Judgement, Sighting, Wanted
from modelscan_catalog.deploy.kserve.api import Cluster, connect
from modelscan_catalog.deploy.kserve.checks import check_cluster
from modelscan_catalog.deploy.kserve.client import KServe, kind_of
from modelscan_catalog.deploy.kserve.forms import (
    ServiceWishes,
    apply_runtime,
    brings_runtime,
    documents_for,
    drop_runtime,
)
from modelscan_catalog.deploy.kserve.nodes import cards_of, node_selector, usable_nodes
from modelscan_catalog.deploy.kserve.probe import try_model
from modelscan_catalog.deploy.kserve.status import BODY_HASH, sighting
from modelscan_catalog.errors import ConflictError, DocumentRefusedError, ManifestError, SettingsError
from modelscan_catalog.settings import Settings
from modelscan_catalog.state.audit import content_sha256
from modelscan_catalog.state.deployments import Target

_RESTART = "modelscan.io/restart"
"""Pod annotation whose change makes new pods of an unchanged service."""


class KServeDeployer:
    """Implements ``Deployer``."""

    target: Target = "kserve"
    key_reference: str | None = None

    def __init__(self, cluster: Cluster, namespace: str, wishes: ServiceWishes | None = None) -> None:
        self._services = KServe(cluster, namespace)
        self._wishes = wishes or ServiceWishes()
        self.server = f"{cluster.server}/{namespace}"

    def cards(self) -> tuple[Cards, ...]:
        """Cards that nodes offer, by their labels; empty where nodes cannot be listed."""
        return cards_of(usable_nodes(self._services.cluster))

    def version_for(self, engine: str, wanted: str) -> str | None:
        """Any: the service names its image."""
        return wanted

    def body(self, wanted: Wanted) -> dict[str, Any]:
        """The service that would serve ``wanted``; raises ``ManifestError`` for what KServe cannot serve."""
        if wanted.card_ids:
            raise ManifestError("gpu: Kubernetes chooses the cards of a pod itself; name their kind instead")
        return self._documents(wanted)[0]

    def evaluate(self, wanted: Wanted, body: Mapping[str, Any]) -> Judgement:
        """A dry run on the server, and a look at what the service needs there."""
        reasons, remarks = [], []
        cluster, namespace, runtime = self._services.cluster, self._services.namespace, None
        try:
            if (runtime := self._runtime(wanted, body)) is not None:
                apply_runtime(cluster, namespace, runtime, dry_run=True)
            change = self._services.activate(_hashed(body))
            remarks += [f"would change {line}" for line in change.differences]
        except (DocumentRefusedError, ConflictError) as error:
            reasons.append(str(error))
        for check in check_cluster(lambda: cluster, namespace, body, runtime):
            line = f"{check.name}: {check.message}"
            if check.status == "fail":
                reasons.append(line)
            elif check.status == "warn":
                remarks.append(line)
        return Judgement(not reasons, tuple(reasons), tuple(remarks))

    def ensure(self, wanted: Wanted, body: Mapping[str, Any]) -> Sighting:
        """Create the service or change it; one that failed and is as asked gets new pods."""
        document = _hashed(body)
        now = self._services.find(wanted.name)
        if now is not None:
            _carry_restart(document, now, again=sighting(now).state == "failed")
        if (runtime := self._runtime(wanted, body)) is not None:
            apply_runtime(self._services.cluster, self._services.namespace, runtime, dry_run=False)
        change = self._services.activate(document, apply=True)
        return sighting(change.after or {})

    def look(self, name: str) -> Sighting | None:
        """How the service is now."""
        found = self._services.find(name)
        return None if found is None else sighting(found)

    def list(self) -> list[Sighting]:
        """All services of the namespace."""
        return [sighting(found) for found in self._services.services()]

    def health(self, seen: Sighting) -> Health:
        """Ask the service for its models and for one token."""
        if seen.url is None:
            return Health(False, "the controller has not said where it listens")
        return try_model(seen.url, seen.served_model)

    def scale(self, name: str, replicas: int) -> Sighting:
        """Set the replicas; 0 stops the service by KServe's own annotation."""
        return sighting(self._services.scale(name, replicas, apply=True).after or {})

    def remove(self, name: str) -> bool:
        """Delete the service, and its runtime where that served it alone; KServe takes its pods away."""
        change = self._services.deactivate(name, apply=True)
        if change.before is not None:
            drop_runtime(self._services.cluster, self._services.namespace, change.before)
        return change.applied

    def _documents(self, wanted: Wanted) -> tuple[dict[str, Any], dict[str, Any] | None]:
        nodes = usable_nodes(self._services.cluster)
        selector = node_selector(nodes, wanted.plan.gpu_profile_id)
        return documents_for(wanted, self._wishes, self._services.namespace, selector)

    def _runtime(self, wanted: Wanted, body: Mapping[str, Any]) -> dict[str, Any] | None:
        return self._documents(wanted)[1] if brings_runtime(body) else None


def kserve_deployer(
    settings: Settings, server: str | None = None, wishes: ServiceWishes | None = None
) -> KServeDeployer:
    """Of the cluster in ``settings``; in the namespace of ``server`` (``KServeDeployer.server``) where given.

    Weights that lie where ``settings`` installs them are read from the claim that ``settings`` names.
    Raises ``ServerUnreachableError`` where there is no cluster, ``SettingsError`` where ``server`` is in
    another one.
    """
    cluster = connect(settings.kubeconfig)
    if settings.weights_pvc:
        claims = {settings.weights_dir: f"pvc://{settings.weights_pvc}"}
        wishes = replace(wishes or ServiceWishes(), claims=claims)
    if server is None:
        return KServeDeployer(cluster, settings.active_namespace, wishes)
    root, _, namespace = server.rpartition("/")
    if root != cluster.server:
        raise SettingsError(
            f"server: {server} is not in the kubeconfig's cluster ({cluster.server}); name its kubeconfig "
            "with --kubeconfig or KUBECONFIG"
        )
    return KServeDeployer(cluster, namespace, wishes)


def _hashed(body: Mapping[str, Any]) -> dict[str, Any]:
    """``body`` with its own hash on it."""
    document = copy.deepcopy(dict(body))
    annotations = document.setdefault("metadata", {}).setdefault("annotations", {})
    annotations[BODY_HASH] = content_sha256(body)
    return document


def _carry_restart(document: dict[str, Any], now: Mapping[str, Any], *, again: bool) -> None:
    """Keep the mark of the last restart, or set a new one for another."""
    part = "predictor" if kind_of(document).name == "InferenceService" else None
    spec, seen = document["spec"], now.get("spec", {})
    if part:
        spec, seen = spec[part], seen.get(part) or {}
    mark = str(now["metadata"]["generation"]) if again else (seen.get("annotations") or {}).get(_RESTART)
    if mark is not None:
        spec["annotations"] = {**(spec.get("annotations") or {}), _RESTART: mark}
