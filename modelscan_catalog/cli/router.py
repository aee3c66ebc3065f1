"""``modelscan router``: one OpenAI-compatible endpoint over everything that router.json lists."""

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from modelscan_catalog.secret_refs import resolve_secret
from modelscan_catalog.settings import REPOSITORY_ROOT, Settings, load_settings

if TYPE_CHECKING:
    from modelscan_catalog.router.config import RouterConfig
    from modelscan_catalog.router.remote import Remote


@click.command()
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    show_default="router.json of REGISTRY_URL where that is set, else registry/published/router.json",
    help="Router configuration, as the pipeline publishes it.",
)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option(
    "--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one."
)
@click.option(
    "--token",
    "tokens",
    metavar="REFERENCE",
    multiple=True,
    help="Bearer token of clients, as env:NAME or file:PATH; may be repeated.",
)
@click.option(
    "--admin-token",
    metavar="REFERENCE",
    help="Bearer token for /refresh and /api; any client's token without it.",
)
@click.option(
    "--usage",
    type=click.Path(dir_okay=False, path_type=Path),
    show_default="usage.sqlite in --config-dir",
    help="SQLite file for tokens, costs, latencies and the use of keys; no prompts.",
)
@click.option(
    "--config-dir",
    type=click.Path(file_okay=False, path_type=Path),
    show_default="data/router",
    help="Folder of deployments.json, splits.json and keys.json, which are laid over --config.",
)
@click.option(
    "--export",
    "export_as",
    type=click.Choice(["litellm", "plano", "production-stack", "semantic-router", "envoy-ai-gateway"]),
    help="Print the configuration for another gateway instead of serving.",
)
@click.option(
    "--chains",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Your own order of models by class of query, and refiners, before those of --config.",
)
@click.option("--check", is_flag=True, help="Say what is wrong with the configuration instead of serving.")
def router(
    config: Path | None,
    host: str,
    port: int,
    tokens: tuple[str, ...],
    admin_token: str | None,
    usage: Path | None,
    config_dir: Path | None,
    export_as: str | None,
    chains: Path | None,
    check: bool,
) -> None:
    """Serve one OpenAI-compatible endpoint from router.json."""
    settings = load_settings()
    config_dir = config_dir or settings.data_dir / "router"
    remote = None
    if config is None and settings.registry_url is not None:
        remote = _remote(settings, config_dir)
        config = remote.path
    config = config or REPOSITORY_ROOT / "registry" / "published" / "router.json"
    if remote is not None and (check or export_as is not None):
        asyncio.run(remote.begin())
    if check:
        _check(config, config_dir, chains)
        return
    if export_as is not None:
        from modelscan_catalog.router.export import EXPORTS, export_yaml
        from modelscan_catalog.router.overlays import read_overlaid

        export = EXPORTS[export_as](read_overlaid(config, config_dir))
        for line in export.left_out:
            click.echo(f"left out: {line}", err=True)
        click.echo(export_yaml(export), nl=False)
        return
    from modelscan_catalog.router.added_keys import confirmed
    from modelscan_catalog.router.server import run

    usage = usage or config_dir / "usage.sqlite"
    adapt = None if chains is None else partial(_with_chains, chains)
    run(
        config,
        adapt=adapt,
        host=host,
        port=port,
        token_refs=tokens,
        usage_path=usage,
        config_dir=config_dir,
        admin_token_ref=admin_token,
        remote=remote,
        key_hosts=partial(confirmed, settings),
    )


def _remote(settings: Settings, config_dir: Path) -> "Remote":
    from modelscan_catalog.router.remote import REMOTE_FILE, Remote

    token = resolve_secret(settings.registry_token) if settings.registry_token else None
    return Remote(str(settings.registry_url), config_dir / REMOTE_FILE, token)


def _with_chains(chains: Path, config: "RouterConfig") -> "RouterConfig":
    from modelscan_catalog.router.chains import read_chains, with_chains

    return with_chains(config, read_chains(chains), str(chains))


def _check(config_path: Path, config_dir: Path, chains: Path | None) -> None:
    """Print the faults of what would be served; exit with 1 when one of them is an error."""
    from modelscan_catalog.router.chains import catalogue_statuses, lint_chains, read_chains
    from modelscan_catalog.router.lint import lint_router
    from modelscan_catalog.router.overlays import read_overlaid

    config = read_overlaid(config_path, config_dir)
    faults = lint_router(config)
    if chains is not None:
        statuses = catalogue_statuses(config_path.with_name("models.jsonl"))
        faults += lint_chains(config, read_chains(chains), statuses)
    for fault in faults:
        click.echo(click.style(str(fault), fg="red" if fault.severity == "error" else "yellow"))
    errors = sum(fault.severity == "error" for fault in faults)
    routed = f"{len(config.models)} models of {len(config.providers)} providers"
    click.echo(f"{routed}: {errors} errors, {len(faults) - errors} warnings")
    if errors:
        raise click.exceptions.Exit(1)
