"""Staged rows for the merge's tests, each with only what a test says about it."""

from typing import Any

from modelscan_catalog.records import Limits, Modalities, Price
from modelscan_catalog.sources.staged import (
    GpustackSet,
    GpustackSpec,
    HuggingFaceRepo,
    ModelScopeRepo,
    ModelsDevLabModel,
    ModelsDevOffer,
    ModelsDevProvider,
)

TEXT = Modalities(input=("text",), output=("text",))


def provider(identifier: str, **more: Any) -> ModelsDevProvider:
    return ModelsDevProvider(
        **{"id": identifier, "name": identifier.title(), "npm": "@ai-sdk/openai-compatible"} | more
    )


def offer(seller: str, identifier: str, **more: Any) -> ModelsDevOffer:
    known = {"provider": seller, "id": identifier, "name": identifier, "modalities": TEXT}
    return ModelsDevOffer(**known | more)


def lab_model(identifier: str, **more: Any) -> ModelsDevLabModel:
    return ModelsDevLabModel(**{"id": identifier, "name": identifier.split("/")[1]} | more)


def hf_repo(identifier: str, **more: Any) -> HuggingFaceRepo:
    return HuggingFaceRepo(**{"id": identifier, "sha": "0" * 40} | more)


def ms_repo(identifier: str, **more: Any) -> ModelScopeRepo:
    return ModelScopeRepo(**{"id": identifier} | more)


def gpustack_set(name: str, catalogue: str = "huggingface", **more: Any) -> GpustackSet:
    return GpustackSet(**{"catalogue": catalogue, "name": name, "position": 0} | more)


def gpustack_spec(set_name: str, repo: str, position: int = 0, **more: Any) -> GpustackSpec:
    known = {
        "catalogue": "huggingface",
        "set_name": set_name,
        "position": position,
        "mode": "standard",
        "repo": repo,
        "backend": "vLLM",
    }
    return GpustackSpec(**known | more)


def price(amount: float) -> Price:
    return Price(input=amount, output=2 * amount)


def limits(context: int) -> Limits:
    return Limits(context=context, output=4096)


def small_world() -> dict[str, list[Any]]:
    """One of everything: a closed model, an open one on both hubs, a quantization, a finetune, recipes."""
    return {
        "models_dev_providers": [
            provider("openai", npm="@ai-sdk/openai"),
            provider("shop", api="https://shop.example/v1"),
        ],
        "models_dev_offers": [
            offer(
                "openai",
                "gpt-4o",
                canonical_model_id="openai/gpt-4o",
                open_weights=False,
                price=price(2.5),
                limits=limits(128000),
            ),
            offer(
                "shop",
                "gpt-4o",
                canonical_model_id="openai/gpt-4o",
                open_weights=False,
                price=price(3),
                limits=limits(64000),
            ),
            offer(
                "shop",
                "Qwen/Qwen3-8B",
                open_weights=True,
                family="qwen",
                price=price(0.1),
                limits=limits(40960),
            ),
            offer("shop", "mystery", open_weights=False),
        ],
        "models_dev_lab_models": [
            lab_model("openai/gpt-4o", family="gpt", open_weights=False, limits=limits(128000))
        ],
        "gpustack_sets": [
            gpustack_set("Qwen3-8B", size=8, categories=("llm",), licenses=("apache-2.0",)),
            gpustack_set("Qwen3-8B", "modelscope", size=8),
        ],
        "gpustack_specs": [
            gpustack_spec("Qwen3-8B", "Qwen/Qwen3-8B", quantization="BF16"),
            gpustack_spec(
                "Qwen3-8B",
                "vllm-ascend/Qwen3-8B-W8A8",
                catalogue="modelscope",
                quantization="W8A8",
                env={"GPUSTACK_MODEL_VRAM_CLAIM": "123"},
            ),
            gpustack_spec("Qwen3-8B", "Qwen/Qwen3-8B", 1, catalogue="modelscope", quantization="BF16"),
        ],
        "gpustack_draft_models": [],
        "huggingface_repos": [
            hf_repo(
                "Qwen/Qwen3-8B",
                pipeline_tag="text-generation",
                model_type="qwen3",
                licenses=("apache-2.0",),
                safetensors_total=8190735360,
                safetensors_dtypes={"BF16": 8190735360},
                config_json='{"model_type":"qwen3","max_position_embeddings":40960,"num_hidden_layers":36}',
            ),
            hf_repo(
                "Qwen/Qwen3-8B-FP8",
                model_type="qwen3",
                config_json='{"model_type":"qwen3","quantization_config":{"quant_method":"fp8"}}',
            ),
            hf_repo("someone/Qwen3-8B-Roleplay", model_type="qwen3"),
        ],
        "modelscope_repos": [ms_repo("Qwen/Qwen3-8B", model_type="qwen3"), ms_repo("lonely/Thing-1B")],
    }
