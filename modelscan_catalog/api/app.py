"""The application: all groups of endpoints, one error shape, one document, one layer of hot reads."""

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from swagger_ui_bundle import swagger_ui_path  # type: ignore[import-untyped]

from modelscan_catalog import __version__
from modelscan_catalog.api.auditing import Audited, audit_routes
from modelscan_catalog.api.catalog import catalog_routes
from modelscan_catalog.api.cluster import cluster_routes
from modelscan_catalog.api.context import ApiContext, ServiceView, bearer
from modelscan_catalog.api.discovery import discovery_routes
from modelscan_catalog.api.document import document_routes, openapi_document
from modelscan_catalog.api.errors import add_error_handlers
from modelscan_catalog.api.figures import Counted
from modelscan_catalog.api.hot import HotReads
from modelscan_catalog.api.hub import hub_routes
from modelscan_catalog.api.jobs import job_routes
from modelscan_catalog.api.limiting import Limited
from modelscan_catalog.api.models import model_routes
from modelscan_catalog.api.onboarding import onboarding_routes
from modelscan_catalog.api.parameters import known_parameters_only
from modelscan_catalog.api.registry_v1 import registry_routes
from modelscan_catalog.api.router_file import router_file_routes
from modelscan_catalog.api.snapshot import Served
from modelscan_catalog.api.system import admin_routes, system_routes
from modelscan_catalog.api.upgrade import upgrade_routes
from modelscan_catalog.api.usage import usage_routes
from modelscan_catalog.api.weights import weight_routes
from modelscan_catalog.router.usage import UsageStore
from modelscan_catalog.settings import Settings


def create_app(
    served: Served,
    token: str | None = None,
    settings: Settings | None = None,
    usage: UsageStore | None = None,
    warnings: tuple[str, ...] = (),
    service: ServiceView | None = None,
) -> FastAPI:
    """The application over ``served``; ``token`` guards what changes something.

    With ``settings`` there is state: jobs, history and the audit log lie in their state file. ``warnings``
    are told by ``/system/info``. Raises ``SettingsError`` for a limit that is none.
    """
    known = settings or Settings()
    context = ApiContext(
        served, bearer(token), known, known.state_file if settings else None, usage, warnings, service=service
    )
    app = FastAPI(
        title="ModelScan",
        version=__version__,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(known_parameters_only)],
    )
    app.openapi = lambda: openapi_document(app)  # type: ignore[method-assign]
    add_error_handlers(app, context.told)
    app.mount("/docs/assets", StaticFiles(directory=swagger_ui_path), name="docs assets")
    for router in (
        document_routes(),
        system_routes(context),
        admin_routes(context),
        audit_routes(context),
        onboarding_routes(context),
        registry_routes(context),
        usage_routes(context),
        model_routes(context),
        catalog_routes(context),
        cluster_routes(context),
        job_routes(context),
        weight_routes(context),
        hub_routes(context),
        upgrade_routes(context),
        discovery_routes(context),
        router_file_routes(context, token),
    ):
        for route in router.routes:
            if isinstance(route, APIRoute) and route.description:
                route.summary = route.description.partition("\n")[0].rstrip(".")
        app.include_router(router)
    # The one added last stands outermost.
    if context.state is not None:
        app.add_middleware(Audited, state=context.state)
    app.add_middleware(HotReads, current=served.current, most_body_bytes=known.api_max_body_bytes)
    if known.rate_limit is not None:
        app.add_middleware(Limited, limit=known.rate_limit)
    app.add_middleware(Counted, figures=context.figures)
    return app
