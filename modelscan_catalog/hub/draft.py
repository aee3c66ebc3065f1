"""A draft catalogue entry: the catalogue's own where it knows the repository, else from the hub's facts."""

from typing import Any

from modelscan_catalog.errors import FitInputError
from modelscan_catalog.fit.checkpoints import CheckpointFacts, StoredConfig, fit_variant
from modelscan_catalog.fit.matrix_terms import FitVariant
from modelscan_catalog.fit.requirements import memory_requirement
from modelscan_catalog.fit.tables import table
from modelscan_catalog.hub.describe import Description
from modelscan_catalog.manifests.parsers import parsers_for
from modelscan_catalog.merge.facts import parsed_config, repo_facts
from modelscan_catalog.merge.quantization import quantization_of
from modelscan_catalog.merge.registry_view import quantization_words
from modelscan_catalog.merge.summary import parameter_text
from modelscan_catalog.merge.tables import load_tables, read_table
from modelscan_catalog.merge.variants import weights_bytes
from modelscan_catalog.records import Quantization
from modelscan_catalog.registry.entries import generate_entry, overlay_of
from modelscan_catalog.registry.overrides import validated
from modelscan_catalog.registry.registry import Registry

Draft = dict[str, Any]


def draft_entry(registry: Registry, found: Description, gpu_profile: str | None = None) -> Draft:
    """``{entry, overlay, launch, from}`` of a repository; ``launch`` are vLLM's settings that facts give.

    What no fact says is null. Raises ``FitInputError`` when it does not start on ``gpu_profile``.
    """
    repo = found.repo
    if registry.has(repo.id):
        known = catalogue_draft(registry, repo.id, gpu_profile)
        return known | {"launch": known["launch"] | {"trust_remote_code": found.runs_code}}
    tables, words = load_tables(), read_table("registry_view.json")
    read = repo_facts(repo)
    stored = quantization_of(
        repo.id, read.config, repo.quant_config_json, repo.safetensors_dtypes, [], tables
    )
    checkpoint, why_not = _checkpoint(found, stored)
    need = memory_requirement(checkpoint)
    category = _category(repo.pipeline_tag, words)
    quantized = stored is not None and (stored.bits or 0) < 16
    context = checkpoint.declared_context
    planned = _planned(checkpoint, gpu_profile, why_not) if gpu_profile else None
    entry = {
        "id": repo.id,
        "name": repo.id.rpartition("/")[2],
        "category": category,
        "provider": repo.id.partition("/")[0].lower(),
        "base_architecture": read.model_type,
        "parameters": parameter_text(repo.safetensors_total)
        if repo.safetensors_total and not quantized
        else None,
        "description": _sentence(found, category, context),
        "tags": sorted({"open-weights", *(["quantized"] if quantized else []), *_long(context)}),
        "status": None,
        "quantization": quantization_words(stored, words),
        "requirements": {
            "min_vram_gb": round(need.least_gib, 1) if need else None,
            "recommended_vram_gb": round(need.comfortable_gib, 1) if need else None,
            "min_ram_gb": None,
            "cuda_compute_capability": None,
            "min_gpus": None,
        },
        "capabilities": {
            "training": None,
            "inference": None,
            "vision": True if category == "vision-vlm" else None,
            "structured_outputs": None,
            "streaming": None,
            "function_calling": True if parsers_for("vllm", None, repo.id, *repo.base_models).tool else None,
        },
        "training_defaults": None,
        "inference_defaults": planned,
        "urls": {"huggingface": f"https://huggingface.co/{repo.id}", "modelscope": None, "docs": None},
    }
    entry = validated(entry, repo.id)
    launch = _launch(repo.id, repo.base_models, context, found.runs_code)
    return {
        "entry": entry,
        "overlay": overlay_of(entry),
        "launch": launch,
        "from": "hub",
        "note": why_not or None,
    }


def catalogue_draft(registry: Registry, checkpoint: str, gpu_profile: str | None) -> Draft:
    """The same of a checkpoint that the catalogue knows."""
    entry = generate_entry(registry, checkpoint, gpu_profile)
    row = next((row for row in registry.files.rows("variants.jsonl") if row["id"] == checkpoint), {})
    launch = _launch(checkpoint, (), row.get("context"), None)
    return {"entry": entry, "overlay": overlay_of(entry), "launch": launch, "from": "catalogue", "note": None}


def _launch(repo: str, bases: tuple[str, ...], context: int | None, runs_code: bool | None) -> dict[str, Any]:
    parsers = parsers_for("vllm", None, repo, *bases)
    return {
        "engine": "vllm",
        "dtype": "auto",
        "max_model_len": context,
        "trust_remote_code": runs_code,
        "tool_call_parser": parsers.tool,
        "reasoning_parser": parsers.reasoning,
    }


def _checkpoint(found: Description, stored: Quantization | None) -> tuple[FitVariant, str]:
    repo = found.repo
    config, quant = parsed_config(repo.config_json), parsed_config(repo.quant_config_json)
    given = CheckpointFacts(
        id=repo.id,
        model=repo.id,
        repo=repo.id,
        scheme=stored.scheme if stored else None,
        method=stored.method if stored else None,
        weights_bytes=weights_bytes(repo, load_tables())[0],
        parameters=repo.safetensors_total,
        context=repo_facts(repo).context,
    )
    return fit_variant(given, StoredConfig(config, quant or None) if config else None)


def _planned(checkpoint: FitVariant, gpu_profile: str, why_not: str) -> dict[str, Any]:
    from modelscan_catalog.fit.plan import plan
    from modelscan_catalog.fit.profiles import resolve_gpu
    from modelscan_catalog.registry import planning

    card, count = resolve_gpu(gpu_profile)
    planned = plan([checkpoint], card, count, engine="vllm", with_alternatives=False)
    chosen = planned.chosen
    if chosen is None or not chosen.starts:
        because = why_not or planning.why_not(planned)
        raise FitInputError(f"gpu_profile: {checkpoint.repo} on {gpu_profile}: {because}", "gpu_profile")
    from modelscan_catalog.fit.engine_rules import engine_rules

    return {
        "max_model_len": chosen.context,
        "dtype": "auto",
        "gpu_memory_utilization": engine_rules("vllm", "").utilization,
        "quantization": None,
        "tensor_parallel_size": chosen.tp,
    }


def _category(task: str | None, words: dict[str, Any]) -> str:
    kind = table("merge/categories.json")["tables"]["huggingface_pipeline_tag"].get(task or "")
    named = {row["from"]: key for key, row in words["categories"].items()}
    return str(named[kind])


def _long(context: int | None) -> list[str]:
    least = table("merge/tags.json")["tags"]["long-context"]["at_least"]
    return ["long-context"] if context and context >= least else []


def _sentence(found: Description, category: str, context: int | None) -> str:
    repo = found.repo
    parts = [f"{repo.id}: {category} checkpoint"]
    if repo.safetensors_total:
        parts.append(f"{parameter_text(repo.safetensors_total)} parameters")
    if context:
        parts.append(f"context {context:,} tokens")
    licence = f"; {repo.licenses[0]}" if len(repo.licenses) == 1 else ""
    return ", ".join(parts) + f"{licence}."
