"""``modelscan mcp``: the catalogue as read-only tools for MCP clients, over stdio or loopback HTTP."""

from pathlib import Path

import click

from modelscan_catalog.cli.catalog import registry_option
from modelscan_catalog.errors import SettingsError


@click.command()
@click.option("--http", is_flag=True, help="Streamable HTTP at /mcp on the loopback instead of stdio.")
@click.option("--port", type=click.IntRange(0, 65535), default=8090, show_default=True, help="0: a free one.")
@registry_option
def mcp(http: bool, port: int, registry: Path) -> None:
    """Give MCP clients the catalogue's reads as tools: look-ups, fit, plans, prices.

    \b
    A client's configuration:
      {"mcpServers": {"modelscan": {"command": "modelscan", "args": ["mcp"]}}}
    """
    try:
        from modelscan_catalog.api.mcp_server import mcp_server
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("mcp", "mcp_types"):
            raise
        raise SettingsError("mcp: the SDK is not installed; pip install 'mcp>=2'") from error
    server = mcp_server(registry)
    if not http:
        server.run()
        return
    import asyncio
    import socket

    import uvicorn

    with socket.create_server(("127.0.0.1", port)) as bound:
        click.echo(f"serving on http://127.0.0.1:{bound.getsockname()[1]}/mcp")
        app = server.streamable_http_app(host="127.0.0.1")
        asyncio.run(uvicorn.Server(uvicorn.Config(app, log_level="warning")).serve(sockets=[bound]))
