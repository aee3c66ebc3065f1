"""``modelscan contracts``: the facts about engines and targets that manifests are checked against."""

from pathlib import Path

import click

from modelscan_catalog.settings import REPOSITORY_ROOT

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.group()
def contracts() -> None:
    """Renew the committed facts about engines and targets (for maintainers)."""


@contracts.command()
@click.argument("recorded", type=_FOLDER)
@click.option("--registry", type=_FOLDER, default=REPOSITORY_ROOT / "registry", show_default="registry")
def carry(recorded: Path, registry: Path) -> None:
    """Write registry/engines and registry/contracts from a folder of RECORDED schemas and flag tables.

    Names, types, choices and defaults are taken over; descriptions and help texts are not.
    """
    from modelscan_catalog.manifests.carry import carry_all

    for path in carry_all(recorded, registry):
        click.echo(f"{path} {path.stat().st_size:,} bytes")


@contracts.command("vllm-types")
@click.argument("wheel", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False),
              default=REPOSITORY_ROOT / "registry" / "engines" / "vllm_types.json",
              show_default="registry/engines/vllm_types.json")  # fmt: skip
def vllm_types(wheel: Path, out: Path) -> None:
    """Read types and choices of vLLM's flags from its released WHEEL, without importing it."""
    from modelscan_catalog.manifests.carry_vllm_types import carry_wheel

    click.echo(f"{out}: {carry_wheel(wheel, out)} flags")


@contracts.command("vllm-models")
@click.argument("wheel", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False),
              default=REPOSITORY_ROOT / "registry" / "engines" / "vllm_models.json",
              show_default="registry/engines/vllm_models.json")  # fmt: skip
def vllm_models(wheel: Path, out: Path) -> None:
    """Read which class serves an architecture from vLLM's released WHEEL, without importing it."""
    from modelscan_catalog.manifests.carry_vllm_models import carry_wheel_models

    click.echo(f"{out}: {carry_wheel_models(wheel, out)} architectures")
