"""Recipes for smaller checkpoints: sizes against sums made by hand, scripts that are Python, true flags."""

import ast
import json
from dataclasses import replace

import pytest
from deployment_plan_samples import CLOSED, MODEL, QWEN, QWEN_FP8, R1_MODEL, publish

from modelscan_catalog.cli.main import main
from modelscan_catalog.deploy.gpu import Detection
from modelscan_catalog.deploy.plan import PlanRequest
from modelscan_catalog.deploy.planner import make_plan
from modelscan_catalog.deploy.quantize import formats, quantize_recipe
from modelscan_catalog.errors import FitInputError, UnknownIdError
from modelscan_catalog.fit.plan import plan
from modelscan_catalog.fit.profiles import find_profile
from modelscan_catalog.fit.published import PublishedModel, PublishedRegistry
from modelscan_catalog.fit.quantization import scheme_of
from modelscan_catalog.manifests.engines import load_engine

GIB = 1 << 30
CODER, CODER_REPO = "deepseek/deepseek-coder-6.7b-instruct", "deepseek-ai/deepseek-coder-6.7b-instruct"
LINEAR = 32 * (4 * 4096 * 4096 + 3 * 4096 * 11008)
"""Weights of the linear layers of the 6.7B model: 32 layers of four square and three wide matrices."""
ROWS = 32 * (5 * 4096 + 2 * 11008)
"""Their output rows, of which each has a scale."""
REST = 2 * 32256 * 4096 + 65 * 4096
"""Embedding, head and norms, which stay in 16 bits."""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> PublishedRegistry:
    root = publish(tmp_path_factory.mktemp("published"))
    rows = {
        "models": {"id": CODER, "name": "deepseek-coder-6.7b-instruct", "lab": "deepseek",
                   "open_weights": True, "category": "llm", "variants": [CODER_REPO]},
        "variants": {"id": CODER_REPO, "repo": CODER_REPO, "model": CODER, "hub": "huggingface",
                     "official": True, "has_config": False, "parameters": 6740512768, "revision": "c" * 40},
        "crosswalk": {"kind": "huggingface", "id": CODER_REPO, "model": CODER, "rule": "same",
                      "confidence": 1.0},
    }  # fmt: skip
    for name, row in rows.items():
        with (root / f"{name}.jsonl").open("a") as file:
            file.write(json.dumps(row, separators=(",", ":")) + "\n")
    return PublishedRegistry(root)


def coder(registry: PublishedRegistry) -> PublishedModel:
    return registry.find(CODER)


def test_golden_a_6_7b_model_in_fp8_is_half_its_linear_weights_and_a_scale_a_row(
    registry: PublishedRegistry,
) -> None:
    recipe = quantize_recipe(coder(registry), "fp8")
    assert recipe.trained_bytes == 2 * (LINEAR + REST) == 2 * 6740512768
    assert recipe.expected_bytes == LINEAR + 4 * ROWS + 2 * REST
    assert recipe.published == ()
    assert not recipe.calibrated


def test_golden_a_6_7b_model_in_fp8_on_a_4090_needs_the_sum_of_its_parts(registry: PublishedRegistry) -> None:
    (trained,) = coder(registry).variants
    fp8 = replace(trained, scheme=scheme_of({}, label="fp8-dynamic"), weights_bytes=None)
    best = plan([fp8], find_profile("rtx-4090"), context=8192, with_alternatives=False).chosen
    assert best is not None
    assert (best.verdict, best.support.level, best.tp) == ("fits", "native", 1)
    keys_and_values_gib = 2 * 32 * 4096 * 2 * 8192 / GIB
    assert best.kv_gib_per_request == pytest.approx(keys_and_values_gib, abs=0.01)
    assert best.weights_gib == pytest.approx((LINEAR + 4 * ROWS + 2 * REST) / GIB, abs=0.05)
    assert best.required_gib == pytest.approx(11.0, abs=0.5)
    assert best.budget_gib == pytest.approx(23.64 * 0.92, abs=0.01)


def test_golden_four_bits_cost_a_scale_a_group_and_with_zero_points_half_a_byte_more(
    registry: PublishedRegistry,
) -> None:
    groups = LINEAR // 128
    assert quantize_recipe(coder(registry), "int4").expected_bytes == LINEAR // 2 + 2 * groups + 2 * REST
    awq = quantize_recipe(coder(registry), "awq").expected_bytes
    assert awq == LINEAR // 2 + 2 * groups + groups // 2 + 2 * REST


