"""Refuses query parameters that an endpoint does not have, so that none that is misspelt is passed over."""

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute


def known_parameters_only(request: Request) -> None:
    """Raise ``RequestValidationError`` for the first query parameter that the document does not name."""
    route = request.scope["route"]
    if not request.query_params or not isinstance(route, APIRoute) or not route.include_in_schema:
        return
    operation = request.app.openapi()["paths"][route.path_format][request.method.lower()]
    known = [part["name"] for part in operation.get("parameters", ()) if part["in"] == "query"]
    for name in request.query_params:
        if name not in known:
            takes = ", ".join(known) or "no parameter"
            said = {
                "type": "extra_forbidden",
                "loc": ("query", name[:60]),
                "msg": f"not known here; this takes {takes}",
            }
            raise RequestValidationError([said])
