"""``modelscan features``: what an engine's version can do with a checkpoint on a card."""

import dataclasses
from pathlib import Path

import click

from modelscan_catalog.cli.catalog import echo_json, json_option, plain_table, registry_option
from modelscan_catalog.cli.completion import complete_gpu, complete_model


@click.command()
@click.argument("identifier", shell_complete=complete_model)
@click.option("--gpu", metavar="NAME", required=True, shell_complete=complete_gpu, help="The card.")
@click.option("--engine", type=click.Choice(["vllm", "sglang"]), help="Only this engine.")
@click.option("--all-versions", is_flag=True, help="Not only the newest recorded version of each engine.")
@registry_option
@json_option
def features(
    identifier: str, gpu: str, engine: str | None, all_versions: bool, registry: Path, as_json: bool
) -> None:
    """Which features work together: engine, version, card, model."""
    from modelscan_catalog.cli.console import table_console
    from modelscan_catalog.registry import get_registry
    from modelscan_catalog.registry.features import feature_matrix

    checkpoint, rows = feature_matrix(get_registry(registry), identifier, gpu)
    newest = {row.engine: row.engine_version for row in rows}
    rows = [
        row
        for row in rows
        if engine in (None, row.engine) and (all_versions or row.engine_version == newest[row.engine])
    ]
    if as_json:
        echo_json([dataclasses.asdict(row) for row in rows])
        return
    console = table_console()
    cells = [
        (f"{row.engine} {row.engine_version}", row.feature, row.support.replace("_", " "), row.reason or "-")
        for row in rows
    ]
    columns = ("engine", "feature", "support", "how, or why not")
    console.print(plain_table(f"{checkpoint} on {gpu}", columns, cells, console.width, (), columns[-1]))
