"""What a refused plan offers: the one wish that is in the way, a context that is declared, smaller models."""

import json
from pathlib import Path
from typing import Any

import pytest
from deployment_plan_samples import CLOSED, MODEL, QWEN, R1_MODEL, VISION, publish
from gpustack_replay import write_weights

from modelscan_catalog.deploy.gpu import Detection
from modelscan_catalog.deploy.plan import DeploymentPlan, PlanRequest
from modelscan_catalog.deploy.planner import make_plan
from modelscan_catalog.fit.known import known_config

DISTILLED, TEXT_ONLY = f"{R1_MODEL}-distill-qwen-8b", "openai/gpt-text-8b"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = publish(tmp_path_factory.mktemp("published"))
    known = known_config(QWEN)
    assert known is not None
    for model in (DISTILLED, TEXT_ONLY):
        lab, _, name = model.partition("/")
        modes = {"input": ["text"], "output": ["text"]}
        rows: dict[str, dict[str, Any]] = {
            "models": {"id": model, "name": name, "lab": lab, "open_weights": True, "category": "llm",
                       "modalities": modes, "capabilities": {"tool_call": True}},
            "variants": {"id": model, "repo": model, "model": model, "hub": "huggingface", "official": True,
                         "quantization": {"scheme": "bf16", "evidence": "config"}, "has_config": True},
            "configs": {"variant": model, "config": known.config},
        }  # fmt: skip
        for table, row in rows.items():
            with (root / f"{table}.jsonl").open("a") as file:
                file.write(json.dumps(row, separators=(",", ":")) + "\n")
    return root


def refused(published: Path, model: str = MODEL, **asked: Any) -> DeploymentPlan:
    plan = make_plan(published, PlanRequest(model=model, **asked), lambda: Detection((), "none"))
    assert not plan.starts
    return plan


def test_of_several_wishes_only_the_one_in_the_way_is_given_up(published: Path, tmp_path: Path) -> None:
    weights = str(write_weights(tmp_path / "weights"))
    plan = refused(published, gpu="h100-80gb:2", local_path=weights, tensor_parallel=3)
    (instead,) = plan.alternatives
    assert instead.text.startswith("without tensor parallel 3: ")
    assert instead.request is not None
    assert (instead.request.local_path, instead.request.tensor_parallel) == (weights, None)


def test_weights_of_a_directory_have_alternatives_too(published: Path, tmp_path: Path) -> None:
    weights = str(write_weights(tmp_path / "weights"))
    plan = refused(published, gpu="h100-80gb", local_path=weights, context=200_000)
    assert plan.alternatives[0].change == "context"
    assert "40960 tokens" in plan.alternatives[0].text


def test_a_model_that_is_too_large_names_smaller_ones_of_its_name_that_the_cards_hold(
    published: Path,
) -> None:
    plan = refused(published, R1_MODEL, gpu="rtx-4090")
    (smaller,) = [one for one in plan.alternatives if one.change == "model"]
    assert smaller.text.startswith(f"{DISTILLED} (")
    assert "on 1 x rtx-4090" in smaller.text
    assert smaller.request is not None
    assert smaller.request.model == DISTILLED
    assert make_plan(published, smaller.request, lambda: Detection((), "none")).starts


def test_after_models_that_do_as_much_come_those_of_the_same_lab_that_do_less(published: Path) -> None:
    named = [
        one.request.model for one in refused(published, CLOSED, gpu="h100-80gb").alternatives if one.request
    ]
    assert named == [VISION, TEXT_ONLY]
