"""Cards of a cluster's nodes as a target reports them, and the label that leads pods to one kind of them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from modelscan_catalog.deploy.deployer import Cards
from modelscan_catalog.deploy.gpu import DetectedGpu
from modelscan_catalog.deploy.inventory_kubernetes import node_gpus
from modelscan_catalog.deploy.kserve.api import Cluster, Kind
from modelscan_catalog.errors import DeployError

Node = Mapping[str, Any]
NODE = Kind("v1", "nodes", "Node")
_PRODUCT_LABELS = ("nvidia.com/gpu.product", "amd.com/gpu.product-name")


def usable_nodes(cluster: Cluster) -> list[Node]:
    """Nodes that are ready and take pods; empty where nodes cannot be listed."""
    try:
        return [node for node in cluster.list(NODE, None) if takes_pods(node)]
    except DeployError:
        return []


def takes_pods(node: Node, selector: Mapping[str, str] | None = None) -> bool:
    """Whether a node is ready, not cordoned, and has the labels of ``selector``."""
    labels = node.get("metadata", {}).get("labels") or {}
    ready = any(
        row.get("type") == "Ready" and row.get("status") == "True"
        for row in node.get("status", {}).get("conditions") or []
    )
    held = node.get("spec", {}).get("unschedulable")
    return ready and not held and all(labels.get(name) == value for name, value in (selector or {}).items())


def cards_of(nodes: Iterable[Node]) -> tuple[Cards, ...]:
    """A row a node and kind of card, the most cards first."""
    found: dict[tuple[str, str], list[DetectedGpu]] = {}
    for node in nodes:
        for gpu in node_gpus(node)[0]:
            found.setdefault((str(node["metadata"]["name"]), gpu.name), []).append(gpu)
    rows = [
        Cards(name, len(gpus), node, (), gpus[0].total_gib, gpus[0].compute_capability)
        for (node, name), gpus in found.items()
    ]
    return tuple(sorted(rows, key=lambda row: (-row.count, row.node, row.name)))


def node_selector(nodes: Sequence[Node], profile: str | None) -> dict[str, str]:
    """The label of the nodes whose cards are of ``profile`` (None for a custom card).

    Empty where no pod could land elsewhere, and where one label does not tell those nodes from the others.
    """
    kinds: dict[tuple[str, str] | None, set[str | None]] = {}
    for node in nodes:
        profiles = {gpu.profile for gpu in node_gpus(node)[0]}
        if profiles:
            kinds.setdefault(_product(node), set()).update(profiles)
    here = [label for label, profiles in kinds.items() if profile and profiles == {profile}]
    if len(kinds) < 2 or len(here) != 1 or here[0] is None:
        return {}
    name, product = here[0]
    return {name: product}


def _product(node: Node) -> tuple[str, str] | None:
    labels = node["metadata"].get("labels") or {}
    return next(((name, str(labels[name])) for name in _PRODUCT_LABELS if name in labels), None)
