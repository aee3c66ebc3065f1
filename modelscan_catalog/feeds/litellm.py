"""Prices as LiteLLM's cost map: a key a model as LiteLLM spells it, USD per token.

LiteLLM drops a map silently that has less than half of its bundled entries: this one has thousands.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from modelscan_catalog.feeds.tables import feed_table, per_token
from modelscan_catalog.records import Model, Offer, Price

_MODES = {
    "embedding": "embedding",
    "reranker": "rerank",
    "image": "image_generation",
    "video": "video_generation",
    "speech_to_text": "audio_transcription",
    "text_to_speech": "audio_speech",
}
_COSTS = {
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
    "cache_read": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
    "reasoning": "output_cost_per_reasoning_token",
    "input_audio": "input_cost_per_audio_token",
    "output_audio": "output_cost_per_audio_token",
}
_TIER_COSTS = ("input", "output", "cache_read", "cache_write")


def litellm_price_map(offers: Iterable[Offer], models: Mapping[str, Model]) -> dict[str, Any]:
    """Entries of sellers that LiteLLM has a name for, with a price; ``models`` by id give the mode."""
    sellers = feed_table("litellm_providers.json")["providers"]
    entries: dict[str, Any] = {}
    for offer in offers:
        seller = sellers.get(offer.provider)
        if seller is None or offer.price is None or offer.price.input is None:
            continue
        name = offer.provider_model if seller.get("bare") else f"{seller['litellm']}/{offer.provider_model}"
        entries[name] = {
            "litellm_provider": seller["litellm"],
            **_entry(offer, models.get(offer.model or "")),
        }
    return entries


def _entry(offer: Offer, model: Model | None) -> dict[str, Any]:
    assert offer.price is not None
    entry: dict[str, Any] = {"mode": _mode(offer, model)} | _costs(offer.price)
    limits = {
        "max_input_tokens": offer.limits.input or offer.limits.context,
        "max_output_tokens": offer.limits.output,
        "max_tokens": offer.limits.output,
    }
    entry |= {name: value for name, value in limits.items() if value is not None}
    given = set(offer.modalities.input)
    flags = {
        "supports_function_calling": offer.capabilities.tool_call,
        "supports_reasoning": offer.capabilities.reasoning,
        "supports_response_schema": offer.capabilities.structured_output,
        "supports_vision": "image" in given if given else None,
        "supports_pdf_input": "pdf" in given if given else None,
        "supports_audio_input": "audio" in given if given else None,
    }
    return entry | {name: True for name, value in flags.items() if value}  # absent means no, there


def _mode(offer: Offer, model: Model | None) -> str:
    if model is not None and model.category in _MODES:
        return _MODES[model.category]
    made = set(offer.modalities.output)
    return "image_generation" if made == {"image"} else "chat"


def _costs(price: Price) -> dict[str, Any]:
    costs = {
        key: float(per_token(value))
        for name, key in _COSTS.items()
        if (value := getattr(price, name)) is not None
    }
    for tier in price.tiers:
        if tier.above_context_tokens % 1000:
            continue  # the shape names thresholds in thousands of tokens
        suffix = f"_above_{tier.above_context_tokens // 1000}k_tokens"
        for name in _TIER_COSTS:
            if (value := getattr(tier, name)) is not None:
                costs[_COSTS[name] + suffix] = float(per_token(value))
    return costs
