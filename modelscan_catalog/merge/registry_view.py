"""The catalogue as one ``models_registry.json`` document, for tools that read that shape.

Facts only: what no source states and no verdict computes is null.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelscan_catalog.merge.summary import parameter_text, summary_of
from modelscan_catalog.merge.tables import MergeTables, load_tables, read_table
from modelscan_catalog.records import Model, Quantization, Variant


@dataclass(frozen=True)
class ViewRequirements:
    """What the fit says of one variant; null where it was not asked or could not tell."""

    min_vram_gb: float | None = None
    recommended_vram_gb: float | None = None
    min_ram_gb: float | None = None
    cuda_compute_capability: str | None = None
    min_gpus: int | None = None


@dataclass(frozen=True)
class ViewInference:
    """Launch defaults that the fit computed for one variant; null where it did not."""

    max_model_len: int | None = None
    dtype: str | None = None
    gpu_memory_utilization: float | None = None
    quantization: str | None = None
    tensor_parallel_size: int | None = None


def registry_view(
    models: Sequence[Model],
    variants: Sequence[Variant],
    *,
    last_updated: str | None,
    requirements: Mapping[str, ViewRequirements] | None = None,
    inference: Mapping[str, ViewInference] | None = None,
    training: Mapping[str, Mapping[str, Any]] | None = None,
    tables: MergeTables | None = None,
) -> dict[str, Any]:
    """The document: ``version``, ``last_updated`` (the newest source time), ``categories`` and ``models``.

    ``models`` holds one entry a variant, by repository id. ``requirements`` and ``inference`` are what the
    fit computed and ``training`` what a person curated, each by variant id.
    """
    words = read_table("registry_view.json")
    named = {row["from"]: key for key, row in words["categories"].items()}
    known = tables or load_tables()
    by_id = {model.id: model for model in models}
    entries = {
        variant.id: _entry(
            variant,
            by_id[variant.model],
            named[by_id[variant.model].category],
            words,
            known,
            (requirements or {}).get(variant.id, ViewRequirements()),
            (inference or {}).get(variant.id),
            (training or {}).get(variant.id),
        )
        for variant in sorted(variants, key=lambda variant: variant.id)
    }
    used = {entry["category"] for entry in entries.values()}
    return {
        "version": words["version"],
        "last_updated": last_updated,
        "categories": {
            key: {name: row[name] for name in ("name", "description", "icon")}
            for key, row in words["categories"].items()
            if key in used
        },
        "models": entries,
    }


def _entry(
    variant: Variant,
    model: Model,
    category: str,
    words: Mapping[str, Any],
    tables: MergeTables,
    needs: ViewRequirements,
    inference: ViewInference | None,
    training: Mapping[str, Any] | None,
) -> dict[str, Any]:
    lab = tables.labs.get(model.lab)
    quantized = variant.quantization is not None and (variant.quantization.bits or 0) < 16
    count = model.parameters.total if quantized else variant.parameters or model.parameters.total
    vision = (
        "image" in model.modalities.input
        if model.modalities.input
        else (True if category == "vision-vlm" else None)
    )
    tags = {*model.tags, *(["quantized"] if quantized else [])}
    return {
        "id": variant.id,
        "name": model.name
        if variant.official and not quantized
        else f"{model.name} ({variant.repo.rsplit('/', 1)[-1]})",
        "category": category,
        "provider": variant.repo.split("/", 1)[0].lower(),
        "base_architecture": variant.model_type,
        "parameters": parameter_text(count) if count else None,
        "description": summary_of(model, lab.name if lab else None),
        "tags": sorted(tags),
        "status": words["status"].get(model.status),
        "quantization": quantization_words(variant.quantization, words),
        "requirements": {
            "min_vram_gb": needs.min_vram_gb,
            "recommended_vram_gb": needs.recommended_vram_gb,
            "min_ram_gb": needs.min_ram_gb,
            "cuda_compute_capability": needs.cuda_compute_capability,
            "min_gpus": needs.min_gpus,
        },
        "capabilities": {
            "training": None,
            "inference": True if model.deployments else None,
            "vision": vision,
            "structured_outputs": model.capabilities.structured_output,
            "streaming": None,
            "function_calling": model.capabilities.tool_call,
        },
        "training_defaults": dict(training) if training else None,
        "inference_defaults": {
            "max_model_len": inference.max_model_len,
            "dtype": inference.dtype,
            "gpu_memory_utilization": inference.gpu_memory_utilization,
            "quantization": inference.quantization,
            "tensor_parallel_size": inference.tensor_parallel_size,
        }
        if inference
        else None,
        "urls": urls_of(variant, model),
    }


def quantization_words(quantization: Quantization | None, words: Mapping[str, Any]) -> dict[str, str | None]:
    """Quantization in the view's words: null for plain 16 or 32 bits and for schemes it has no word for."""
    if quantization is None:
        return {"method": None, "type": None}
    known = words["quantization"].get(quantization.scheme, {"method": None, "type": None})
    return {
        "method": known["method"],
        "type": "bitsandbytes" if quantization.method == "bitsandbytes" else known["type"],
    }


def urls_of(variant: Variant, model: Model) -> dict[str, str | None]:
    """Pages of the variant on its hubs, and of the model's maker."""
    on_huggingface = variant.hub == "huggingface"
    copy = variant.modelscope_repo
    return {
        "huggingface": f"https://huggingface.co/{variant.repo}" if on_huggingface else None,
        "modelscope": f"https://www.modelscope.cn/models/{copy}" if copy else None,
        "docs": model.urls.get("home"),
    }
