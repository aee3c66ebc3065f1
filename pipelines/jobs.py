"""Jobs: the whole refresh, the same from the snapshot, and the router's smoke test."""

import dagster as dg

from assets.fit import GPU_PARTITIONS

ALL_GPUS = {
    "dagster/asset_partition_range_start": GPU_PARTITIONS.get_first_partition_key() or "",
    "dagster/asset_partition_range_end": GPU_PARTITIONS.get_last_partition_key() or "",
}
"""Run tags that make one run cover every GPU partition."""

refresh = dg.define_asset_job(
    "refresh",
    selection=dg.AssetSelection.all(),
    tags=ALL_GPUS,
    description="Read the sources live (or what they last gave), rebuild everything, publish.",
)

rebuild_offline = dg.define_asset_job(
    "rebuild_offline",
    selection=dg.AssetSelection.all(),
    tags=ALL_GPUS,
    config={"resources": {"build": {"config": {"offline": True}}}},
    description="Rebuild everything from stored documents without opening a socket.",
)
