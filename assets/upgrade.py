"""Upgrades of what the router serves: every decision with its figures, and which models can refine."""

import dataclasses
from typing import Any

import dagster as dg

from assets.router import router_usage
from assets.shared import OWNERS, Build, preview_table
from modelscan_catalog.router.config import read_config
from modelscan_catalog.secret_refs import resolve_secret
from modelscan_catalog.store import write_json
from modelscan_catalog.upgrade.evaluation_sets import read_evaluation_set
from modelscan_catalog.upgrade.local import evaluate_and_tell, local_upgrades
from modelscan_catalog.upgrade.refiner_sweep import sweep_refiners


class RouterAddress(dg.Config):
    """A running router, and the reference to its token."""

    base_url: str = "http://127.0.0.1:8080/v1"
    key: str | None = None


@dg.asset(
    deps=[router_usage],
    group_name="upgrade",
    owners=OWNERS,
    kinds={"sqlite"},
    description="What was decided about every open upgrade, by the router's usage and evaluation scores.",
)
def upgrade_decisions(build: Build) -> dg.MaterializeResult[Any]:
    """Evaluate all open upgrades; the routers take the new splits up by themselves."""
    decided = evaluate_and_tell(build.settings, local_upgrades(build.settings))
    rows = []
    gates = []
    for upgrade, decision in decided:
        rows.append(
            {
                "route": upgrade.route,
                "candidate": upgrade.candidate,
                "action": decision.action,
                "phase": decision.phase,
                "share": f"{decision.share:.0%}",
                "reason": decision.reasons[0] if decision.reasons else "",
            }
        )
        gates += [{"route": upgrade.route} | dataclasses.asdict(gate) for gate in decision.gates]
    return dg.MaterializeResult(
        metadata={
            "decided": len(decided),
            "taken back": sum(decision.action == "roll_back" for _, decision in decided),
            "decisions": dg.MetadataValue.md(preview_table(rows)),
            "gates": dg.MetadataValue.md(preview_table(gates, most_columns=8)),
        }
    )


@dg.asset(
    group_name="upgrade",
    owners=OWNERS,
    kinds={"json"},
    description="The refiners of router.json asked one by one through a running router, the fittest first.",
)
def refiner_figures(build: Build, config: RouterAddress) -> dg.MaterializeResult[Any]:
    """Time to the first token and score of each, held against the budget of the configuration."""
    router = read_config(build.settings.published_dir / "router.json")
    refinement = router.policy.refinement
    results = sweep_refiners(
        read_evaluation_set(build.settings.registry_dir / "upgrade" / "evaluation_sets", "tasks"),
        config.base_url,
        router.refiners,
        budget_s=refinement.budget_s,
        max_tokens=refinement.max_tokens,
        key=resolve_secret(config.key) if config.key else None,
    )
    rows = [dataclasses.asdict(one) for one in results]
    write_json(build.settings.data_dir / "router" / "refiners.json", rows)
    return dg.MaterializeResult(
        metadata={
            "asked": len(results),
            "within the budget": sum(one.within_budget for one in results),
            "refiners": dg.MetadataValue.md(preview_table(rows)),
        }
    )


UPGRADE_ASSETS = [upgrade_decisions, refiner_figures]
