"""What all groups of endpoints share: refusals that the OpenAPI document lists, and query parameters."""

from typing import Annotated, Any

from fastapi import Query

from modelscan_catalog.api.errors import ErrorAnswer
from modelscan_catalog.api.filters import AuditFilter, ModelFilters, Page

REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer} for status in (400, 404, 409, 413, 415, 429, 503)
}
SECRET_REFUSALS = REFUSALS | {401: {"model": ErrorAnswer}, 502: {"model": ErrorAnswer}}
Paged = Annotated[Page, Query()]
Filters = Annotated[ModelFilters, Query()]
AuditQuery = Annotated[AuditFilter, Query()]
