"""``python -m modelscan_catalog.router``: the router process without the rest of the command line."""

import logging
import sys
from pathlib import Path

import click

from modelscan_catalog.errors import ModelScanError
from modelscan_catalog.router.server import run


@click.command()
@click.option("--config", type=click.Path(path_type=Path), required=True, help="router.json to serve")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8080, show_default=True, help="0 takes a free one")
@click.option(
    "--token", multiple=True, help="reference to a token that clients may give: env:NAME or file:PATH"
)
@click.option("--admin-token", help="reference to the token for /refresh and /api; any client's without it")
@click.option("--usage", type=click.Path(path_type=Path), help="SQLite file for usage; in memory without it")
@click.option(
    "--config-dir",
    type=click.Path(path_type=Path),
    help="folder of deployments.json, splits.json and keys.json",
)
def main(
    config: Path,
    host: str,
    port: int,
    token: tuple[str, ...],
    admin_token: str | None,
    usage: Path | None,
    config_dir: Path | None,
) -> None:
    """Serve OpenAI-compatible requests from a router configuration."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    try:
        run(config, host, port, token, usage_path=usage, config_dir=config_dir, admin_token_ref=admin_token)
    except ModelScanError as error:
        raise click.ClickException(str(error)) from error


main()
