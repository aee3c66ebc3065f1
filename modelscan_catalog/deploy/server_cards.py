"""A plan for a server: its cards as the planner takes a machine's, its engine's version, its own ids."""

from collections.abc import Sequence
from pathlib import Path

from modelscan_catalog.deploy.deployer import Cards, Deployer
from modelscan_catalog.deploy.detect.mapping import observed
from modelscan_catalog.deploy.gpu import Detection
from modelscan_catalog.deploy.plan import DeploymentPlan, PlanRequest
from modelscan_catalog.deploy.planner import make_plan
from modelscan_catalog.errors import FitInputError


def plan_on(
    deployer: Deployer, cards: Sequence[Cards], published: Path, request: PlanRequest
) -> DeploymentPlan:
    """The plan of ``request`` on ``cards`` of a server, for the version of the engine that runs there.

    Where the request names no version and the server has not the plan's, it is made anew for the newest that
    it has; a warning says so. Raises as ``make_plan``.
    """

    def look() -> Detection:
        return detection_of(cards, deployer.server)

    plan = make_plan(published, request, look)
    if not plan.starts:
        return plan
    warnings = list(_not_there(plan, request, cards, deployer.server))
    if plan.engine and plan.engine_version and request.engine_version is None:
        there = deployer.version_for(plan.engine, plan.engine_version)
        if there not in (None, plan.engine_version):
            warnings.append(
                f"{deployer.server} has no {plan.engine} {plan.engine_version}: planned for {there}, the "
                "newest that it has up to that"
            )
            asked = request.model_copy(update={"engine": plan.engine, "engine_version": there})
            plan = make_plan(published, asked, look)
            kept = tuple(one for one in plan.overridden if getattr(request, one.field) is not None)
            plan = plan.model_copy(update={"overridden": kept})
    return plan.model_copy(update={"warnings": (*warnings, *plan.warnings)})


def _not_there(plan: DeploymentPlan, request: PlanRequest, cards: Sequence[Cards], server: str) -> list[str]:
    """Where cards were named, that the server reports others or fewer; it tells of some at least."""
    if request.gpu is None or not cards:
        return []
    alike = sum(gpu.profile == plan.gpu_profile_id for gpu in detection_of(cards, server).gpus)
    if alike >= (plan.gpu_count or 1):
        return []
    there = ", ".join(f"{group.count} x {group.name}" for group in cards)
    return [f"{server} reports {alike or 'no'} {plan.gpu_profile_id} of {plan.gpu_count}: it has {there}"]


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
