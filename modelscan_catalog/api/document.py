"""The OpenAPI document, in the version that the bundled Swagger UI draws, and the page over it."""

import threading
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse

OPENAPI_VERSION = "3.0.3"
"""The newest that the bundled Swagger UI draws."""
_ONE_AT_A_TIME = threading.Lock()


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """The document of all endpoints, made at the first call."""
    with _ONE_AT_A_TIME:  # requests of several threads ask for it; FastAPI fails where two make it at once
        if app.openapi_schema is None:
            made = get_openapi(
                title=app.title,
                version=app.version,
                openapi_version=OPENAPI_VERSION,
                routes=app.routes,
            )
            app.openapi_schema = _older(made)
    return app.openapi_schema


def _older(part: Any) -> Any:
    """What pydantic writes for the newer version, as the older one spells it.

    A type ``null`` among others is ``nullable``, an exclusive bound is a bound and a flag, a constant is a
    choice of one.
    """
    if isinstance(part, list):
        return [_older(one) for one in part]
    if not isinstance(part, dict):
        return part
    made = {key: _older(value) for key, value in part.items()}
    for flag, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(made.get(flag), int | float) and not isinstance(made[flag], bool):
            made |= {bound: made[flag], flag: True}
    if "const" in made and isinstance(made.get("type"), str):
        made["enum"] = [made.pop("const")]
    choices = made.get("anyOf")
    if not isinstance(choices, list) or {"type": "null"} not in choices:
        return made
    left = [one for one in choices if one != {"type": "null"}]
    rest = {key: value for key, value in made.items() if key != "anyOf"}
    if len(left) == 1 and "$ref" not in left[0]:
        return {**left[0], **rest, "nullable": True}
    return {"anyOf": left, **rest, "nullable": True}


def document_routes() -> APIRouter:
    """The OpenAPI document, and Swagger UI over it."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    def start() -> RedirectResponse:
        return RedirectResponse("/docs")

    @router.get("/openapi")
    def openapi(request: Request) -> JSONResponse:
        return JSONResponse(request.app.openapi())

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
