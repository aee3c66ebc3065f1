"""Which kinds of server there are, and how one is reached: the one place that knows every deployer."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from modelscan_catalog.deploy.deployer import Deployer
from modelscan_catalog.deploy.flow import Places, key_name, refresh
from modelscan_catalog.errors import ModelScanError, SettingsError
from modelscan_catalog.settings import Settings
from modelscan_catalog.state import deployments, open_state, put_deployment
from modelscan_catalog.state.deployments import Target
from modelscan_catalog.state.values import value_of

if TYPE_CHECKING:
    from modelscan_catalog.deploy.kserve.forms import ServiceWishes


@contextmanager
def open_places(settings: Settings, actor: str) -> Iterator[Places]:
    """The state file and the router's folder; ``actor`` goes to the audit log."""
    with open_state(settings.state_file) as connection:
        yield Places(connection, settings.data_dir / "router", actor)


@contextmanager
def open_target(
    settings: Settings,
    target: Target | None,
    cluster: str | None = None,
    kserve_server: str | None = None,
    wishes: "ServiceWishes | None" = None,
) -> Iterator[Deployer]:
    """The deployer of the server in ``settings``; raises ``SettingsError`` when none is named.

    ``cluster`` is a cluster of GPUStack, by name or id. ``kserve_server`` is a known ``server`` of the
    Kubernetes cluster in ``settings``, whose namespace is then taken; ``wishes`` are for services made there.
    """
    if target == "kserve":
        from modelscan_catalog.deploy.kserve.deployer import kserve_deployer

        yield kserve_deployer(settings, kserve_server, wishes)
        return
    from modelscan_catalog.deploy.gpustack import GPUStackApi, GPUStackDeployer

    if settings.gpustack_server is None:
        raise SettingsError(
            "server: none is named; give --server http://HOST and --key env:NAME, or set "
            "MODELSCAN_GPUSTACK_SERVER and MODELSCAN_GPUSTACK_KEY"
        )
    with GPUStackApi(settings.gpustack_server, settings.gpustack_key, limits=settings.http) as api:
        yield GPUStackDeployer(api, cluster)


def at_server(settings: Settings, server: str | None, key: str | None = None) -> Settings:
    """``settings`` for the GPUStack server at ``server`` (null leaves theirs) with the reference of its key.

    The settings' key is meant for the settings' server: another one gets ``key``, or the reference that was
    used when something was deployed there, or none.
    """
    from modelscan_catalog.deploy.gpustack.api import server_url

    if server is None:
        return settings.model_copy(update={"gpustack_key": key or settings.gpustack_key})
    address = server_url(server)
    own = settings.gpustack_server
    reference = key
    if reference is None and own is not None and server_url(own) == address:
        reference = settings.gpustack_key
    elif reference is None:
        reference = _remembered_key(settings, address) or (settings.gpustack_key if own is None else None)
    return settings.model_copy(update={"gpustack_server": address, "gpustack_key": reference})


def _remembered_key(settings: Settings, server: str) -> str | None:
    path = settings.state_file
    if not path.exists():
        return None
    with open_state(path) as connection:
        reference = value_of(connection, key_name("gpustack", server))
    return reference if isinstance(reference, str) else None


def refresh_all(settings: Settings, actor: str) -> None:
    """Look at every deployment of the state file on its server; what cannot be asked says so in its row."""
    with open_places(settings, actor) as places:
        known = deployments(places.connection)
        for target, server in dict.fromkeys((row.target, row.server) for row in known):
            here = settings
            if target == "gpustack":
                here = at_server(settings, server)
            try:
                kserve_server = server if target == "kserve" else None
                with open_target(here, target, kserve_server=kserve_server) as deployer:
                    if deployer.server != server:
                        raise SettingsError(f"{server}: the settings name another server, {deployer.server}")
                    refresh(deployer, places)
            except ModelScanError as error:
                for row in known:
                    if (row.target, row.server) == (target, server):
                        put_deployment(
                            places.connection, target, server, row.name, "unreachable", message=str(error)
                        )
