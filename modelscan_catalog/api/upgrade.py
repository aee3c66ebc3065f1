"""Upgrades over HTTP: what could follow, what is being tried, and every decision with its figures."""

import dataclasses
import sqlite3
from typing import Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, model_validator

from modelscan_catalog.api.bodies import Answer
from modelscan_catalog.api.context import ApiContext
from modelscan_catalog.api.filters import paged
from modelscan_catalog.api.reads import envelope
from modelscan_catalog.api.responses import REFUSALS, SECRET_REFUSALS, Paged
from modelscan_catalog.errors import UnknownIdError
from modelscan_catalog.router.config import RouterConfig
from modelscan_catalog.router.overlays import read_overlaid
from modelscan_catalog.state.database import open_state, transaction
from modelscan_catalog.state.values import put_value
from modelscan_catalog.upgrade.candidates import upgrade_candidates
from modelscan_catalog.upgrade.local import (
    AUTOMATIC,
    EVALUATED,
    evaluated_at,
    is_automatic,
    local_upgrades,
)
from modelscan_catalog.upgrade.machine import Upgrade
from modelscan_catalog.upgrade.records import decisions, upgrades


class StartBody(BaseModel):
    """A route and its candidate; without both, the service decides about what is tried by itself."""

    model_config = ConfigDict(strict=True, extra="forbid")

    route: str = Field(default="", max_length=300)
    candidate: str = Field(default="", max_length=300)

    @model_validator(mode="after")
    def _both_or_none(self) -> "StartBody":
        if bool(self.route) != bool(self.candidate):
            raise ValueError("give both a route and a candidate, or neither")
        return self


class StopBody(BaseModel):
    """The route to give back; without one, automatic evaluation ends."""

    model_config = ConfigDict(strict=True, extra="forbid")

    route: str = Field(default="", max_length=300)
    reason: str = Field(default="stopped over HTTP", max_length=300)


def upgrade_routes(context: ApiContext) -> APIRouter:
    """Reads for everybody; ``/start`` and ``/stop`` behind the token."""
    router = APIRouter(tags=["upgrades"], responses=REFUSALS)
    guard = [Depends(context.authorized)]

    @router.get("/candidates", response_model=Answer)
    def candidates(page: Paged) -> Any:
        """Younger models of the same family that could follow what the router serves.

        ``discovered`` names the list of what was seen outside the catalogue.
        """
        models = {row["id"]: row for row in context.served.current().registry.files.rows("models.jsonl")}
        found = upgrade_candidates(_router_config(context), models)
        rows = [dataclasses.asdict(one) | {"released": one.released.isoformat()} for one in found]
        return paged(rows, page) | {"discovered": "/discovered"}

    @router.get("/upgrades", response_model=Answer)
    def tried() -> Any:
        """Every upgrade, open or ended; whether, how often and when last this service decided by itself."""
        if context.state is None:
            return envelope([], automatic=False, every_s=None, evaluated_at=None)
        with open_state(context.state) as connection:
            rows = [_row(one) for one in upgrades(connection)]
            return envelope(rows, **_automatic(context, connection))

    @router.get("/evaluations", response_model=Answer)
    def evaluations(page: Paged) -> Any:
        """Every decision with its gates and figures, the newest first."""
        if context.state is None:
            return paged([], page)
        with open_state(context.state) as connection:
            known = {one.id: one for one in upgrades(connection)}
            rows = [
                dataclasses.asdict(row)
                | {"route": known[row.upgrade].route, "candidate": known[row.upgrade].candidate}
                for row in decisions(connection, limit=10_000)
            ]
        return paged(rows, page)

    @router.post("/start", response_model=Answer, dependencies=guard, responses=SECRET_REFUSALS)
    def start(body: StartBody) -> Any:
        """Begin to try a candidate on a route; without one, have this service decide by itself.

        The first decision is made within seconds, the others ``every_s``; null where this process never
        decides (``upgrade_interval_s`` is 0).
        """
        state = context.kept_state("upgrades")
        if not body.route:
            with open_state(state) as connection, transaction(connection):
                put_value(connection, AUTOMATIC, True)
                put_value(connection, EVALUATED, None)
                return envelope(_automatic(context, connection))
        served = {model.id for model in _router_config(context).models}
        for name in (body.route, body.candidate):
            if name not in served:
                raise UnknownIdError(f"the router serves no model {name[:80]!r}")
        return envelope(_row(local_upgrades(context.settings).start(body.route, body.route, body.candidate)))

    @router.post("/stop", response_model=Answer, dependencies=guard, responses=SECRET_REFUSALS)
    def stop(body: StopBody) -> Any:
        """Give a route back to its own model; without one, nothing is decided by itself any more."""
        state = context.kept_state("upgrades")
        if not body.route:
            with open_state(state) as connection:
                put_value(connection, AUTOMATIC, False)
                return envelope(_automatic(context, connection))
        return envelope(_row(local_upgrades(context.settings).stop(body.route, body.reason)))

    return router


def _router_config(context: ApiContext) -> RouterConfig:
    """What the router serves: the published configuration, and what was deployed on this machine."""
    published = context.served.current().registry.files.root / "router.json"
    return read_overlaid(published, context.settings.data_dir / "router")


def _automatic(context: ApiContext, connection: sqlite3.Connection) -> dict[str, Any]:
    every_s = context.settings.upgrade_interval_s if context.service is not None else 0.0
    last = evaluated_at(connection)
    return {
        "automatic": is_automatic(connection),
        "every_s": every_s or None,
        "evaluated_at": last and last.isoformat(),
    }


def _row(upgrade: Upgrade) -> dict[str, Any]:
    return dataclasses.asdict(upgrade) | {"share_since": upgrade.share_since.isoformat()}
