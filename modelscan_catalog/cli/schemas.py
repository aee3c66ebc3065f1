"""``modelscan schemas``: write the generated JSON Schemas, or say where the written ones drifted."""

import json
from pathlib import Path

import click

from modelscan_catalog.errors import CheckFailedError
from modelscan_catalog.publish.schemas import SCHEMA_VERSION, breaking_changes, schema_files
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


def broken(directory: Path) -> list[str]:
    """Ways in which the generated schemas refuse what the written ones of the same version accept."""
    return [
        f"{name}: {change}"
        for name, schema in schema_files().items()
        if (path := directory / name).exists()
        for change in breaking_changes(json.loads(path.read_text("utf-8")), schema)
    ]


@schemas.command()
@click.option("--breaking", is_flag=True, help="Write them although readers of the written ones could break.")
def write(breaking: bool) -> None:
    """Write the current version below schemas/."""
    changes = broken(_DIRECTORY)
    if changes and not breaking:
        raise CheckFailedError(
            f"readers of {SCHEMA_VERSION} could break: {'; '.join(changes[:5])}; raise the major number of "
            "SCHEMA_VERSION, or add --breaking while nobody reads that version yet"
        )
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
