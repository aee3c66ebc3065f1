"""Each feed against its reader's own rules: committed, pruned schemas and what the reader does besides."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from modelscan_catalog.publish.checks import CheckResult
from modelscan_catalog.publish.json_schema import JsonSchema
from modelscan_catalog.settings import REPOSITORY_ROOT

SCHEMAS: Mapping[str, str] = {
    "models-dev.json": "models_dev_api.json",
    "litellm.json": "litellm_price_map.json",
    "openrouter.json": "openrouter_models.json",
    "gpustack-huggingface.yaml": "gpustack_model_catalog.json",
    "gpustack-modelscope.yaml": "gpustack_model_catalog.json",
    "kubeflow.yaml": "kubeflow_model_catalog.json",
    "vllm-router.yaml": "vllm_router_dynamic.json",
}
"""File of a feed -> schema in ``registry/contracts``."""

LEAST_LITELLM_ENTRIES = 2_200
"""LiteLLM drops a map silently below half of what it bundles: 4,241 entries in August 2026."""


@cache
def _compiled(schema: str) -> JsonSchema:
    path = REPOSITORY_ROOT / "registry" / "contracts" / schema
    return JsonSchema(json.loads(path.read_text("utf-8")))


def check_feed(name: str, document: Any) -> CheckResult:
    """``document`` as the reader of feed ``name`` takes it; findings name the place and the fault."""
    fault = _compiled(SCHEMAS[name]).fault(document)
    if fault is not None:
        place = "/".join(str(part) for part in fault.path) or "(whole document)"
        return CheckResult("feed", (f"{name}: {place}: {fault.message}",), 1)
    return CheckResult("feed", tuple(_besides(name, document)), 1)


def _besides(name: str, document: Any) -> list[str]:
    if name == "litellm.json" and len(document) < LEAST_LITELLM_ENTRIES:
        return [
            f"{name}: {len(document)} entries; LiteLLM drops a map with fewer than {LEAST_LITELLM_ENTRIES} "
            "without a word; look at registry/feeds/litellm_providers.json"
        ]
    if name == "vllm-router.yaml":
        lost = sorted(set(document["static_aliases"].values()) - document["static_models"].keys())
        return [f"{name}: static_aliases: {model} is no static model" for model in lost]
    if name == "kubeflow.yaml":
        names = [model["name"] for model in document["models"]]
        return [f"{name}: a model stands twice"] if len(set(names)) < len(names) else []
    return []
