"""The answer of a plan: its terms add up on every kind of card, its flags are those of the manifests."""

import pytest

from modelscan_catalog.fit.answer import answer_document, engine_flags, engine_release, memory_terms
from modelscan_catalog.fit.architecture import Architecture
from modelscan_catalog.fit.architecture_parse import parse_architecture
from modelscan_catalog.fit.known import known_config
from modelscan_catalog.fit.matrix_terms import FitVariant
from modelscan_catalog.fit.plan import ServingPlan, plan
from modelscan_catalog.fit.profiles import find_profile
from modelscan_catalog.fit.quantization import scheme_of
from modelscan_catalog.manifests.commands import engine_parameters
from modelscan_catalog.manifests.engines import canonical_engine
from modelscan_catalog.manifests.parsers import parsers_for
from modelscan_catalog.manifests.plan_input import LaunchPlan


def variant(name: str = "Qwen/Qwen3-8B") -> FitVariant:
    known = known_config(name)
    assert known is not None
    parsed = parse_architecture(known.config)
    assert isinstance(parsed, Architecture)
    scheme = scheme_of(known.config, model=name)
    return FitVariant(name, name.lower(), name, parsed, scheme, declared_context=parsed.context)


@pytest.mark.parametrize(
    ("gpu", "count", "engine"),
    [
        ("rtx-4090", 1, "vllm"),
        ("t4", 2, "vllm"),
        ("h100-80gb", 8, "sglang"),
        ("mi300x", 1, "vllm"),
        ("gb10", 1, "vllm"),
        ("a100-80gb-mig-1g.10gb", 1, "sglang"),
    ],
)
def test_terms_add_up_to_the_planners_need(gpu: str, count: int, engine: str) -> None:
    profile = find_profile(gpu)
    chosen = plan([variant()], profile, count, engine=engine, context=8192, concurrency=3).chosen
    assert chosen is not None
    terms = memory_terms(chosen, profile)
    assert terms is not None
    assert sum(term.gib for term in terms.terms) == pytest.approx(chosen.required_gib)
    assert all(term.gib >= 0 for term in terms.terms)
    assert terms.spread_gib > 0


def test_what_is_not_known_is_null_and_has_no_terms() -> None:
    bare = FitVariant("a/b", "a/b", "a/b")
    profile = find_profile("rtx-4090")
    found = plan([bare], profile)
    document = answer_document(found, profile)
    assert document["verdict"] == "unknown"
    assert document["required_gib"] is None
    assert "formulas" not in document
    assert document["cost"] is None


@pytest.mark.parametrize(
    ("engine", "version"),
    [("vllm", None), ("vllm", "0.22.1"), ("vllm", "0.11.0"), ("sglang", None), ("sglang", "0.5.23")],
)
@pytest.mark.parametrize("cache", ["auto", "fp8"])
@pytest.mark.parametrize("utilization", [None, 0.8])
def test_flags_are_those_that_the_manifests_carry(
    engine: str, version: str | None, cache: str, utilization: float | None
) -> None:
    found = plan(
        [variant()],
        find_profile("h100-80gb"),
        2,
        engine=engine,
        engine_version=version,
        kv_cache_dtype=cache,
        utilization=utilization,
        context=16384,
    )
    assert engine_flags(found, ["Qwen/Qwen3-8B"]) == engine_parameters(_launch(found))


def _launch(found: ServingPlan) -> LaunchPlan:
    chosen = found.chosen
    assert chosen is not None
    engine = canonical_engine(chosen.engine)
    assert engine is not None
    release = engine_release(chosen.engine, chosen.engine_version)
    assert release is not None
    parsers = parsers_for(engine, release, chosen.variant.repo)
    settings = found.settings()
    return LaunchPlan(
        model_id=found.model_id,
        variant_id=chosen.variant.variant_id,
        repo=chosen.variant.repo,
        engine=engine,
        engine_version=release,
        served_model_name="served",
        gpu_profile_id=found.profile_id,
        gpu_vendor="nvidia",
        gpu_count=found.count,
        tensor_parallel=settings["tensor_parallel"],
        pipeline_parallel=settings["pipeline_parallel"],
        max_model_len=settings["max_model_len"],
        kv_cache_dtype=settings.get("kv_cache_dtype"),
        gpu_memory_utilization=settings.get("gpu_memory_utilization"),
        tool_parser=parsers.tool,
        reasoning_parser=parsers.reasoning,
    )


def test_a_plan_that_does_not_start_has_no_flags() -> None:
    refused = plan([variant()], find_profile("t4"), engine="vllm", context=8192)
    assert refused.verdict == "does_not_fit"
    assert engine_flags(refused, ["Qwen/Qwen3-8B"]) == []
