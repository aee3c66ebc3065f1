"""What operators ask of a router, and what they tell it to do."""

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.router import report
from modelscan_catalog.router.answers import RouterError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from modelscan_catalog.router.app import Router


class Admin:
    """Health, figures and keys of one router, and the reload of its configuration."""

    def __init__(self, router: "Router") -> None:
        self._router = router
        self._registry: CollectorRegistry | None = None

    async def health(self, request: web.BaseRequest) -> web.Response:
        del request
        table = self._router.table
        return web.json_response(
            {
                "status": "ok" if self._router.last_refusal is None else "serving_previous_config",
                "problem": self._router.last_refusal,
                "config": table.fingerprint,
                "models": len(table.config.models),
                "usable_models": len(table.usable_models()),
                "unusable_providers": len(table.unusable),
                "resting_targets": len(self._router.state.health.resting()),
                "usage_problem": self._router.usage.problem is not None,
            }
        )

    async def models(self, request: web.BaseRequest) -> web.Response:
        del request
        rows = [
            {
                "id": model.id,
                "object": "model",
                "created": 0,
                "owned_by": model.id.partition("/")[0],
                "context_window": model.context,
            }
            for model in self._router.table.usable_models()
        ]
        return web.json_response({"object": "list", "data": rows})

    async def refresh(self, request: web.BaseRequest) -> web.Response:
        del request
        try:
            table = await self._router.reload()
        except SettingsError as error:
            message = f"the previous configuration keeps serving: {error}"
            raise RouterError(422, "invalid_config", message) from error
        return web.json_response(
            {"status": "ok", "config": table.fingerprint, "models": len(table.config.models)}
        )

    async def metrics(self, request: web.BaseRequest) -> web.Response:
        """Prometheus text or OpenMetrics."""
        text, content_type = await asyncio.to_thread(self._exposition, request.headers.get("Accept", ""))
        return web.Response(body=text, headers={"Content-Type": content_type})

    def _exposition(self, accept: str) -> tuple[bytes, str]:
        # Imported at the first scrape: a router nobody scrapes starts without it.
        from modelscan_catalog.router import metrics

        if self._registry is None:
            self._registry = metrics.registry(self._router)
        return metrics.exposition(self._registry, accept)

    async def stats(self, request: web.BaseRequest) -> web.Response:
        model = request.query.get("model")
        return web.json_response(await asyncio.to_thread(report.stats, self._router.usage, model))

    async def keys(self, request: web.BaseRequest) -> web.Response:
        rows = report.key_list(self._router.table, self._router.state, request.query.get("provider"))
        return web.json_response({"success": True, "data": rows, "total": len(rows)})

    async def splits(self, request: web.BaseRequest) -> web.Response:
        """Splits in force, those that cannot be followed, and copies not sent."""
        del request
        table = self._router.table
        return web.json_response(
            {
                "splits": {name: split.model_dump() for name, split in sorted(table.splits.items())},
                "idle": dict(sorted(table.idle_splits.items())),
                "copies_not_sent": self._router.mirror.left_out,
            }
        )
