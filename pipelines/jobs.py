"""Jobs: the whole refresh, the same from the snapshot, and the router's smoke test."""

import dagster as dg

from assets.fit import GPU_PARTITIONS

ALL_GPUS = {
    "dagster/asset_partition_range_start": GPU_PARTITIONS.get_first_partition_key() or "",
    "dagster/asset_partition_range_end": GPU_PARTITIONS.get_last_partition_key() or "",
}
"""Run tags that make one run cover every GPU partition."""

CATALOGUE = dg.AssetSelection.all() - dg.AssetSelection.groups(
    "router", "upgrade", "onboarding", "deployments", "discovery"
)
"""All that a build makes; what runs beside it is looked after by jobs of its own."""

refresh = dg.define_asset_job(
    "refresh",
    selection=CATALOGUE,
    tags=ALL_GPUS,
    description="Read the sources live (or what they last gave), rebuild everything, publish.",
)

rebuild_offline = dg.define_asset_job(
    "rebuild_offline",
    selection=CATALOGUE,
    tags=ALL_GPUS,
    config={"resources": {"build": {"config": {"offline": True}}}},
    description="Rebuild everything from stored documents without opening a socket.",
)

runtime_router = dg.define_asset_job(
    "runtime_router",
    selection=dg.AssetSelection.groups("router"),
    description="Start the router on the published configuration, check it against local servers, stop it.",
)

evaluate_upgrades = dg.define_asset_job(
    "evaluate_upgrades",
    selection=dg.AssetSelection.assets("router_usage", "upgrade_decisions"),
    description="Read the router's usage and decide about every open upgrade.",
)

refiner_sweep = dg.define_asset_job(
    "refiner_sweep",
    selection=dg.AssetSelection.assets("refiner_figures"),
    description="Ask every refiner through a running router; costs some dozens of short requests each.",
)

discover_models = dg.define_asset_job(
    "discover_models",
    selection=dg.AssetSelection.groups("discovery"),
    description="Ask sellers, a local Ollama and the hub for what the catalogue does not hold.",
)

add_provider = dg.define_asset_job(
    "add_provider",
    selection=dg.AssetSelection.groups("onboarding"),
    description="From a provider's name to a checked client that routers serve, in eleven steps.",
)
