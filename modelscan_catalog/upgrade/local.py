"""The upgrades of this machine's router, where its files lie by the settings."""

from pathlib import Path

from modelscan_catalog.router.splits import SPLITS_FILE
from modelscan_catalog.settings import Settings
from modelscan_catalog.upgrade.policy import read_policy
from modelscan_catalog.upgrade.router_figures import figures_of
from modelscan_catalog.upgrade.run import Upgrades


def local_upgrades(settings: Settings, policy: Path | None = None) -> Upgrades:
    """Upgrades over the router folder of ``settings``; ``policy`` is a file in place of the kept one."""
    hand_kept = settings.registry_dir / "upgrade"
    router_dir = settings.data_dir / "router"
    return Upgrades(
        state=settings.state_file,
        splits_file=router_dir / SPLITS_FILE,
        sets_dir=hand_kept / "evaluation_sets",
        policy=read_policy(policy or hand_kept / "policy.json"),
        figures=figures_of(router_dir / "usage.sqlite"),
    )
