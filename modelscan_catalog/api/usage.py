"""Usage that others measured of a model, kept beside the router's own figures."""

from typing import Any

from fastapi import APIRouter, Depends

from modelscan_catalog.api.bodies import Answer, UsageBody
from modelscan_catalog.api.context import ApiContext
from modelscan_catalog.api.reads import envelope
from modelscan_catalog.api.responses import SECRET_REFUSALS
from modelscan_catalog.errors import StateError
from modelscan_catalog.router.usage import Record

REPORTED = "reported"
"""Class of such requests in the usage figures, so that nobody takes them for the router's."""


def usage_routes(context: ApiContext) -> APIRouter:
    """One endpoint; figures come out of ``/api/stats`` and the usage table."""
    router = APIRouter(tags=["models"], responses=SECRET_REFUSALS, dependencies=[Depends(context.authorized)])

    @router.post("/models/{model_id:path}/usage", response_model=Answer)
    def usage(model_id: str, body: UsageBody) -> Any:
        """Record one request that was sent to a model elsewhere; no prompts, no users."""
        model = context.served.current().registry.model_id(model_id)
        if context.usage is None:
            raise StateError("usage: this server keeps none; start it with `modelscan serve`")
        context.usage.record(
            Record(
                model=model,
                target=f"{body.provider or REPORTED}/{model}",
                key="",
                query_class=REPORTED,
                client="",
                outcome="ok" if body.success else "reported_failure",
                first_byte_s=None if body.ttft_ms is None else body.ttft_ms / 1000,
                total_s=body.latency_ms / 1000,
                prompt_tokens=body.input_tokens,
                cached_tokens=body.cached_tokens,
                completion_tokens=body.output_tokens,
                cost_usd=body.cost_usd,
            )
        )
        return envelope({"model": model, "recorded": True})

    return router
