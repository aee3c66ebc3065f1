"""What operators ask of a router, and what they tell it to do."""

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.router import report
from modelscan_catalog.router.added_keys import ForeignKeyError, TooManyKeysError, add_key
from modelscan_catalog.router.answers import RouterError
from modelscan_catalog.router.config import RouterModel
from modelscan_catalog.router.keys import key_id, key_prefix
from modelscan_catalog.secret_refs import check_reference, resolve_secret

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from modelscan_catalog.router.app import Router

MODEL_PATH = "/v1/models/"
_UNKNOWN_TIME = "1970-01-01T00:00:00Z"
"""What Anthropic gives for a release that it does not know; ``created`` 0 says the same in OpenAI's shape."""


class Admin:
    """Health, figures and keys of one router, and the reload of its configuration."""

    def __init__(self, router: "Router") -> None:
        self._router = router
        self._registry: CollectorRegistry | None = None

    async def health(self, request: web.BaseRequest) -> web.Response:
        del request
        table = self._router.table
        problem = self._router.last_refusal or self._router.remote_problem
        return web.json_response(
            {
                "status": "ok" if problem is None else "serving_previous_config",
                "problem": problem,
                "config": table.fingerprint,
                "models": len(table.config.models),
                "usable_models": len(table.usable_models()),
                "unusable_providers": len(table.unusable),
                "resting_targets": len(self._router.state.health.resting()),
                "usage_problem": self._router.usage.problem is not None,
            }
        )

    async def models(self, request: web.BaseRequest) -> web.Response:
        """Models that can be called now, in the shape that the client's vendor gives them."""
        models = self._router.table.usable_models()
        if _is_anthropic(request):
            ends = {"first_id": models[0].id, "last_id": models[-1].id} if models else {}
            rows = [_anthropic_model(model.id, model) for model in models]
            return web.json_response({"data": rows, "has_more": False, **ends})
        return web.json_response(
            {"object": "list", "data": [_openai_model(model.id, model) for model in models]}
        )

    async def model(self, request: web.BaseRequest) -> web.Response:
        """One model by its id or alias."""
        name = request.path.removeprefix(MODEL_PATH)
        table = self._router.table
        known = table.model_id(name)
        found = next((model for model in table.usable_models() if model.id == known), None)
        if found is None:
            raise RouterError(404, "model_not_found", f"no model that can be called is {name[:200]!r}")
        made = _anthropic_model if _is_anthropic(request) else _openai_model
        return web.json_response(made(name, found))

    async def refresh(self, request: web.BaseRequest) -> web.Response:
        """Read the configuration again; a bad one is refused and the previous one keeps serving."""
        before = self._router.table.fingerprint
        try:
            table = await self._router.reload()
        except SettingsError as error:
            await self._log(request, "refresh", "refused", before=before, reason=str(error))
            message = f"the previous configuration keeps serving: {error}"
            raise RouterError(422, "invalid_config", message) from error
        await self._log(request, "refresh", "done", before=before, after=table.fingerprint)
        return web.json_response(
            {"status": "ok", "config": table.fingerprint, "models": len(table.config.models)}
        )

    async def add_key(self, request: web.BaseRequest) -> web.Response:
        """Use one more key for a provider, given by reference: ``{provider_id, api_key}``."""
        _, document = await self._router.document(request)
        provider, reference = document.get("provider_id"), document.get("api_key")
        if not isinstance(provider, str) or not isinstance(reference, str):
            raise RouterError(400, "invalid_request", "give provider_id and api_key as strings")
        config, folder = self._router.table.config, self._router.config_dir
        if provider not in config.providers:
            raise RouterError(404, "unknown_provider", f"no provider is called {provider!r}")
        try:
            check_reference(reference)
        except ValueError as error:
            await self._log(request, "keys.add", "refused", provider=provider, reason="a literal key")
            raise RouterError(400, "literal_key", f"api_key: {error}") from None
        if folder is None:
            message = "the router was started without a folder for keys: give it --config-dir"
            raise RouterError(409, "no_config_dir", message)
        before = self._router.table.fingerprint
        try:
            secret = await asyncio.to_thread(resolve_secret, reference)
            allowed = await asyncio.to_thread(self._router.key_hosts)
            added = await asyncio.to_thread(add_key, folder, config, provider, reference, allowed)
            table = await self._router.reload()
        except TooManyKeysError as error:
            raise RouterError(409, "too_many_keys", str(error)) from error
        except ForeignKeyError as error:
            await self._log(request, "keys.add", "refused", provider=provider, reason=str(error))
            raise RouterError(422, "key_of_another_seller", str(error)) from error
        except SettingsError as error:
            await self._log(request, "keys.add", "refused", provider=provider, reason=str(error))
            raise RouterError(422, "unusable_key", str(error)) from error
        await self._log(
            request,
            "keys.add",
            "done" if added else "known",
            provider=provider,
            key=key_id(secret),
            before=before,
            after=table.fingerprint,
        )
        return web.json_response(
            {
                "success": True,
                "added": added,
                "provider": provider,
                "prefix": key_prefix(secret),
                "sha256": key_id(secret),
            }
        )

    async def _log(self, request: web.BaseRequest, action: str, outcome: str, **detail: object) -> None:
        actor = self._router.who(request)
        await asyncio.to_thread(lambda: self._router.audit.write(actor, action, outcome, **detail))

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
        asked = request.query.get("model")
        model = self._router.table.model_id(asked) if asked else None
        return web.json_response(await asyncio.to_thread(report.stats, self._router.usage, model))

    async def keys(self, request: web.BaseRequest) -> web.Response:
        rows = report.key_list(self._router.table, self._router.state, request.query.get("provider"))
        return web.json_response({"success": True, "data": rows, "total": len(rows)})

    async def targets(self, request: web.BaseRequest) -> web.Response:
        """Health of the targets that were asked or probed."""
        rows = report.target_list(self._router.table, self._router.state, request.query.get("provider"))
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


def _is_anthropic(request: web.BaseRequest) -> bool:
    return "anthropic-version" in request.headers


def _openai_model(name: str, model: RouterModel) -> dict[str, object]:
    owner = model.id.partition("/")[0]
    return {
        "id": name,
        "object": "model",
        "created": 0,
        "owned_by": owner,
        "context_window": model.context,
    }


def _anthropic_model(name: str, model: RouterModel) -> dict[str, object]:
    return {"id": name, "type": "model", "display_name": model.id, "created_at": _UNKNOWN_TIME}
