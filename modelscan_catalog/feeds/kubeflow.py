"""Models with weights as a Kubeflow model catalogue (``yamlCatalogPath``); weights are its artefacts."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from modelscan_catalog.merge.summary import summary_of
from modelscan_catalog.merge.tables import MergeTables, load_tables
from modelscan_catalog.records import Model, Variant

_TASKS = {
    "llm": "text-generation",
    "vlm": "image-text-to-text",
    "embedding": "feature-extraction",
    "reranker": "text-ranking",
    "image": "text-to-image",
    "video": "text-to-video",
    "speech_to_text": "automatic-speech-recognition",
    "text_to_speech": "text-to-speech",
}
_WHOLE_DATE = 10
_MOST_INT = 999_999_999
"""The longest whole number that the shape's pattern takes."""


def kubeflow_catalog(
    models: Iterable[Model], variants: Mapping[str, Variant], tables: MergeTables | None = None
) -> dict[str, Any]:
    """Models with weights, by id; ``variants`` by id."""
    known = tables or load_tables()
    rows = []
    for model in sorted(models, key=lambda model: model.id):
        own = [variants[name] for name in model.variants if name in variants]
        if own:
            lab = known.labs.get(model.lab)
            rows.append(_model(model, own, lab.name if lab else model.lab))
    return {"source": "ModelScan", "models": rows}


def _model(model: Model, variants: list[Variant], lab: str) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "parameters": model.parameters.total,
        "context_tokens": model.limits.context,
        "family": model.family,
    }
    row: dict[str, Any] = {
        "name": model.id,
        "provider": lab,
        "description": summary_of(model, lab),
        "license": model.licenses[0] if model.licenses else None,
        "tasks": [_TASKS[model.category]] if model.category else None,
        "createTimeSinceEpoch": _epoch_ms(model.release_date),
        "customProperties": _properties(facts, (tag for tag in model.tags if tag != "open-weights")),
        "artifacts": [_artifact(variant) for variant in variants],
    }
    return {name: value for name, value in row.items() if value not in (None, {})}


def _artifact(variant: Variant) -> dict[str, Any]:
    quantization = variant.quantization.scheme if variant.quantization else None
    facts = {
        "quantization": quantization,
        "weights_bytes": variant.weights_bytes,
        "parameters": variant.parameters,
    }
    scheme = "hf" if variant.hub == "huggingface" else "modelscope"
    revision = f":{variant.revision}" if variant.revision else ""
    return {
        "artifactType": "model-artifact",
        "uri": f"{scheme}://{variant.repo}{revision}",
        "customProperties": _properties(facts, ()),
    }


def _properties(facts: Mapping[str, Any], labels: Iterable[str]) -> dict[str, Any]:
    """Known facts as text or numbers; a label is a property without a value."""
    found: dict[str, Any] = {
        label: {"metadataType": "MetadataStringValue", "string_value": ""} for label in labels
    }
    for name, value in facts.items():
        if isinstance(value, int) and value <= _MOST_INT:
            found[name] = {"metadataType": "MetadataIntValue", "int_value": str(value)}
        elif isinstance(value, int):
            found[name] = {"metadataType": "MetadataDoubleValue", "double_value": float(value)}
        elif value is not None:
            found[name] = {"metadataType": "MetadataStringValue", "string_value": value}
    return found


def _epoch_ms(date: str | None) -> str | None:
    """Milliseconds of a whole date, as text; a month or a year is no moment."""
    if date is None or len(date) != _WHOLE_DATE:
        return None
    return str(int(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp() * 1000))
