"""Models side by side: the facts that a choice between them turns on, and their plans on named cards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from modelscan_catalog.errors import FitInputError
from modelscan_catalog.registry.details import blended_usd_per_mtok, model_details
from modelscan_catalog.registry.registry import Registry


def compare_models(
    registry: Registry, queries: Sequence[str], gpu_profile: str | None = None
) -> list[dict[str, Any]]:
    """A row a model, in the given order; ``on_gpu`` is its plan where ``gpu_profile`` is given, else None.

    Raises ``UnknownIdError`` or ``AmbiguousIdError`` with candidates for a model or a GPU.
    """
    return [_row(registry, query, gpu_profile) for query in queries]


def _row(registry: Registry, query: str, gpu_profile: str | None) -> dict[str, Any]:
    found = model_details(registry, query)
    model = found["model"]
    memory = [entry["requirements"]["min_vram_gb"] for entry in found["checkpoints"]]
    paid = [offer for offer in found["offers"] if blended_usd_per_mtok(offer)]
    return {
        "model": model["id"],
        "name": model["name"],
        "lab": model["lab"],
        "category": model.get("category"),
        "status": model.get("status"),
        "parameters": model.get("parameters", {}).get("total"),
        "active_parameters": model.get("parameters", {}).get("active"),
        "context": model.get("limits", {}).get("context"),
        "release_date": model.get("release_date"),
        "open_weights": model.get("open_weights"),
        "licenses": model.get("licenses", []),
        "capabilities": model.get("capabilities", {}),
        "input": model.get("modalities", {}).get("input", []),
        "checkpoints": len(found["variants"]),
        "min_vram_gib": min((gib for gib in memory if gib is not None), default=None),
        "offers": len(found["offers"]),
        "cheapest_offer": next(iter(paid), None),
        "on_gpu": _on_gpu(registry, model["id"], gpu_profile) if gpu_profile else None,
    }


def _on_gpu(registry: Registry, model: str, gpu_profile: str) -> dict[str, Any]:
    from modelscan_catalog.fit.plan import plan
    from modelscan_catalog.fit.profiles import resolve_gpu
    from modelscan_catalog.fit.published import PublishedRegistry

    profile, count = resolve_gpu(gpu_profile)
    nothing = dict.fromkeys(
        ("checkpoint", "engine", "context", "max_concurrency", "decode_tok_s", "headroom_gib")
    )
    try:
        published = PublishedRegistry(registry.published).find(model)
    except FitInputError as error:
        return {**nothing, "verdict": "unknown", "reason": str(error)}
    found = plan(published.variants, profile, count, with_alternatives=False)
    chosen = found.chosen
    if chosen is None or not chosen.starts:
        return {**nothing, "verdict": found.verdict, "reason": next(iter(found.reasons), None)}
    speed = chosen.decode_tok_s
    return {
        "verdict": found.verdict,
        "reason": None,
        "checkpoint": chosen.variant.variant_id,
        "engine": chosen.engine,
        "context": chosen.context,
        "max_concurrency": chosen.max_concurrency,
        "decode_tok_s": [round(speed.low, 1), round(speed.high, 1)] if speed else None,
        "headroom_gib": chosen.headroom_gib,
    }
