"""Entry point of ``modelscan``: finds the subcommand, turns library errors into one clear line."""

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from io import TextIOWrapper
from typing import TYPE_CHECKING

import click

from modelscan_catalog import __version__
from modelscan_catalog.errors import CheckFailedError, ModelScanError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

# name -> (module:attribute, one line for --help); nothing here is imported before it is called.
_COMMANDS: dict[str, tuple[str, str]] = {
    "backup": (
        "modelscan_catalog.cli.backup:backup",
        "State, usage and hand-kept data in one file, verified.",
    ),
    "add": ("modelscan_catalog.cli.add:add", "Find out how a provider is called, and make a checked client."),
    "bench": ("modelscan_catalog.cli.bench:bench", "How fast a running deployment is, at several loads."),
    "catalog": ("modelscan_catalog.cli.catalog:catalog", "Look things up in the published catalogue."),
    "changes": ("modelscan_catalog.cli.changes:changes", "What the last publish changed."),
    "compare": ("modelscan_catalog.cli.compare:compare", "Models side by side, on named cards too."),
    "contracts": (
        "modelscan_catalog.cli.contracts:contracts",
        "Renew the committed facts about engines and targets.",
    ),
    "cost": ("modelscan_catalog.cli.cost:cost", "What so many tokens cost at each seller and on own cards."),
    "deploy": (
        "modelscan_catalog.cli.deploy:deploy",
        "Run a model on a server: planned, started, checked, routed.",
    ),
    "deprecations": ("modelscan_catalog.cli.changes:deprecations", "Models that are deprecated or gone."),
    "discover": (
        "modelscan_catalog.cli.discover:discover",
        "What sellers, Ollama and the hub have that the catalogue does not.",
    ),
    "doctor": (
        "modelscan_catalog.cli.doctor:doctor",
        "What is missing on this machine, and what that costs.",
    ),
    "export": ("modelscan_catalog.cli.export:export", "The catalogue in another shape."),
    "features": (
        "modelscan_catalog.cli.features:features",
        "Which features work together: model, engine, version, card.",
    ),
    "fit": ("modelscan_catalog.cli.fit:fit", "Does a model run on these GPUs, and where does the memory go?"),
    "gpus": ("modelscan_catalog.cli.gpus:gpus", "GPU profiles, and the GPUs of this machine."),
    "keys": ("modelscan_catalog.cli.keys:keys", "Which hosts a key may be sent to."),
    "lint": ("modelscan_catalog.cli.lint:lint", "Check manifests and catalogues against their targets."),
    "manifest": (
        "modelscan_catalog.cli.manifest:manifest",
        "A model's manifest for GPUStack, KServe, KAITO, compose or a shell.",
    ),
    "mcp": ("modelscan_catalog.cli.mcp:mcp", "The catalogue as read-only tools for MCP clients."),
    "optimize": (
        "modelscan_catalog.cli.optimize:optimize",
        "The cheapest mix of sellers and own cards for a day's requests.",
    ),
    "plan": (
        "modelscan_catalog.cli.plan:plan",
        "How to serve a model on these GPUs, with every choice explained.",
    ),
    "list": ("modelscan_catalog.cli.deployments:list_", "What is deployed, and in which state."),
    "quality": (
        "modelscan_catalog.cli.quality:quality",
        "Measured accuracy of crosswalk, fit, search and router.",
    ),
    "quantize": (
        "modelscan_catalog.cli.quantize:quantize",
        "A smaller checkpoint of a model: script, engine's flag, expected size.",
    ),
    "remove": (
        "modelscan_catalog.cli.deployments:remove",
        "Delete a deployment on its server and from the router.",
    ),
    "report": ("modelscan_catalog.cli.report:report", "One page of figures: use, cost, sources, conflicts."),
    "restore": ("modelscan_catalog.cli.backup:restore", "Put back what a backup holds."),
    "router": (
        "modelscan_catalog.cli.router:router",
        "Serve one OpenAI-compatible endpoint from router.json.",
    ),
    "scale": ("modelscan_catalog.cli.deployments:scale", "Set the replicas of a deployment."),
    "schemas": ("modelscan_catalog.cli.schemas:schemas", "Write or check the generated JSON Schemas."),
    "sdk": ("modelscan_catalog.cli.sdk:sdk", "Generated clients of providers, their versions, the way back."),
    "serve": ("modelscan_catalog.cli.serve:serve", "Serve registry, admin endpoints and router on one port."),
    "snapshot": ("modelscan_catalog.cli.snapshot:snapshot", "Save the embedded snapshot of the sources."),
    "status": ("modelscan_catalog.cli.deployments:status", "How a deployment is, and whether it answers."),
    "stop": ("modelscan_catalog.cli.deployments:stop", "Stop a deployment and keep its definition."),
    "upgrade": (
        "modelscan_catalog.cli.upgrade:upgrade",
        "Try a model's successor on real requests, and decide by evidence.",
    ),
    "hf": ("modelscan_catalog.cli.hf:hf", "The HuggingFace hub: search it, describe a repository."),
    "weights": ("modelscan_catalog.cli.weights:weights", "Weights on this disk: install, verify, delete."),
    "jobs": ("modelscan_catalog.cli.jobs:jobs", "Installs and other long work: look and stop."),
    "what-fits": ("modelscan_catalog.cli.what_fits:what_fits", "What of the catalogue runs on these GPUs?"),
}

# Commands of packages above this library (the pipeline's ``build``) register here.
_PLUGIN_GROUP = "modelscan.commands"


def _plugins(name: str | None = None) -> list["EntryPoint"]:
    from importlib.metadata import entry_points  # 40 ms that most commands need not pay

    points = entry_points(group=_PLUGIN_GROUP)
    # An image that serves has no pipeline in it, and so no `build`.
    return [one for one in points if name in (None, one.name) and find_spec(one.module.partition(".")[0])]


class _LazyGroup(click.Group):
    """A group that knows its commands' names and imports only the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*_COMMANDS, *(point.name for point in _plugins())])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _COMMANDS:
            module, _, attribute = _COMMANDS[cmd_name][0].partition(":")
            command = getattr(import_module(module), attribute)
        else:
            points = _plugins(cmd_name)
            if not points:
                return None
            command = points[0].load()
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        asked = args[0]
        if ctx.resilient_parsing or asked.startswith("-") or self.get_command(ctx, asked) is not None:
            return super().resolve_command(ctx, args)
        near = get_close_matches(asked, self.list_commands(ctx))
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise click.UsageError(f"No such command {asked!r}.{hint}", ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, text) for name, (_, text) in _COMMANDS.items()]
        for point in _plugins():
            command = point.load()
            rows.append((point.name, command.get_short_help_str(limit=90)))
        with formatter.section("Commands"):
            formatter.write_dl(sorted(rows))


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    no_args_is_help=True,
)
@click.version_option(__version__, prog_name="modelscan")
def cli() -> None:
    """One checked catalogue of open models: what each is, what it costs, and on which GPUs it runs."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``modelscan``: exit 0 when all went well, 1 on a failed check, 2 on what the caller can mend."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without a character shows "?" instead
    try:
        sys.exit(cli.main(args=arguments, prog_name="modelscan", standalone_mode=False) or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else str(error))
        sys.exit(0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        sys.exit(130)
    except CheckFailedError as error:
        click.echo(f"check failed: {error}", err=True)
        sys.exit(1)
    except ModelScanError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    except OSError as error:
        if error.filename is None:
            raise
        click.echo(f"error: {error.filename}: {error.strerror}; name a place that can be used", err=True)
        sys.exit(2)
