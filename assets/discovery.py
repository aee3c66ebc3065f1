"""What sellers, a local Ollama and the hub have that the catalogue does not hold."""

from typing import Any

import dagster as dg

from assets.registry import published_registry
from assets.shared import OWNERS, Build, preview_table
from modelscan_catalog.discovery.look import look_and_keep
from modelscan_catalog.notify import Notice, notify
from modelscan_catalog.registry import Registry


class Where(dg.Config):
    """Where to look: all sellers whose key is set unless some are named; the hub's newest repositories."""

    providers: list[str] = []  # noqa: RUF012 - a pydantic field, copied per instance
    hub: bool = True


@dg.asset(
    deps=[published_registry],
    group_name="discovery",
    owners=OWNERS,
    kinds={"json"},
    description="candidates.json: offers, repositories and local tags outside the catalogue; merges nothing.",
)
def model_candidates(build: Build, config: Where) -> dg.MaterializeResult[Any]:
    """Ask everybody who can be asked; what is silent is named and keeps what it showed before."""
    registry = Registry(build.settings.published_dir)
    found = look_and_keep(build.settings, registry, config.providers, hub=config.hub)
    new = [one for one in found.withdrawn if one.sight.first_seen == found.looked_at]
    if new:  # told once, not every day
        names = ", ".join(f"{one.provider}/{one.id}" for one in new[:10])
        text = f"{len(new)} offers are no longer listed by their sellers: {names}"
        notify(build.settings, Notice("discovery.withdrawn", "offers", text))
    silent = [one for one in found.looked if one.problem is not None]
    rows = [one.model_dump(mode="json", exclude={"known", "sight"}) for one in found.candidates[:50]]
    return dg.MaterializeResult(
        metadata={
            "candidates": len(found.candidates),
            "withdrawn": len(found.withdrawn),
            "lists read": len(found.looked) - len(silent),
            "not read": dg.MetadataValue.md(
                preview_table([one.model_dump(mode="json", exclude={"url"}) for one in silent[:50]])
            ),
            "preview": dg.MetadataValue.md(preview_table(rows)),
        }
    )


DISCOVERY_ASSETS = [model_candidates]
