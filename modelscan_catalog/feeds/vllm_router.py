"""The reference plans as a dynamic configuration of the vLLM production-stack router."""

from collections.abc import Iterable, Mapping
from typing import Any

from modelscan_catalog.manifests.engines import default_port
from modelscan_catalog.records import Model, ReferencePlan

_TYPES = {
    "llm": "chat",
    "vlm": "chat",
    "embedding": "embeddings",
    "reranker": "rerank",
    "speech_to_text": "transcription",
}
_SEPARATORS = set(":,")
"""The router joins names with these; a model whose name holds one cannot be told apart."""


def vllm_router_config(
    plans: Iterable[ReferencePlan], services: Mapping[str, str], models: Mapping[str, Model]
) -> dict[str, Any]:
    """Every planned model at the service of its compose file; ``services`` are their names by model id.

    Aliases lead from the catalogue's ids. Models that the router has no type for are left out.
    """
    static_models: dict[str, Any] = {}
    aliases: dict[str, str] = {}
    for plan in sorted(plans, key=lambda plan: plan.id):
        kind = _TYPES.get(models[plan.model].category or "llm")
        service = services.get(plan.model)
        if kind is None or service is None or _SEPARATORS & set(plan.model):
            continue
        served = plan.model.partition("/")[2]
        static_models[served] = {
            "static_backends": [f"http://{service}:{default_port(plan.engine)}"],
            "static_model_type": kind,
        }
        aliases[plan.model] = served
    return {
        "service_discovery": "static",
        "routing_logic": "roundrobin",
        "static_models": static_models,
        "static_aliases": aliases,
    }
