"""Claims about the feeds: exact prices, nothing invented, each valid for its reader."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.feeds.checks import LEAST_LITELLM_ENTRIES, SCHEMAS, check_feed
from modelscan_catalog.feeds.files import FeedInput, feed_documents, read_feed, write_feed
from modelscan_catalog.feeds.tables import feed_table, per_token, plain
from modelscan_catalog.records import (
    Alias,
    Capabilities,
    Deployment,
    GpuFilter,
    Limits,
    Modalities,
    Model,
    Offer,
    Parameters,
    Price,
    PriceTier,
    Provider,
    Quantization,
    ReferencePlan,
    Variant,
)
from modelscan_catalog.sources.staged import (
    GpustackDraftModel,
    GpustackSet,
    GpustackSpec,
    ModelsDevOffer,
    ModelsDevProvider,
)

PRICE = Price(
    input=0.15,
    output=0.6,
    cache_read=0.015,
    tiers=(PriceTier(above_context_tokens=200_000, input=0.3), PriceTier(above_context_tokens=1, output=9)),
)
MODEL = Model(
    id="lab/one-8b",
    name="One 8B",
    lab="lab",
    category="llm",
    open_weights=True,
    capabilities=Capabilities(tool_call=True, reasoning=False),
    modalities=Modalities(input=("text",), output=("text",)),
    limits=Limits(context=131072),
    parameters=Parameters(total=8_000_000_000),
    licenses=("mit",),
    release_date="2026-03",
    aliases=(Alias(kind="huggingface", id="Lab/One-8B"),),
    variants=("Lab/One-8B",),
    offers=2,
)
VARIANT = Variant(
    id="Lab/One-8B",
    model=MODEL.id,
    hub="huggingface",
    repo="Lab/One-8B",
    revision="abc",
    quantization=Quantization(scheme="bf16"),
    weights_bytes=16_000_000_000,
)


def offer(provider: str, price: Price | None, **more: Any) -> Offer:
    values: dict[str, Any] = {"limits": Limits(context=131072, output=8192), "name": "One"} | more
    return Offer(
        id=f"{provider}/one",
        provider=provider,
        provider_model="one",
        model=MODEL.id,
        price=price,
        observed_at="2026-01-01T00:00:00Z",
        **values,
    )


OFFERS = [
    offer("openai", PRICE),
    offer("groq", Price(input=0.1, output=0.1)),
    offer("nobody", Price(input=0.0, output=0.0)),
    offer("mistral", None, limits=Limits()),
]
PLAN = ReferencePlan(
    id="lab/one-8b@l40s:1",
    model=MODEL.id,
    variant=VARIANT.id,
    gpu="l40s",
    gpu_count=1,
    engine="vllm",
    engine_version="0.33.0",
    tensor_parallel=1,
    pipeline_parallel=1,
    context=131072,
    kv_cache_dtype="auto",
    verdict="fits",
)
RECIPE = Deployment(
    id="gpustack/huggingface/one/0",
    model=MODEL.id,
    variant=VARIANT.id,
    source="gpustack",
    catalogue="huggingface",
    set_name="One",
    position=0,
    mode="throughput",
    engine="vLLM",
    parameters=("--max-model-len=8192",),
    gpu_filter=GpuFilter(vendors=("nvidia",), compute_capability=">=9.0"),
    speculative={"algorithm": "mtp", "enabled": "true", "num_draft_tokens": "3"},
)


@pytest.fixture(scope="module")
def documents() -> dict[str, Any]:
    api: Any = "openai-compatible"
    sellers = sorted({one.provider for one in OFFERS})
    return feed_documents(
        FeedInput(
            models=[MODEL],
            variants=[VARIANT],
            offers=OFFERS,
            providers=[
                Provider(id=name, name=name, api_type=api, base_url="https://a.b") for name in sellers
            ],
            deployments=[RECIPE],
            plans=[PLAN],
            services={MODEL.id: "one-8b"},
            staged_providers=[ModelsDevProvider(id=name, name=name) for name in sellers],
            staged_offers=[ModelsDevOffer(provider="openai", id="one", name="One", provider_npm="@x/y")],
            staged_sets=[
                GpustackSet(catalogue="huggingface", name="One", position=0, categories=("llm",)),
                GpustackSet(catalogue="huggingface", name="Empty", position=1),
            ],
            staged_specs=[
                GpustackSpec(
                    catalogue="huggingface",
                    set_name="One",
                    position=0,
                    mode="x",
                    repo="Lab/One-8B",
                    backend="vLLM",
                )
            ],
            staged_drafts=[
                GpustackDraftModel(catalogue="huggingface", name="d", algorithm="eagle3", repo="a/b")
            ],
        )
    )


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_feed_survives_its_file_and_is_what_its_reader_takes(
    documents: dict[str, Any], tmp_path: Path, name: str
) -> None:
    write_feed(tmp_path / name, documents[name])
    again = read_feed(tmp_path / name)
    assert again == documents[name]
    findings = check_feed(name, again).findings
    assert [finding for finding in findings if "drops a map" not in finding] == []


def test_a_price_map_that_litellm_would_drop_is_refused(documents: dict[str, Any]) -> None:
    assert "drops a map" in check_feed("litellm.json", documents["litellm.json"]).findings[0]
    entry = documents["litellm.json"]["one"]
    assert check_feed("litellm.json", {str(n): entry for n in range(LEAST_LITELLM_ENTRIES)}).passed


def test_litellm_prices_are_per_token_with_tiers_that_it_can_name(documents: dict[str, Any]) -> None:
    prices = documents["litellm.json"]
    assert set(prices) == {"one", "groq/one"}
    assert prices["one"]["input_cost_per_token"] == 1.5e-07
    assert prices["one"]["input_cost_per_token_above_200k_tokens"] == 3e-07
    assert not any("above_0k" in key for key in prices["one"])
    assert "supports_function_calling" not in prices["one"]


def test_models_dev_keeps_every_offer_and_what_only_the_source_holds(documents: dict[str, Any]) -> None:
    api = documents["models-dev.json"]
    one = api["openai"]["models"]["one"]
    assert one["provider"] == {"npm": "@x/y"}
    assert one["cost"]["input"] == 0.15
    assert [tier["tier"]["size"] for tier in one["cost"]["tiers"]] == [200_000, 1]
    assert "cost" not in api["mistral"]["models"]["one"]
    assert api["mistral"]["models"]["one"]["limit"] == {"context": 0, "output": 0}
    assert "description" not in one


def test_openrouter_lists_the_cheapest_paid_offer_as_text(documents: dict[str, Any]) -> None:
    (row,) = documents["openrouter.json"]["data"]
    assert row["pricing"] == {"prompt": "0.0000001", "completion": "0.0000001"}
    assert row["hugging_face_id"] == "Lab/One-8B"
    assert row["supported_parameters"] == ["tool_choice", "tools"]


def test_gpustack_recipes_keep_types_and_lose_empty_sets(documents: dict[str, Any]) -> None:
    catalogue = documents["gpustack-huggingface.yaml"]
    assert [one["name"] for one in catalogue["model_sets"]] == ["One"]
    (spec,) = catalogue["model_sets"][0]["specs"]
    assert spec["speculative_config"] == {"algorithm": "mtp", "enabled": True, "num_draft_tokens": 3}
    assert spec["gpu_filters"] == {"vendor": "nvidia", "compute_capability": ">=9.0"}
    assert spec["huggingface_repo_id"] == "Lab/One-8B"
    assert documents["gpustack-modelscope.yaml"] == {"draft_models": [], "model_sets": []}


def test_kubeflow_has_no_moment_for_a_month_and_its_weights_at_a_revision(documents: dict[str, Any]) -> None:
    (row,) = documents["kubeflow.yaml"]["models"]
    assert "createTimeSinceEpoch" not in row
    assert row["artifacts"][0]["uri"] == "hf://Lab/One-8B:abc"
    assert row["customProperties"]["parameters"]["double_value"] == 8e9


def test_the_vllm_router_finds_each_plan_at_its_compose_service(documents: dict[str, Any]) -> None:
    config = documents["vllm-router.yaml"]
    assert config["static_models"]["one-8b"]["static_backends"] == ["http://one-8b:8000"]
    assert config["static_aliases"] == {"lab/one-8b": "one-8b"}


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_broken_feed_is_refused_with_its_place(name: str) -> None:
    assert not check_feed(name, {"x": 1}).passed
    assert name in check_feed(name, []).findings[0]


def test_a_litellm_name_belongs_to_one_provider() -> None:
    rows = feed_table("litellm_providers.json")["providers"].values()
    names = [row["litellm"] for row in rows]
    assert len(names) == len(set(names))


@given(st.decimals(min_value=0, max_value=10_000, places=6))
def test_a_price_per_token_is_exact(usd_per_mtok: Any) -> None:
    assert per_token(float(usd_per_mtok)) * 1_000_000 == usd_per_mtok
    assert "e" not in plain(per_token(float(usd_per_mtok))).lower()
