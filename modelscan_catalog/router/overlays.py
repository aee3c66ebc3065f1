"""``router.json`` together with what was deployed, decided and added on this machine since."""

from pathlib import Path

from modelscan_catalog.router.added_keys import KEYS_FILE, read_keys, with_keys
from modelscan_catalog.router.config import RouterConfig, changed, read_config
from modelscan_catalog.router.deployments import DEPLOYMENTS_FILE, list_deployments, with_deployments
from modelscan_catalog.router.splits import SPLITS_FILE, read_splits


def overlay_files(config_dir: Path) -> tuple[Path, ...]:
    """The files in ``config_dir`` that change what a router serves; each may be absent."""
    return tuple(config_dir / name for name in (DEPLOYMENTS_FILE, SPLITS_FILE, KEYS_FILE))


def read_overlaid(config_path: Path, config_dir: Path | None) -> RouterConfig:
    """The configuration at ``config_path`` with the files of ``config_dir`` laid over it.

    Raises ``SettingsError`` when one of them is damaged, naming it.
    """
    config = read_config(config_path)
    if config_dir is None:
        return config
    config = with_deployments(config, list_deployments(config_dir))
    config = with_keys(config, read_keys(config_dir))
    splits = read_splits(config_dir / SPLITS_FILE)
    return changed(config, splits=config.splits | splits) if splits else config
