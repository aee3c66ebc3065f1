"""The OpenAPI document, in the version that the bundled Swagger UI draws, and the page over it."""

from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, JSONResponse

OPENAPI_VERSION = "3.0.3"
"""The newest that the bundled Swagger UI draws."""


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """The document of all endpoints, made at the first call."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title,
            version=app.version,
            openapi_version=OPENAPI_VERSION,
            routes=app.routes,
        )
        app.openapi_schema = _nullable(made)
    return app.openapi_schema


def _nullable(part: Any) -> Any:
    """Optional fields as that version writes them: ``nullable``, where a newer one has a type ``null``."""
    if isinstance(part, list):
        return [_nullable(one) for one in part]
    if not isinstance(part, dict):
        return part
    choices = part.get("anyOf")
    if not isinstance(choices, list) or {"type": "null"} not in choices:
        return {key: _nullable(value) for key, value in part.items()}
    left = [_nullable(one) for one in choices if one != {"type": "null"}]
    rest = {key: _nullable(value) for key, value in part.items() if key != "anyOf"}
    if len(left) == 1 and "$ref" not in left[0]:
        return {**left[0], **rest, "nullable": True}
    return {"anyOf": left, **rest, "nullable": True}


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
