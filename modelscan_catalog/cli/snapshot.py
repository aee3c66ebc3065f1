"""``modelscan snapshot save``: embed the facts of the last raw documents in the registry."""

import click

from modelscan_catalog.settings import load_settings
from modelscan_catalog.sources.snapshot import save_snapshot


@click.group()
def snapshot() -> None:
    """Save the embedded snapshot of the sources."""


@snapshot.command()
def save() -> None:
    """Write registry/snapshot from the last raw documents: facts only, with a notice of each source."""
    for line in save_snapshot(load_settings()).lines():
        click.echo(line)
