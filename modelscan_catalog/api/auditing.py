"""Writes down every call that may change something, and gives the log to whoever holds the token."""

import hashlib
import json
import logging
import sqlite3
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from modelscan_catalog.api.bodies import Answer
from modelscan_catalog.api.context import ApiContext
from modelscan_catalog.api.errors import error_answer
from modelscan_catalog.api.reads import envelope
from modelscan_catalog.api.responses import SECRET_REFUSALS, AuditQuery
from modelscan_catalog.errors import StateError
from modelscan_catalog.state import audit_rows, open_state, write_audit
from modelscan_catalog.state.audit import Outcome
from modelscan_catalog.state.database import transaction

LOGGER = logging.getLogger("modelscan.api")
CHANGES_NOTHING = (
    "/api/v1/registry/validate/training",
    "/api/v1/registry/validate/inference",
    "/catalog/generate",
    "/catalog/preview",
    "/catalog/validate",
    "/vllm/model-info",
    "/vllm/discover",
)
"""Endpoints that take a body and only answer."""
_COUNTS_ONLY = "/usage"
"""The end of the path that reports usage: its rows are the record."""
_LONGEST_READ = 100_000
_SUBJECTS = ("id", "model_id", "hfModelId", "identifier", "provider_id", "name")


class Audited:
    """ASGI middleware: no call that may change something is taken while the log cannot be written."""

    def __init__(self, app: ASGIApp, state: Path) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if not _is_audited(scope):
            await self._app(scope, receive, send)
            return
        try:
            await run_in_threadpool(_check_writable, self._state)
        except (StateError, sqlite3.Error) as error:
            LOGGER.error("the audit log cannot be written: %s", error)
            text = "the audit log cannot be written, so nothing is changed; the server's log says why"
            await error_answer(503, "no_audit_log", text)(scope, receive, send)
            return
        asked, told, status = bytearray(), bytearray(), 500

        async def heard() -> Message:
            message = await receive()
            if len(asked) < _LONGEST_READ:
                asked.extend(message.get("body", b""))
            return message

        async def said(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif len(told) < _LONGEST_READ:
                told.extend(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, heard, said)
        finally:
            row = (actor_of(scope), f"{scope['method']} {_route(scope)}", _subject(scope, bytes(asked)),
                   _outcome(status, bytes(told)), {"status": status})  # fmt: skip
            await run_in_threadpool(_write, self._state, row)


def _is_audited(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
        return False
    return scope["path"] not in CHANGES_NOTHING and not scope["path"].endswith(_COUNTS_ONLY)


def _check_writable(state: Path) -> None:
    with open_state(state) as connection, transaction(connection):
        pass


def _write(state: Path, row: tuple[str, str, str, Outcome, dict[str, Any]]) -> None:
    actor, action, subject, outcome, detail = row
    try:
        with open_state(state) as connection:
            write_audit(connection, actor, action, subject, outcome, detail=detail)
    except (StateError, sqlite3.Error) as error:
        LOGGER.error("not in the audit log (%s): %s %s %s %s", error, actor, action, subject, outcome)


def actor_of(scope: Scope) -> str:
    """Who called: eight digits of the hash of the bearer token that was given, or the kind of client."""
    given = Headers(scope=scope).get("authorization", "")
    if given:
        return f"token:{hashlib.sha256(given.removeprefix('Bearer ').encode()).hexdigest()[:8]}"
    return "without a token"


def _route(scope: Scope) -> str:
    """The path as the document writes it; the path itself where no endpoint took the call."""
    route = scope.get("route")
    return str(getattr(route, "path", None) or scope["path"])[:200]


def _subject(scope: Scope, body: bytes) -> str:
    named = scope.get("path_params") or {}
    if named:
        return str(next(iter(named.values())))[:300]
    try:
        document = json.loads(body)
    except ValueError:
        return ""
    if not isinstance(document, dict):
        return ""
    entry = document.get("entry")
    for holder in (document, entry if isinstance(entry, dict) else {}):
        for name in _SUBJECTS:
            if isinstance(holder.get(name), str):
                return str(holder[name])[:300]
    return ""


def _outcome(status: int, body: bytes) -> Outcome:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "failed"
    if status >= HTTPStatus.BAD_REQUEST:
        return "refused"
    try:
        data = json.loads(body).get("data")
    except (ValueError, AttributeError):
        return "done"
    dry = isinstance(data, dict) and (data.get("applied") is False or data.get("dry_run") is True)
    return "dry_run" if dry else "done"


def audit_routes(context: ApiContext) -> APIRouter:
    """The log, the newest rows first."""
    guarded = [Depends(context.authorized)]
    router = APIRouter(tags=["system"], responses=SECRET_REFUSALS, dependencies=guarded)

    @router.get("/audit", response_model=Answer)
    def audit(query: AuditQuery) -> Any:
        """Who changed what, and what was refused."""
        with open_state(context.state) as connection:
            rows = audit_rows(connection, subject=query.subject or None, limit=query.limit)
        return envelope([asdict(row) for row in rows], len(rows))

    return router
