"""Models as OpenRouter's ``/api/v1/models`` lists them: prices per token as text, of the cheapest seller."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from modelscan_catalog.feeds.tables import per_token, plain
from modelscan_catalog.records import Model, Offer

_PARAMETERS = {
    "tool_call": ("tools", "tool_choice"),
    "structured_output": ("response_format", "structured_outputs"),
    "reasoning": ("reasoning", "include_reasoning"),
    "temperature": ("temperature",),
}
_PRICES = {
    "prompt": "input",
    "completion": "output",
    "input_cache_read": "cache_read",
    "input_cache_write": "cache_write",
    "internal_reasoning": "reasoning",
}


def openrouter_models(models: Iterable[Model], offers: Iterable[Offer]) -> dict[str, Any]:
    """Models that somebody sells at a stated price and whose release date is known (that shape requires it).

    ``pricing`` is the offer with the lowest price above zero of three parts input and one output; ``created``
    is the first moment of the release date as precisely as it is known.
    """
    cheapest: dict[str, tuple[tuple[bool, float, str], Offer]] = {}
    for offer in offers:
        price = offer.price
        if offer.model is None or price is None or price.input is None or price.output is None:
            continue
        if offer.status == "deprecated":
            continue
        blended = 3 * price.input + price.output
        key = (blended == 0, blended, offer.id)
        if offer.model not in cheapest or key < cheapest[offer.model][0]:
            cheapest[offer.model] = (key, offer)
    return {
        "data": [
            _row(model, cheapest[model.id][1])
            for model in sorted(models, key=lambda model: model.id)
            if model.id in cheapest and model.release_date
        ]
    }


def _row(model: Model, offer: Offer) -> dict[str, Any]:
    assert offer.price is not None
    takes = list(model.modalities.input or offer.modalities.input)
    makes = list(model.modalities.output or offer.modalities.output)
    capabilities = model.capabilities
    return {
        "id": model.id,
        "canonical_slug": model.id,
        "hugging_face_id": next((alias.id for alias in model.aliases if alias.kind == "huggingface"), None),
        "name": model.name,
        "created": _epoch(model.release_date or ""),
        "description": "",
        "context_length": model.limits.context or offer.limits.context,
        "architecture": {
            "modality": f"{'+'.join(takes)}->{'+'.join(makes)}",
            "input_modalities": takes,
            "output_modalities": makes,
            "tokenizer": None,
            "instruct_type": None,
        },
        "pricing": {
            name: plain(per_token(value))
            for name, field in _PRICES.items()
            if (value := getattr(offer.price, field)) is not None
        },
        "top_provider": {
            "context_length": offer.limits.context,
            "max_completion_tokens": offer.limits.output,
            "is_moderated": None,
        },
        "per_request_limits": None,
        "supported_parameters": sorted(
            name for flag, names in _PARAMETERS.items() if getattr(capabilities, flag) for name in names
        ),
    }


def _epoch(date: str) -> int:
    year, month, day = (*map(int, date.split("-")), 1, 1)[:3]
    return int(datetime(year, month, day, tzinfo=UTC).timestamp())
