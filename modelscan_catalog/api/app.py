"""The application: all groups of endpoints, one error shape, one document, one layer of hot reads."""

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from swagger_ui_bundle import swagger_ui_path  # type: ignore[import-untyped]

from modelscan_catalog import __version__
from modelscan_catalog.api.catalog import catalog_routes
from modelscan_catalog.api.context import ApiContext, bearer
from modelscan_catalog.api.errors import add_error_handlers
from modelscan_catalog.api.hot import HotReads
from modelscan_catalog.api.models import model_routes
from modelscan_catalog.api.registry_v1 import registry_routes
from modelscan_catalog.api.snapshot import Served
from modelscan_catalog.api.system import document_routes, system_routes
from modelscan_catalog.settings import Settings

OPENAPI_VERSION = "3.0.3"
"""The newest that the bundled Swagger UI draws."""


def create_app(served: Served, token: str | None = None, settings: Settings | None = None) -> FastAPI:
    """The application over ``served``; ``token`` guards what changes something.

    With ``settings`` there is state: jobs, history and the audit log lie in their state file.
    """
    context = ApiContext(
        served, bearer(token), settings or Settings(), None if settings is None else settings.state_file
    )
    app = FastAPI(
        title="ModelScan",
        version=__version__,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.openapi_version = OPENAPI_VERSION
    add_error_handlers(app)
    app.mount("/docs/assets", StaticFiles(directory=swagger_ui_path), name="docs assets")
    for router in (
        document_routes(app),
        system_routes(context),
        registry_routes(context),
        model_routes(context),
        catalog_routes(context),
    ):
        for route in router.routes:
            if isinstance(route, APIRoute) and route.description:
                route.summary = route.description.partition("\n")[0].rstrip(".")
        app.include_router(router)
    app.add_middleware(HotReads, current=served.current)
    return app
