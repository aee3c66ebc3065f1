"""What a shell may offer when Tab is pressed on a model or a card; without a registry it offers nothing."""

from pathlib import Path

import click

from modelscan_catalog.errors import ModelScanError
from modelscan_catalog.registry import published_dir
from modelscan_catalog.registry.files import RegistryFiles


def complete_model(context: click.Context, _: click.Parameter, typed: str) -> list[str]:
    """Ids that begin with ``typed``, or whose name after the lab does."""
    given = context.params.get("registry")
    try:
        ids = [row["id"] for row in RegistryFiles(Path(given or published_dir())).rows("models.jsonl")]
    except ModelScanError:
        return []
    return [model for model in ids if model.startswith(typed) or model.partition("/")[2].startswith(typed)]


def complete_gpu(_: click.Context, __: click.Parameter, typed: str) -> list[str]:
    """Profiles whose name begins with ``typed``."""
    from modelscan_catalog.fit.profiles import load_profiles

    try:
        return [name for name in load_profiles() if name.startswith(typed)]
    except ModelScanError:
        return []
