"""A server's cards as the planner takes a machine's, and its choice in the server's own ids."""

from collections.abc import Sequence

from modelscan_catalog.deploy.deployer import Cards
from modelscan_catalog.deploy.detect.mapping import observed
from modelscan_catalog.deploy.gpu import Detection
from modelscan_catalog.deploy.plan import DeploymentPlan
from modelscan_catalog.errors import FitInputError


def detection_of(cards: Sequence[Cards], server: str) -> Detection:
    """Every card of ``server``; called by its index, or by the server's id where nodes share indices."""
    nodes = {group.node for group in cards}
    found = []
    for group in cards:
        for place in range(group.count):
            given = group.ids[place] if place < len(group.ids) else None
            index = given.rpartition(":")[2] if given else str(place)
            found.append(
                observed(
                    index if len(nodes) == 1 else (given or f"{group.node}:{place}"),
                    group.name,
                    uuid=given,
                    compute_capability=group.compute_capability,
                    total_gib=group.total_gib,
                    machine=group.node,
                    seen_by=server,
                )
            )
    return Detection(tuple(found), None if found else "it reports none", place=server)


def card_ids(plan: DeploymentPlan, cards: Sequence[Cards], server: str) -> tuple[str, ...]:
    """The server's ids of the cards that ``plan`` names; empty where it names none.

    Raises ``FitInputError`` (field ``gpu_ids``) for cards that the server does not have.
    """
    ids = {
        name: gpu.uuid
        for gpu in detection_of(cards, server).gpus
        if gpu.uuid
        for name in (gpu.index, gpu.uuid)
    }
    missing = [one for one in plan.gpu_ids if one not in ids]
    if missing:
        there = ", ".join(dict.fromkeys(ids)) or "none that can be chosen"
        raise FitInputError(f"gpu_ids: {server} has no card {missing[0]}; it has {there}", field="gpu_ids")
    return tuple(ids[one] for one in plan.gpu_ids)
