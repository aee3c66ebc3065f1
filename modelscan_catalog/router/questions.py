"""Questions about requests that are not sent: where they would go, which class they are of, and why."""

from typing import TYPE_CHECKING, Any

from aiohttp import web

from modelscan_catalog.router import decide
from modelscan_catalog.router.answers import RouterError
from modelscan_catalog.router.classify import lexicon
from modelscan_catalog.router.splitting import split_decision
from modelscan_catalog.router.table import Needs

if TYPE_CHECKING:
    from modelscan_catalog.router.app import Router


class Questions:
    """Decisions of one router, told instead of followed."""

    def __init__(self, router: "Router") -> None:
        self._router = router

    async def route(self, request: web.BaseRequest) -> web.Response:
        started = self._router.state.clock()
        content, document = await self._router.document(request)
        needs = self._asked(document, len(content), request)
        name = document.get("model", decide.AUTO)
        if not isinstance(name, str):
            raise RouterError(400, "invalid_request", "model must be a string")
        table = self._router.table
        decision = decide.decide(table, name, needs, decide.classify(document, needs.modalities))
        if table.splits:
            decision = split_decision(table, name, decision, needs)
        decided_s = self._router.state.clock() - started
        return web.json_response(decide.described(self._router.table, decision, needs, decided_s))

    async def refinement(self, request: web.BaseRequest) -> web.Response:
        started = self._router.state.clock()
        content, document = await self._router.document(request)
        needs = self._asked(document, len(content), request)
        kind = document.get("refinement_type", "fast")
        if kind not in ("fast", "quality", "lmm"):
            raise RouterError(400, "invalid_request", "refinement_type must be fast, quality or lmm")
        found = decide.classify(document, needs.modalities)
        try:
            decision = decide.refinement(self._router.table, needs, kind, found)
        except RouterError as error:
            if error.status == 404:
                raise
            return web.json_response({"model": None, "bypass": True, "reasons": [str(error)]})
        decided_s = self._router.state.clock() - started
        return web.json_response(decide.described(self._router.table, decision, needs, decided_s))

    def _asked(self, document: dict[str, Any], size: int, request: web.BaseRequest) -> Needs:
        if not isinstance(document.get("query"), str) and not isinstance(document.get("messages"), list):
            raise RouterError(400, "invalid_request", "give query (a string) or messages (a list)")
        return decide.needs_of(document, size, request.headers, chat=True)

    async def classify(self, request: web.BaseRequest) -> web.Response:
        if request.method == "GET":
            document: dict[str, Any] = {"query": request.query.get("query")}
            size = 0
        else:
            content, document = await self._router.document(request)
            size = len(content)
        needs = self._asked(document, size, request)
        found = decide.classify(document, needs.modalities)
        return web.json_response(
            {
                "class": found.query_class,
                "version": lexicon().version,
                "reasons": list(found.reasons),
                "deadline_s": self._router.table.config.policy.classes[found.query_class].deadline_s,
            }
        )
