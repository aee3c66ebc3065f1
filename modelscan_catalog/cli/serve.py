"""``modelscan serve``: the registry over HTTP."""

from pathlib import Path

import click

from modelscan_catalog.cli.catalog import registry_option


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535))
@click.option(
    "--token", metavar="REFERENCE", help="Bearer token of mutating endpoints: env:NAME or file:PATH."
)
@registry_option
def serve(host: str, port: int, token: str | None, registry: Path) -> None:
    """Serve the published registry over HTTP: /docs explains every endpoint.

    A newly published registry is taken within seconds. A bind that others can reach needs a token.
    """
    from modelscan_catalog.api.server import serve as run

    click.echo(f"http://{host}:{port}/docs", err=True)
    run(registry, host, port, token)
