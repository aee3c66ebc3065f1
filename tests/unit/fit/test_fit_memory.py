"""Claims about the terms beside tensors: rotary caches, towers, adapters, drafts, corrections and
overheads.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from modelscan_catalog.errors import FitInputError
from modelscan_catalog.fit.architecture import Architecture
from modelscan_catalog.fit.architecture_parse import parse_architecture
from modelscan_catalog.fit.formulas import GIB, activation_gib
from modelscan_catalog.fit.memory import (
    Plan,
    contradictions,
    correction_factor,
    kv_element_bytes,
    layout_of,
    lora_gib,
    non_torch_gib,
    plan_weights,
    stages_layout,
    variant_terms,
)
from modelscan_catalog.fit.quantization import UNQUANTIZED, scheme_of
from modelscan_catalog.fit.tables import table
from modelscan_catalog.fit.tensors import parameter_count
from modelscan_catalog.fit.weights import Parallel

MODELS: dict[str, Any] = table("fit/configs.json")["models"]


def architecture(model: str) -> Architecture:
    found = parse_architecture(MODELS[model]["config"])
    assert isinstance(found, Architecture)
    return found


def rope_mib(model: str) -> float:
    rope = architecture(model).rope
    return 0.0 if rope is None else rope.positions * rope.rotary_dim * rope.element_bytes / (1 << 20)


@pytest.mark.parametrize(
    ("model", "mebibytes"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", 32),
        ("deepseek-ai/DeepSeek-V3", 163_840 * 64 * 4 / (1 << 20)),
        ("google/gemma-3-12b-it", 9 * 64),
        ("microsoft/Phi-3-mini-128k-instruct", (131_072 + 4096) * 96 * 2 / (1 << 20)),
        ("Qwen/Qwen3-Next-80B-A3B-Instruct", 32),
        ("Qwen/Qwen2.5-VL-7B-Instruct", 125),
        ("nvidia/Nemotron-H-56B-Base-8K", 0),
    ],
)
def test_rotary_cache_follows_positions_width_and_kind(model: str, mebibytes: float) -> None:
    assert rope_mib(model) == pytest.approx(mebibytes)


def test_adapters_take_rank_times_inputs_and_outputs_of_every_linear_layer() -> None:
    plan = Plan(lora_rank=32)

    assert lora_gib(architecture("Qwen/Qwen3-8B"), plan) == pytest.approx(8.9638 - 8.8012, abs=0.001)
    assert lora_gib(architecture("Qwen/Qwen3-8B"), Plan()) == 0


def test_speculation_loads_the_models_own_draft_layers() -> None:
    model = architecture("Qwen/Qwen3.5-35B-A3B")
    plain, drafting = (
        plan_weights(model, UNQUANTIZED, Plan(speculative_tokens=count))[0].weights_bytes for count in (0, 3)
    )

    assert drafting - plain == pytest.approx((35_951_822_704 - 35_107_181_936) * 2, rel=1e-6)


def test_publishers_count_corrects_shapes_only_where_it_can_be_meant() -> None:
    model = architecture("Qwen/Qwen3-8B")
    exact = parameter_count(model)

    assert correction_factor(model, None) == 1
    assert correction_factor(model, exact) == 1
    assert correction_factor(model, int(exact * 1.03)) == pytest.approx(1.03)
    assert correction_factor(model, exact // 4) == 1


def test_checkpoints_bytes_outrank_the_shapes() -> None:
    model = architecture("Qwen/Qwen3-8B")
    (stage,) = plan_weights(model, UNQUANTIZED, Plan(checkpoint_bytes=16_000_000_000))

    assert stage.weights_bytes == pytest.approx(16_000_000_000)


def test_kv_dtype_auto_follows_the_checkpoint_from_the_version_that_reads_it() -> None:
    config = MODELS["nvidia/Qwen3.6-27B-NVFP4"]["config"]
    model, scheme = architecture("nvidia/Qwen3.6-27B-NVFP4"), scheme_of(config)

    assert kv_element_bytes(Plan(engine_version="0.24.0"), scheme, model) == 1
    assert kv_element_bytes(Plan(engine_version="0.10.0"), scheme, model) == 2
    assert kv_element_bytes(Plan(kv_cache_dtype="fp8"), UNQUANTIZED, model) == 1
    with pytest.raises(FitInputError, match="kv_cache_dtype"):
        kv_element_bytes(Plan(kv_cache_dtype="int3"), scheme, model)


def test_sampler_peak_is_that_of_the_logs_and_is_not_divided_by_ranks() -> None:
    for ranks in (1, 2):
        plan = Plan(parallel=Parallel(tensor=ranks), engine_version="0.10.2")
        terms = variant_terms(architecture("Qwen/Qwen3-Next-80B-A3B-Instruct"), UNQUANTIZED, plan)
        assert activation_gib(terms, 8192.0, 1024.0) == pytest.approx(5.58, abs=0.02)


def test_graphs_are_taken_off_the_pool_from_021_on_and_never_when_eager() -> None:
    model = architecture("Qwen/Qwen3-8B")

    def share_and_size(**options: Any) -> tuple[float, float]:
        terms = variant_terms(model, UNQUANTIZED, Plan(**options))
        return float(terms.graphs_share), float(terms.graphs_gib)

    assert share_and_size(engine_version="0.20.0")[0] == 0
    assert share_and_size(engine_version="0.21.0")[0] == 1
    assert share_and_size(enforce_eager=True)[1] == 0


def test_non_torch_memory_grows_with_ranks_and_less_without_a_fast_link() -> None:
    assert non_torch_gib(1) < non_torch_gib(2) < non_torch_gib(4) < non_torch_gib(8)
    assert non_torch_gib(4, pcie=True) < non_torch_gib(4)
    assert non_torch_gib(1, small=True) < non_torch_gib(1)
    assert non_torch_gib(3) == non_torch_gib(4)


def test_more_stages_than_layers_are_refused() -> None:
    with pytest.raises(FitInputError, match="pp 99"):
        variant_terms(architecture("Qwen/Qwen3-8B"), UNQUANTIZED, Plan(parallel=Parallel(pipeline=99)))


def test_tower_can_be_left_out() -> None:
    model = architecture("Qwen/Qwen2.5-VL-7B-Instruct")
    assert model.vision is not None
    whole, text = (
        plan_weights(model, UNQUANTIZED, Plan(vision=vision))[0].weights_bytes for vision in (True, False)
    )

    assert whole - text == model.vision.parameters * 2


def test_engines_that_hold_no_rounding_leave_it_out() -> None:
    model = architecture("Qwen/Qwen3-4B")
    plan = Plan()
    rounded, bare = (
        variant_terms(model, UNQUANTIZED, one).weights_gib for one in (plan, replace(plan, rounding=False))
    )

    assert float(rounded) - float(bare) == pytest.approx(0.0530, abs=0.0003)
    assert float(bare) * GIB == pytest.approx(parameter_count(model) * 2 + 40_960 * 128 * 2, rel=1e-6)


def test_bytes_that_lack_a_tenth_or_are_another_storage_are_ignored_and_named() -> None:
    model = architecture("Qwen/Qwen3-8B")
    (plain,) = plan_weights(model, UNQUANTIZED, Plan())
    for stated in (plain.weights_bytes * 0.88, plain.weights_bytes * 2):
        plan = Plan(checkpoint_bytes=int(stated))
        (stage,) = plan_weights(model, UNQUANTIZED, plan)
        assert stage.weights_bytes == plain.weights_bytes
        (named,) = contradictions(model, UNQUANTIZED, plan)
        assert "GiB stated" in named


def test_packed_counts_are_ignored_and_named() -> None:
    model = architecture("Qwen/Qwen3-8B")
    scheme = scheme_of({}, label="awq")
    (plain,) = plan_weights(model, scheme, Plan())
    for words in (parameter_count(model) // 6, parameter_count(model) * 2):
        plan = Plan(exact_parameters=words)
        (stage,) = plan_weights(model, scheme, plan)
        assert stage.weights_bytes == plain.weights_bytes
        assert f"{words:,} parameters stated" in contradictions(model, scheme, plan)[0]
    assert contradictions(model, scheme, Plan(exact_parameters=parameter_count(model))) == ()


@pytest.mark.parametrize("pipeline", [4, 8])
def test_uneven_stages_have_the_room_of_the_one_that_caches_most(pipeline: int) -> None:
    hybrid = architecture("nvidia/NVIDIA-Nemotron-3.5-Lightning-30B-A3B-NVFP4")
    plan = Plan(parallel=Parallel(pipeline=pipeline))
    stages = plan_weights(hybrid, UNQUANTIZED, plan)
    chosen = stages_layout(hybrid, UNQUANTIZED, plan, stages)
    each = [layout_of(hybrid, UNQUANTIZED, plan, one.first_layer, one.last_layer) for one in stages]
    context = float(hybrid.context)
    assert {layout.held_bytes(context) for layout in each} != {chosen.held_bytes(context)}
    assert chosen.held_bytes(context) == max(layout.held_bytes(context) for layout in each)
    assert variant_terms(hybrid, UNQUANTIZED, plan).bytes_per_block == chosen.bytes_per_block
