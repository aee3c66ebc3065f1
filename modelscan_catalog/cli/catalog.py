"""``modelscan catalog``: look things up in the published catalogue."""

import dataclasses
import json
from pathlib import Path

import click

from modelscan_catalog.merge.resolve import read_index, resolve
from modelscan_catalog.settings import REPOSITORY_ROOT

PUBLISHED = REPOSITORY_ROOT / "registry" / "published"

registry_option = click.option(
    "--registry",
    type=click.Path(file_okay=False, path_type=Path),
    default=PUBLISHED,
    show_default="registry/published",
    help="The published registry to read.",
)


@click.group()
def catalog() -> None:
    """Look things up in the published catalogue."""


@catalog.command("resolve")
@click.argument("identifier")
@registry_option
@click.option("--json", "as_json", is_flag=True)
def resolve_command(identifier: str, registry: Path, as_json: bool) -> None:
    """Which model does IDENTIFIER mean, and by which rule?

    IDENTIFIER is a model id, a repository on either hub, a seller's id or a GPUStack set name. An unknown or
    ambiguous one is an error that lists candidates.
    """
    found = resolve(read_index(registry), identifier)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(found) | {"explanation": found.explanation}))
    else:
        click.echo(f"{found.model}\n{found.explanation} (confidence {found.confidence:g})")
