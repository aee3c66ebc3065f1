"""``modelscan report``: one page of figures, from the router's usage and the published catalogue."""

from pathlib import Path

import click

from modelscan_catalog.registry import published_dir


@click.command()
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="HTML.")
@click.option(
    "--usage",
    type=click.Path(dir_okay=False, path_type=Path, exists=True),
    help="The router's usage.  [default: router/usage.sqlite in the data directory]",
)
@click.option(
    "--registry",
    type=click.Path(file_okay=False, path_type=Path),
    default=published_dir,
    show_default="registry/published",
    help="The published registry to read.",
)
def report(out: Path, usage: Path | None, registry: Path) -> None:
    """Write a page: use, cost, latency by model; sources, changes, conflicts of the catalogue."""
    from modelscan_catalog.service.parts import router_dir
    from modelscan_catalog.service.report import report_page
    from modelscan_catalog.settings import load_settings
    from modelscan_catalog.store import write_bytes

    page = report_page(registry, usage or router_dir(load_settings()) / "usage.sqlite")
    write_bytes(out, page)
    click.echo(f"{out}: {len(page):,} bytes")
