"""``modelscan schemas``: write the generated JSON Schemas, or say where the written ones drifted."""

import json
from pathlib import Path

import click

from modelscan_catalog.errors import CheckFailedError
from modelscan_catalog.publish.schemas import schema_files
from modelscan_catalog.settings import REPOSITORY_ROOT
from modelscan_catalog.store import write_json

_DIRECTORY = REPOSITORY_ROOT / "schemas"


def drifted(directory: Path) -> list[str]:
    """Paths below ``directory`` whose schema is missing or differs from the generated one."""
    found = []
    for name, schema in schema_files().items():
        path = directory / name
        if not path.exists() or json.loads(path.read_text("utf-8")) != schema:
            found.append(name)
    return found


@click.group()
def schemas() -> None:
    """Write or check the generated JSON Schemas."""


@schemas.command()
def write() -> None:
    """Write the current version below schemas/."""
    for name, schema in schema_files().items():
        write_json(_DIRECTORY / name, schema, indent=2)
    click.echo(f"{len(schema_files())} schemas written to {_DIRECTORY}")


@schemas.command()
def check() -> None:
    """Fail when a written schema differs from the records."""
    if names := drifted(_DIRECTORY):
        raise CheckFailedError(
            f"schemas drifted from the records: {', '.join(names)}; run `modelscan schemas write`"
        )
    click.echo("schemas agree with the records")