@pytest.mark.parametrize("to", formats())
def test_every_script_is_python_that_pins_its_source_and_keeps_the_head(
    registry: PublishedRegistry, to: str
) -> None:
    recipe = quantize_recipe(registry.find(MODEL), to)
    tree = ast.parse(recipe.script)
    call = next(one.value for one in tree.body if isinstance(one, ast.Expr))
    assert isinstance(call, ast.Call)
    given = {one.arg: one.value for one in call.keywords}
    assert {"model", "recipe", "output_dir"} <= given.keys()
    assert ("dataset" in given) == recipe.calibrated
    assert f"revision='{'a' * 40}'" in recipe.script
    assert "ignore=['lm_head']" in recipe.script
    assert recipe.expected_bytes < recipe.trained_bytes


@pytest.mark.parametrize("to", formats())
def test_every_online_flag_is_one_of_its_engine(registry: PublishedRegistry, to: str) -> None:
    for flag in quantize_recipe(coder(registry), to).online:
        known = load_engine("vllm" if flag.engine == "vllm" else "sglang", flag.engine_version)
        assert flag.flag.removeprefix("--quantization=") in known.quantizations


def test_a_checkpoint_that_is_published_already_is_named(registry: PublishedRegistry) -> None:
    assert QWEN_FP8 in quantize_recipe(registry.find(MODEL), "fp8").published


def test_on_an_ampere_card_fp8_is_weight_only(registry: PublishedRegistry) -> None:
    card = quantize_recipe(registry.find(MODEL), "fp8", "a100-80gb").on_cards
    assert card is not None
    assert (card.support, card.verdict) == ("weight_only", "fits")


@pytest.mark.parametrize(("model", "to"), [(MODEL, "int3"), (R1_MODEL, "int4"), (CLOSED, "fp8")])
def test_what_cannot_be_quantized_is_refused_with_its_field(
    registry: PublishedRegistry, model: str, to: str
) -> None:
    with pytest.raises(FitInputError, match=r"^(to|model): "):
        quantize_recipe(registry.find(model), to)
    with pytest.raises(UnknownIdError):
        registry.find("no-such-model")


def test_the_command_prints_a_script_that_can_be_redirected(
    registry: PublishedRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    def say(*more: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["quantize", MODEL, "--to", "fp8", "--registry", str(registry.root), *more])
        assert ended.value.code == 0
        return capsys.readouterr().out

    ast.parse(say("--script"))
    document = json.loads(say("--json", "--gpu", "rtx-4090"))
    assert (document["repo"], document["on_cards"]["verdict"]) == (QWEN, "fits")
    told = say("--gpu", "rtx-4090")
    assert f"published already: {QWEN_FP8}" in told
    assert "--quantization=fp8_per_channel" in told


def test_a_plan_may_leave_the_format_to_the_engine_with_its_flag_and_the_smaller_need(
    registry: PublishedRegistry,
) -> None:
    asked = PlanRequest(model=CODER, gpu="rtx-4090", quantization="fp8", online=True, context=8192)
    made = make_plan(registry.root, asked, lambda: Detection((), "none"))
    assert (made.verdict, made.engine, made.variant_id) == ("fits", "vllm", CODER_REPO)
    assert "--quantization=fp8_per_channel" in made.flags
    assert made.expected.per_gpu.total_gib == pytest.approx(11.0, abs=0.3)
    assert [one.field for one in made.overridden] == ["quantization"]
    sglang = make_plan(
        registry.root, asked.model_copy(update={"engine": "sglang"}), lambda: Detection((), "none")
    )
    assert "--quantization=fp8" in sglang.flags


@pytest.mark.parametrize("quantization", [None, "awq", "int3"])
def test_a_format_that_the_engine_does_not_make_is_refused_by_name(
    registry: PublishedRegistry, quantization: str | None
) -> None:
    asked = PlanRequest(model=CODER, gpu="rtx-4090", quantization=quantization, online=True)
    with pytest.raises(FitInputError, match=r"^(online|to): "):
        make_plan(registry.root, asked, lambda: Detection((), "none"))
