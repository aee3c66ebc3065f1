"""Claims about what a status says, and about nodes; walks through conditions are recorded ones."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.deploy.kserve.nodes import cards_of, node_selector
from modelscan_catalog.deploy.kserve.status import base_url, served_model, sighting
from modelscan_catalog.state.deployments import DeploymentState

NAMES = st.sampled_from(["Ready", "PredictorReady", "Stopped", "IngressReady", "LatestDeploymentReady"])
CONDITION = st.fixed_dictionaries(
    {"type": NAMES, "status": st.sampled_from(["True", "False", "Unknown"])},
    optional={
        "reason": st.text(max_size=5),
        "message": st.text(max_size=5),
        "severity": st.sampled_from(["", "Info"]),
    },
)
STATUS = st.fixed_dictionaries(
    {},
    optional={
        "conditions": st.lists(CONDITION, max_size=5) | st.none(),
        "observedGeneration": st.integers(0, 3),
        "url": st.just("http://a.example"),
        "address": st.just({"url": "http://a.ai.svc"}) | st.none(),
        "modelStatus": st.fixed_dictionaries(
            {"transitionStatus": st.sampled_from(["", "UpToDate", "InProgress", "InvalidSpec"])},
            optional={"lastFailureInfo": st.just({"reason": "ModelLoadFailed"}) | st.none()},
        ),
    },
)


def service(status: Any = None, **model: Any) -> dict[str, Any]:
    return {
        "kind": "InferenceService",
        "metadata": {"name": "a", "uid": "u", "generation": 2},
        "spec": {"predictor": {"minReplicas": 2, "model": model}},
        "status": status,
    }


@given(STATUS)
def test_a_service_runs_only_when_ready_is_true_for_what_was_asked(status: dict[str, Any]) -> None:
    seen = sighting(service(status))
    assert seen.state in DeploymentState.__args__  # type: ignore[attr-defined]
    ready = {row["type"]: row["status"] for row in status.get("conditions") or []}.get("Ready") == "True"
    if seen.state == "running":
        assert ready
        assert status.get("observedGeneration", 2) == 2
        assert seen.message is None


def test_a_service_that_is_being_deleted_does_not_run() -> None:
    found = service({"conditions": [{"type": "Ready", "status": "True"}]})
    found["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert sighting(found).state == "removed"


def test_conditions_that_only_inform_hold_nothing_up() -> None:
    informs = {"type": "IngressReady", "status": "False", "severity": "Info", "reason": "Odd"}
    blocks = {"type": "PredictorReady", "status": "Unknown", "reason": "Deploying"}
    seen = sighting(service({"conditions": [informs, blocks, {"type": "Ready", "status": "Unknown"}]}))
    assert (seen.step, seen.message) == ("PredictorReady", "Deploying")


@pytest.mark.parametrize(
    ("status", "form", "url"),
    [
        ({"url": "http://a.example/"}, "vLLM", "http://a.example/v1"),
        ({"url": "http://a.example"}, "huggingface", "http://a.example/openai/v1"),
        ({"address": {"url": "http://a.ai.svc"}}, "vLLM", "http://a.ai.svc/v1"),
        ({"addresses": [{"url": "https://gw/ai/a"}]}, "vLLM", "https://gw/ai/a/v1"),
        ({}, "vLLM", None),
    ],
)
def test_clients_call_where_the_controller_says(status: dict[str, Any], form: str, url: str | None) -> None:
    assert base_url(service(status, modelFormat={"name": form})) == url


def test_a_model_is_served_under_its_argument_else_under_the_services_name() -> None:
    assert served_model(service(None, args=["--served-model-name=m"])) == "m"
    assert served_model(service(None, args=["--model_name=m"])) == "m"
    assert served_model(service()) == "a"
    assert served_model({"metadata": {"name": "a"}, "spec": {"model": {"uri": "hf://x/y"}}}) == "a"


def node(name: str, product: str | None, count: str = "8") -> dict[str, Any]:
    labels = {"nvidia.com/gpu.product": product} if product else {}
    return {
        "metadata": {"name": name, "labels": labels},
        "status": {"allocatable": {"nvidia.com/gpu": count}},
    }


def test_cards_are_told_by_node_and_kind() -> None:
    rows = cards_of([node("a", "NVIDIA-L40S", "2"), node("b", "NVIDIA-H100-80GB-HBM3"), node("c", None, "0")])
    assert [(row.node, row.count, row.name) for row in rows] == [
        ("b", 8, "NVIDIA H100 80GB HBM3"), ("a", 2, "NVIDIA L40S"),
    ]  # fmt: skip


def test_pods_are_led_to_their_kind_of_card_where_there_are_several() -> None:
    mixed = [node("a", "NVIDIA-L40S"), node("b", "NVIDIA-H100-80GB-HBM3"), node("c", "NVIDIA-H100-80GB-HBM3")]
    assert node_selector(mixed, "h100-80gb") == {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}
    assert node_selector(mixed, "rtx-4090") == {}
    assert node_selector(mixed, None) == {}
    assert node_selector(mixed[1:], "h100-80gb") == {}
    assert node_selector([*mixed, node("d", None)], "l40s") == {"nvidia.com/gpu.product": "NVIDIA-L40S"}
