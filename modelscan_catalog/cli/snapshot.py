"""``modelscan snapshot save``: embed the facts of the last raw documents in the registry."""

import click

from modelscan_catalog.settings import load_settings
from modelscan_catalog.sources.snapshot import save_snapshot


@click.group()
def snapshot() -> None:
    """Save the embedded snapshot of the sources."""


@snapshot.command()
@click.option(
    "--recorded",
    multiple=True,
    metavar="SOURCE/DOCUMENT=DAY",
    help="The day of a document that was read from a recording, such as models_dev/api.json=2026-09-30.",
)
def save(recorded: tuple[str, ...]) -> None:
    """Write registry/snapshot from the last raw documents: facts only, with a notice of each source."""
    days = {document: day for document, _, day in (entry.rpartition("=") for entry in recorded)}
    for line in save_snapshot(load_settings(), days).lines():
        click.echo(line)
