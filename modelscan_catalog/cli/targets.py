"""Options of every command that talks to a server, and the server behind them."""

import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelscan_catalog.deploy.deployer import Deployer
from modelscan_catalog.deploy.flow import Places
from modelscan_catalog.deploy.targets import at_server, open_places, open_target
from modelscan_catalog.errors import DeployError
from modelscan_catalog.settings import load_settings
from modelscan_catalog.state import Deployment, deployments
from modelscan_catalog.state.deployments import Target

if TYPE_CHECKING:
    from modelscan_catalog.deploy.kserve.forms import ServiceWishes

_IN_CONTEXT = "modelscan.cluster."


def _keep(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    """Options of Kubernetes alone are kept for ``opened``; commands need not know them."""
    context.meta[f"{_IN_CONTEXT}{parameter.name}"] = value


_WHERE = (
    click.option(
        "--target",
        type=click.Choice(["gpustack", "kserve"]),
        help="Kind of server. [default: gpustack, or where NAME is known]",
    ),
    click.option(
        "--server",
        metavar="URL",
        help="GPUStack's address. [default: MODELSCAN_GPUSTACK_SERVER]",
    ),
    click.option(
        "--key",
        metavar="REFERENCE",
        help="Its API key, as env:NAME or file:PATH. [default: MODELSCAN_GPUSTACK_KEY]",
    ),
    click.option("--cluster", metavar="NAME", help="GPUStack's cluster. [default: its default]"),
    click.option("--kubeconfig", metavar="FILE", expose_value=False, callback=_keep,
                 help="Of KServe's cluster. [default: KUBECONFIG, ~/.kube/config]"),
    click.option("--namespace", metavar="NAME", expose_value=False, callback=_keep,
                 help="Of KServe's services. [default: ACTIVE_NAMESPACE, ai]"),
)  # fmt: skip


def where_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--target``, ``--server``, ``--key``, ``--cluster``, ``--kubeconfig`` and ``--namespace``."""
    for option in reversed(_WHERE):
        command = option(command)
    return command


@contextmanager
def places() -> Iterator[Places]:
    """The state file, the router's folder and who runs this command."""
    with open_places(load_settings(), f"cli:{_user()}") as opened:
        yield opened


@contextmanager
def opened(
    target: Target | None,
    server: str | None,
    key: str | None,
    cluster: str | None = None,
    wishes: "ServiceWishes | None" = None,
) -> Iterator[Deployer]:
    """The deployer of the server that the options name, else of the settings' one.

    ``wishes`` are for what it deploys on KServe.
    """
    namespace = _kept("namespace")
    settings = load_settings(kubeconfig=_kept("kubeconfig"), active_namespace=namespace)
    if target != "kserve":
        given = None if key is None else load_settings(gpustack_key=key).gpustack_key
        settings = at_server(settings, server, given)
    with open_target(settings, target, cluster, None if namespace else server, wishes) as deployer:
        yield deployer


def has_server(target: Target | None, server: str | None) -> bool:
    """Whether a server is named by the options or the settings."""
    return target == "kserve" or load_settings(gpustack_server=server).gpustack_server is not None


def find_known(name: str, where: Places, target: Target | None, server: str | None) -> Deployment | None:
    """The known deployment of that name; raises ``DeployError`` when several servers have one."""
    from modelscan_catalog.deploy.gpustack.api import server_url

    wanted = server_url(server) if server else None
    found = [
        row
        for row in deployments(where.connection, target=target)
        if row.name == name and wanted in (None, row.server)
    ]
    if len(found) > 1:
        servers = ", ".join(f"{row.target} {row.server}" for row in found)
        raise DeployError(f"{name}: it is on several servers ({servers}); give --target or --server")
    return found[0] if found else None


def _kept(name: str) -> str | None:
    context = click.get_current_context(silent=True)
    value = context.meta.get(f"{_IN_CONTEXT}{name}") if context else None
    return None if value is None else str(value)


@contextmanager
def opened_for(
    name: str, where: Places, target: Target | None, server: str | None, key: str | None
) -> Iterator[Deployer]:
    """The deployer of the server that has ``name`` by the state file, else of the named or configured one."""
    known = find_known(name, where, target, server)
    if known is not None:
        target, server = known.target, known.server
    elif not has_server(target, server):
        raise DeployError(
            f"{name}: no deployment of that name is known here (modelscan list), and no server is named to "
            "look for it: give --server http://HOST and --key env:NAME, or --target kserve"
        )
    with opened(target, server, key) as deployer:
        yield deployer


def published(registry: Path | None) -> Path:
    """The registry to plan with."""
    return registry or load_settings().published_dir


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a user name
        return "unknown"
