"""The one shape of every refusal: what happened, in which field, and what was probably meant."""

import logging
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from modelscan_catalog.errors import (
    AmbiguousIdError,
    ConflictError,
    DeployError,
    DocumentRefusedError,
    FetchError,
    FitInputError,
    ManifestError,
    ModelScanError,
    OverrideError,
    PublishError,
    ServerUnreachableError,
    SettingsError,
    StateConflictError,
    StateError,
    UnknownIdError,
)

LOGGER = logging.getLogger("modelscan.api")

_STATUSES: tuple[tuple[type[ModelScanError], int, str], ...] = (
    (UnknownIdError, 404, "unknown_id"),
    (AmbiguousIdError, 409, "ambiguous_id"),
    (FitInputError, 400, "bad_input"),
    (OverrideError, 400, "bad_entry"),
    (ManifestError, 400, "no_manifest"),
    (FetchError, 502, "host_refused"),
    (PublishError, 503, "registry_unavailable"),
    (SettingsError, 503, "not_configured"),
    (StateConflictError, 409, "conflict"),
    (StateError, 503, "state_unavailable"),
    (DocumentRefusedError, 400, "document_refused"),
    (ConflictError, 409, "conflict"),
    (ServerUnreachableError, 503, "server_unreachable"),
    (DeployError, 502, "server_refused"),
)
_CODES = {
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    429: "too_many_requests",
}


class ErrorBody(BaseModel):
    """Why a request was refused."""

    code: str
    message: str
    field: str = Field(default="", description="the parameter or field at fault; empty when none is")
    candidates: list[str] = Field(default_factory=list, description="ids that were probably meant")


class ErrorAnswer(BaseModel):
    """Every answer with a status of 400 or above."""

    success: bool = False
    error: ErrorBody


def error_answer(
    status: int,
    code: str,
    message: str,
    field: str = "",
    candidates: Sequence[str] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """A refusal in the one shape."""
    body = ErrorBody(code=code, message=message, field=field, candidates=list(candidates))
    asks = {"www-authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}
    return JSONResponse(ErrorAnswer(error=body).model_dump(), status, {**asks, **(headers or {})})


def add_error_handlers(app: FastAPI, told: Callable[[Request, str], str]) -> None:
    """Answer every exception in the one shape; what nobody foresaw is logged and not repeated.

    ``told`` makes a message what its caller may read.
    """

    @app.exception_handler(ModelScanError)
    async def known(request: Request, error: ModelScanError) -> JSONResponse:
        text = told(request, str(error))
        for kind, status, code in _STATUSES:
            if isinstance(error, kind):
                candidates = getattr(error, "candidates", ())
                return error_answer(status, code, text, getattr(error, "field", None) or "", candidates)
        return error_answer(400, "refused", text)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first: dict[str, Any] = dict(error.errors()[0])
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if first["loc"] == ("body",) and error.body is not None and not _is_json(kind):
            text = f"body: is {kind[:60] or 'of no stated kind'}; send JSON as content-type: application/json"
            return error_answer(415, _CODES[415], text)
        if first["type"] == "json_invalid":
            why = f"{first['ctx']['error']}, at character {first['loc'][-1]}"
            return error_answer(400, "bad_input", f"body: is no JSON: {why}")
        place = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
        field = ".".join(place)
        return error_answer(400, "bad_input", f"{field or 'body'}: {first['msg']}", field)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        status, text = error.status_code, str(error.detail)
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            takes = (error.headers or {}).get("Allow", "another method")
            text = f"{request.method} is not taken here; {takes} is"
        elif status == HTTPStatus.NOT_FOUND and text == HTTPStatus.NOT_FOUND.phrase:
            text = "no endpoint has this path; /docs lists them"
        return error_answer(status, _CODES.get(status, "refused"), text, headers=error.headers)

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> JSONResponse:
        LOGGER.error("%s %s: %r", request.method, request.url.path, error, exc_info=error)
        return error_answer(500, "internal", "the server failed on this request; its log says why")


def _is_json(kind: str) -> bool:
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))
