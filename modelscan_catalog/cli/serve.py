"""``modelscan serve``: the registry, its admin endpoints and the router in one process."""

import logging
import sys
from pathlib import Path

import click


@click.command()
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="YAML file of settings; see docs/service.md.",
)
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="0 takes a free one.  [default: 8080]")
@click.option(
    "--token", metavar="REFERENCE", help="Bearer token of mutating endpoints: env:NAME or file:PATH."
)
@click.option(
    "--client-token",
    metavar="REFERENCE",
    help="Bearer token of those who ask models; --token when not given.",
)
@click.option(
    "--registry",
    type=click.Path(file_okay=False, path_type=Path),
    help="Published registry.  [default: registry/published]",
)
@click.option("--no-router", is_flag=True, help="Serve the registry alone.")
@click.option("--quiet", is_flag=True, help="Log warnings and errors only.")
def serve(
    config: Path | None,
    host: str | None,
    port: int | None,
    token: str | None,
    client_token: str | None,
    registry: Path | None,
    no_router: bool,
    quiet: bool,
) -> None:
    """Serve registry, admin endpoints and router on one port: /docs explains every endpoint.

    A newly published registry is taken within seconds. A bind that others can reach needs a token. A stop
    lets requests under way finish; POST /admin/restart starts everything anew.
    """
    from modelscan_catalog.service.process import run
    from modelscan_catalog.settings import Loaded, load_tolerant

    def load() -> Loaded:
        return load_tolerant(
            config,
            host=host,
            port=port,
            api_token=token,
            client_token=client_token,
            catalog_root=registry,
            routing_mode="off" if no_router else None,
        )

    level = logging.WARNING if quiet else logging.INFO
    logging.basicConfig(level=level, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells every address, with what stands in it
    run(load)
