"""Endpoints about the server itself: its document, its health, its figures."""

from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse

from modelscan_catalog import __version__
from modelscan_catalog.api.bodies import Answer
from modelscan_catalog.api.catalogue import envelope
from modelscan_catalog.api.context import ApiContext
from modelscan_catalog.api.hot import HotReads
from modelscan_catalog.api.responses import REFUSALS


def document_routes(app: FastAPI) -> APIRouter:
    """The OpenAPI document, and Swagger UI over it."""
    router = APIRouter(include_in_schema=False)

    @router.get("/openapi")
    def openapi() -> JSONResponse:
        return JSONResponse(app.openapi())

    @router.get("/docs")
    def docs() -> HTMLResponse:
        assets = "/docs/assets"
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="ModelScan",
            swagger_js_url=f"{assets}/swagger-ui-bundle.js",
            swagger_css_url=f"{assets}/swagger-ui.css",
            swagger_favicon_url=f"{assets}/favicon-32x32.png",
        )

    return router


def system_routes(context: ApiContext) -> APIRouter:
    """Health, version and counts, figures for Prometheus."""
    served = context.served
    router = APIRouter(tags=["system"], responses=REFUSALS)

    @router.get("/health", response_model=Answer)
    @router.get("/healthz", response_model=Answer)
    def health() -> Any:
        """Whether it serves, and which registry."""
        now = served.current()
        state = {
            "version": __version__,
            "registry_as_of": now.index.data_as_of,
            "refused": served.last_refusal,
        }
        return envelope({"status": "ok" if served.last_refusal is None else "stale", **state})

    @router.get("/system/info", response_model=Answer)
    def info() -> Any:
        """Version, counts, sources and GPU profiles."""
        index = served.current().index
        return envelope(
            {
                "version": __version__,
                "schema_version": index.schema_version,
                "counts": dict(index.counts),
                "sources": [state.model_dump(mode="json") for state in index.sources],
                "gpu_profiles": served.current().gpus,
            }
        )

    @router.get("/metrics", response_class=PlainTextResponse)
    def metrics(request: Request) -> str:
        """Request counts and seconds for Prometheus."""
        layer: Any = request.app.middleware_stack
        while not isinstance(layer, HotReads):
            layer = layer.app
        return layer.metrics()

    return router
