"""The deployment plan: what is chosen and why, what wishes do to it, and what a refusal offers instead."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from deployment_plan_samples import (
    CLOSED,
    MODEL,
    QWEN,
    QWEN_AWQ,
    QWEN_FP8,
    R1,
    VISION,
    publish,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelscan_catalog.deploy.detect.mapping import observed
from modelscan_catalog.deploy.gpu import Detection
from modelscan_catalog.deploy.plan import DeploymentPlan, PlanRequest
from modelscan_catalog.deploy.planner import make_plan
from modelscan_catalog.errors import (
    AmbiguousIdError,
    FitInputError,
    ManifestError,
    PublishError,
    UnknownIdError,
)
from modelscan_catalog.fit.published import PublishedRegistry
from modelscan_catalog.manifests.commands import engine_parameters
from modelscan_catalog.manifests.written import write_plan

Make = Callable[..., DeploymentPlan]


def _no_gpu() -> Detection:
    return Detection((), "no driver")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish(tmp_path_factory.mktemp("published"))


@pytest.fixture
def make(published: Path) -> Make:
    def plan(model: str = MODEL, gpu: str | None = "rtx-4090", **asked: Any) -> DeploymentPlan:
        return make_plan(published, PlanRequest(model=model, gpu=gpu, **asked), _no_gpu)

    return plan


def test_golden_an_8b_model_in_fp8_on_a_4090(make: Make) -> None:
    plan = make(quantization="FP8")
    assert (plan.variant_id, plan.engine, plan.verdict) == (QWEN_FP8, "vllm", "fits")
    assert (plan.tensor_parallel, plan.pipeline_parallel, plan.context) == (1, 1, 40960)
    each = plan.expected.per_gpu
    assert each.weights_gib == pytest.approx(8.80, abs=0.05)
    assert each.kv_gib == pytest.approx(5.62, abs=0.05)
    assert each.total_gib == pytest.approx(15.43, abs=0.1)
    assert plan.expected.budget_gib == pytest.approx(23.64 * 0.92, abs=0.01)
    assert plan.expected.decode_tok_s is not None
    assert plan.flags[0] == "--max-model-len=40960"


def test_a_recipe_of_the_same_checkpoint_says_how_it_is_read_and_no_more(tmp_path: Path, make: Make) -> None:
    recipe = {
        "id": "gpustack/huggingface/qwen3-8b/0",
        "source": "gpustack",
        "catalogue": "huggingface",
        "set_name": "Qwen3-8B",
        "position": 0,
        "mode": "standard",
        "variant": QWEN_FP8,
        "model": MODEL,
        "engine": "vLLM",
        "parameters": ["--tokenizer-mode=slow", "--max-num-seqs=7", "--trust-remote-code"],
    }
    root = publish(tmp_path / "published")
    (root / "deployments.jsonl").write_text(json.dumps(recipe, separators=(",", ":")) + "\n")
    asked = PlanRequest(model=MODEL, gpu="rtx-4090", quantization="fp8", parameters=("--seed=1",))
    flags = make_plan(root, asked, _no_gpu).flags
    assert flags[-2:] == ("--tokenizer-mode=slow", "--seed=1")
    assert not {"--max-num-seqs=7", "--trust-remote-code"} & set(flags)
    assert "--tokenizer-mode=slow" not in make(quantization="fp8").flags
    del recipe["mode"]
    (root / "deployments.jsonl").write_text(json.dumps(recipe, separators=(",", ":")) + "\n")
    with pytest.raises(PublishError, match=r"a Deployment record of .* is damaged \(mode: Field required\)"):
        make_plan(root, asked, _no_gpu)


def test_golden_deepseek_r1_on_one_4090_is_refused_with_the_sum(make: Make) -> None:
    plan = make(R1)
    assert (plan.verdict, plan.binding, plan.starts) == ("does_not_fit", "weights", False)
    assert plan.expected.per_gpu.weights_gib == pytest.approx(628.9, abs=1)
    assert "weights 628.88 + overhead" in plan.reasons[0]
    assert "GiB over" in plan.reasons[0]
    assert plan.expected.missing_gib == pytest.approx(618.8, abs=1)
    assert any(one.change == "card" and "h200-141gb" in one.text for one in plan.alternatives)
    with pytest.raises(ManifestError, match="the plan is refused"):
        plan.launch_plan()


def test_the_parts_of_the_need_add_up(make: Make) -> None:
    each = make(gpu="rtx-4090:2").expected.per_gpu
    assert None not in (each.weights_gib, each.kv_gib, each.overhead_gib)
    parts = (each.weights_gib or 0) + (each.kv_gib or 0) + (each.overhead_gib or 0)
    assert each.total_gib == pytest.approx(parts, abs=0.001)


def test_all_cards_together_take_what_each_takes(make: Make) -> None:
    plan = make(gpu="rtx-4090:2")
    assert plan.tensor_parallel == 2
    assert plan.expected.total_gib == pytest.approx(2 * (plan.expected.per_gpu.total_gib or 0), abs=0.001)


def test_a_plan_survives_json(make: Make) -> None:
    for plan in (make(), make(R1), make(CLOSED)):
        assert DeploymentPlan.model_validate_json(plan.model_dump_json()) == plan


def test_a_plan_becomes_manifests_with_the_same_flags(make: Make) -> None:
    plan = make(gpu="rtx-4090:2", context=8192)
    launch = plan.launch_plan()
    assert tuple(engine_parameters(launch)) == plan.flags
    assert {one.kind for one in write_plan(launch).manifests} >= {"vllm_command", "gpustack_model", "compose"}


def test_an_alternatives_request_makes_a_plan_that_starts(published: Path, make: Make) -> None:
    refused = make(R1)
    for one in refused.alternatives[:2]:
        assert one.request is not None
        assert make_plan(published, one.request, _no_gpu).starts, one.text


def test_wishes_are_named_with_what_the_planner_had_chosen(make: Make) -> None:
    plan = make(quantization="awq", engine="sglang")
    assert plan.starts
    assert [(one.field, one.asked, one.planned) for one in plan.overridden] == [
        ("quantization", "awq", "none"),
        ("engine", "sglang", "vllm"),
    ]


def test_a_wish_for_what_is_chosen_anyway_overrides_nothing(make: Make) -> None:
    assert make(engine="vllm").overridden == ()


def test_int4_is_any_format_of_four_bit_integers(make: Make) -> None:
    assert make(quantization="INT4").variant_id == QWEN_AWQ


def test_a_format_without_a_checkpoint_is_refused_with_those_that_exist(make: Make) -> None:
    plan = make(quantization="mxfp4")
    assert (plan.verdict, plan.binding) == ("no_checkpoint", "quantization")
    assert "there are awq, bf16, fp8" in plan.reasons[0]
    assert plan.alternatives[0].change == "override"


def test_a_split_that_heads_do_not_divide_by_is_refused(make: Make) -> None:
    plan = make(gpu="rtx-4090:3", tensor_parallel=3)
    assert (plan.verdict, plan.binding) == ("unsupported", "split")
    assert "32 attention heads are not divisible by 3" in plan.reasons[0]
    assert any(one.change == "override" for one in plan.alternatives)


def test_an_engine_that_the_card_does_not_run_is_refused(make: Make) -> None:
    plan = make(gpu="t4", engine="sglang")
    assert plan.verdict == "unsupported"
    assert "compute capability" in plan.reasons[0]


def test_of_checkpoints_stored_alike_the_labs_own_is_taken(make: Make) -> None:
    assert make(quantization="fp8").variant_id == QWEN_FP8
    named = make(variant="someone/Qwen3-8B-FP8")
    assert named.variant_id == "someone/Qwen3-8B-FP8"
    assert "read from its name" in named.warnings[0]


def test_a_repository_as_the_model_is_that_checkpoint(make: Make) -> None:
    plan = make(QWEN_AWQ)
    assert plan.variant_id == QWEN_AWQ
    assert any("leaves the choice among 4" in reason for reason in plan.reasons)


def test_gated_weights_need_a_token_that_stays_a_reference(make: Make) -> None:
    plan = make(QWEN_AWQ)
    assert plan.env == {"HF_TOKEN": "env:HF_TOKEN"}
    assert any("gated" in warning for warning in plan.warnings)


def test_flags_of_the_request_are_checked_and_kept(make: Make) -> None:
    plan = make(parameters=("--enable-prefix-caching",))
    assert plan.flags[-1] == "--enable-prefix-caching"
    with pytest.raises(ManifestError, match="--foo is no flag"):
        make(parameters=("--foo",))
    with pytest.raises(ManifestError, match="is a field of the plan"):
        make(parameters=("--max-model-len=8",))


def test_an_unrecorded_engine_version_is_warned_of(make: Make) -> None:
    plan = make(engine="vllm", engine_version="0.12.3")
    assert any("0.12.3 is not recorded" in warning for warning in plan.warnings)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"engine": "magic"}, "engine"),
        ({"engine_version": "99.0"}, "engine_version"),
        ({"quantization": "q99"}, "quantization"),
        ({"goal": "fame"}, "goal"),
        ({"context": 0}, "context"),
        ({"gpu_memory_utilization": 1.5}, "gpu_memory_utilization"),
    ],
)
def test_impossible_wishes_name_their_field(make: Make, asked: dict[str, Any], field: str) -> None:
    with pytest.raises(FitInputError) as refused:
        make(**asked)
    assert refused.value.field == field


def test_a_closed_model_is_refused_with_open_ones_and_its_sellers(make: Make) -> None:
    plan = make(CLOSED, gpu="h100-80gb")
    assert (plan.verdict, plan.offers_total) == ("no_checkpoint", 2)
    assert "closed weights" in plan.reasons[0]
    (instead,) = plan.alternatives
    assert instead.request is not None
    assert instead.request.model == VISION
    assert "fits on 1 x h100-80gb" in instead.text
    cheap, shy = plan.offers
    assert (cheap.provider, cheap.input_usd_per_mtok, cheap.base_url) == (
        "cheap",
        2.0,
        "https://cheap.example/v1",
    )
    assert (shy.provider, shy.input_usd_per_mtok) == ("shy", None)


def test_a_closed_model_needs_no_gpu_to_be_refused(make: Make) -> None:
    plan = make(CLOSED, gpu=None)
    assert (plan.gpu_profile_id, plan.gpu_count) == (None, None)
    assert plan.alternatives[0].text.startswith(VISION)


def test_a_model_without_listed_weights_says_so(make: Make) -> None:
    assert "knows no weights of vendor/unseen" in make("vendor/unseen").reasons[0]


def test_unknown_and_ambiguous_ids_list_candidates(make: Make) -> None:
    with pytest.raises(UnknownIdError, match="did you mean alibaba/qwen3-8b"):
        make("alibaba/qwen3-8bb")
    with pytest.raises(AmbiguousIdError) as doubtful:
        make("shop/qwen")
    assert doubtful.value.candidates == (MODEL, VISION)


def test_modelscope_serves_only_what_it_has(make: Make) -> None:
    plan = make(source="modelscope")
    assert (plan.hub, plan.repo, plan.revision) == ("modelscope", "Qwen/Qwen3-8B", None)
    assert plan.launch_plan().source == "model_scope"
    none = make(quantization="fp8", source="modelscope")
    assert (none.verdict, none.binding) == ("no_checkpoint", "source")
    assert f"it has {QWEN}, {QWEN_AWQ}" in none.reasons[0]


def test_a_detected_card_can_be_asked_what_it_runs(published: Path) -> None:
    model = PublishedRegistry(published).find(MODEL)
    variant = next(one for one in model.variants if one.variant_id == QWEN)
    assert observed("0", "NVIDIA L40S", total_gib=44.4).can_run(variant).verdict == "fits"
    assert observed("0", "NVIDIA GeForce RTX 3060", total_gib=12.0).can_run(variant).verdict == "does_not_fit"


def test_a_closed_model_on_cards_too_small_for_open_ones_still_names_them(make: Make) -> None:
    plan = make(CLOSED, gpu="rtx-3050-6gb")
    assert "runs on 1 x rtx-3050-6gb" in plan.reasons[1]
    assert plan.alternatives[0].text.startswith(VISION)
    assert plan.alternatives[0].request is not None
    assert plan.alternatives[0].request.gpu is None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    gpu=st.sampled_from(["t4", "rtx-4090", "l40s", "h100-80gb", "mi300x", "gb10", "a100-80gb-mig-3g.40gb"]),
    count=st.integers(1, 8),
    quantization=st.sampled_from([None, "bf16", "fp8", "awq"]),
    engine=st.sampled_from([None, "vllm", "sglang"]),
    context=st.sampled_from([None, 2048, 40960]),
    concurrency=st.sampled_from([1, 8, 64]),
)
def test_every_plan_holds_its_own_sum_or_says_why_not(make: Make, gpu: str, count: int, **asked: Any) -> None:
    plan = make(gpu=f"{gpu}:{count}", **asked)
    assert plan.reasons
    if plan.starts:
        assert (plan.expected.per_gpu.total_gib or 0) <= (plan.expected.budget_gib or 0) * 1.05
        assert (plan.tensor_parallel or 0) * (plan.pipeline_parallel or 0) == plan.gpu_count
        assert plan.gpu_count is not None
        assert plan.gpu_count <= count
        assert tuple(engine_parameters(plan.launch_plan())) == plan.flags
        assert asked["quantization"] != "awq" or plan.quantization == "awq"
        assert asked["engine"] in (None, plan.engine)
    else:
        assert plan.flags == ()
