"""Every feed as a file: JSON in one line, YAML for readers that ask for it; equal records, equal bytes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from modelscan_catalog.feeds.gpustack import gpustack_catalogue
from modelscan_catalog.feeds.kubeflow import kubeflow_catalog
from modelscan_catalog.feeds.litellm import litellm_price_map
from modelscan_catalog.feeds.models_dev import models_dev_api
from modelscan_catalog.feeds.openrouter import openrouter_models
from modelscan_catalog.feeds.vllm_router import vllm_router_config
from modelscan_catalog.records import Deployment, Model, Offer, Provider, ReferencePlan, Variant
from modelscan_catalog.sources.staged import (
    GpustackDraftModel,
    GpustackSet,
    GpustackSpec,
    ModelsDevOffer,
    ModelsDevProvider,
)
from modelscan_catalog.store import json_bytes, write_bytes


@dataclass(frozen=True)
class FeedInput:
    """The records that the feeds are made of; the staged rows hold what a shape wants and no record keeps."""

    models: Sequence[Model]
    variants: Sequence[Variant]
    offers: Sequence[Offer]
    providers: Sequence[Provider]
    deployments: Sequence[Deployment]
    plans: Sequence[ReferencePlan]
    services: Mapping[str, str]
    """Service name of each planned model's compose file, by model id."""
    staged_providers: Sequence[ModelsDevProvider]
    staged_offers: Sequence[ModelsDevOffer]
    staged_sets: Sequence[GpustackSet]
    staged_specs: Sequence[GpustackSpec]
    staged_drafts: Sequence[GpustackDraftModel]


def feed_documents(given: FeedInput) -> dict[str, Any]:
    """Each feed as plain data, by its file name."""
    models = {model.id: model for model in given.models}
    recipes = (given.deployments, given.staged_sets, given.staged_specs, given.staged_drafts)
    return {
        "models-dev.json": models_dev_api(
            given.providers,
            given.offers,
            {row.id: row for row in given.staged_providers},
            {f"{row.provider}/{row.id}": row for row in given.staged_offers},
        ),
        "litellm.json": litellm_price_map(given.offers, models),
        "openrouter.json": openrouter_models(given.models, given.offers),
        "gpustack-huggingface.yaml": gpustack_catalogue("huggingface", *recipes),
        "gpustack-modelscope.yaml": gpustack_catalogue("modelscope", *recipes),
        "kubeflow.yaml": kubeflow_catalog(given.models, {row.id: row for row in given.variants}),
        "vllm-router.yaml": vllm_router_config(given.plans, given.services, models),
    }


def write_feed(path: Path, document: Any) -> None:
    """Write one feed by the ending of ``path``; YAML keeps the given order, JSON sorts its keys."""
    if path.suffix == ".yaml":
        text = yaml.safe_dump(
            document, sort_keys=False, allow_unicode=True, width=200, default_flow_style=None
        )
        write_bytes(path, text.encode())
    else:
        write_bytes(path, json_bytes(document))


def read_feed(path: Path) -> Any:
    """A written feed as plain data, read as its reader would."""
    content = path.read_bytes()
    return yaml.load(content, yaml.CSafeLoader) if path.suffix == ".yaml" else json.loads(content)
