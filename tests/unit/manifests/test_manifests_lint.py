"""Lint finds what a target would refuse, or accept and never start."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelscan_catalog.manifests.lint import lint_manifest

BODY = {
    "name": "qwen3-8b",
    "source": "huggingface",
    "huggingface_repo_id": "Qwen/Qwen3-8B-FP8",
    "backend": "vLLM",
    "backend_version": "0.22.1",
    "backend_parameters": ["--max-model-len=32768"],
}
SERVICE = {
    "apiVersion": "serving.kserve.io/v1beta1",
    "kind": "InferenceService",
    "metadata": {"name": "qwen3-8b"},
    "spec": {
        "predictor": {
            "model": {
                "modelFormat": {"name": "huggingface"},
                "storageUri": "hf://Qwen/Qwen3-8B-FP8",
                "args": ["--model_name=qwen3-8b", "--max-model-len=32768"],
                "resources": {"limits": {"cpu": 8, "memory": "32Gi"}},
            }
        }
    },
}
COMPOSE = {
    "services": {
        "qwen": {
            "image": "vllm/vllm-openai:v0.33.0",
            "command": ["--model", "Qwen/Qwen3-8B", "--max-model-len", "32768"],
            "ports": ["127.0.0.1:8000:8000"],
        }
    }
}
CATALOGUE = {
    "draft_models": [],
    ".anchor": {"anything": 1},
    "model_sets": [{"name": "Qwen3", "specs": [{k: v for k, v in BODY.items() if k != "name"}]}],
}


def changed(document, path, value):
    document = copy.deepcopy(document)
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return document


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        ("gpustack_model", BODY),
        ("kserve_inferenceservice", SERVICE),
        ("compose", COMPOSE),
        ("gpustack_catalogue", CATALOGUE),
        ("vllm_command", "vllm serve Qwen/Qwen3-8B --max-model-len 32768 -tp 2"),
        ("sglang_command", "A=1 python3 -m sglang.launch_server --model-path Qwen/Qwen3-8B --tp-size 2"),
    ],
)
def test_given_a_sound_document_when_linted_then_nothing_is_found(kind, document):
    assert lint_manifest(kind, document) == []


MODEL = ["spec", "predictor", "model"]


@pytest.mark.parametrize(
    ("kind", "document", "code", "where"),
    [
        ("gpustack_model", changed(BODY, ["name"], "Qwen/Qwen3"), "wrong_value", "name"),
        ("gpustack_model", changed(BODY, ["source"], "modelscope"), "schema", "source"),
        ("gpustack_model", changed(BODY, ["source"], "model_scope"), "schema", "model_scope_model_id"),
        ("gpustack_model", changed(BODY, ["repo_id"], "x"), "schema", "document"),
        ("gpustack_model", changed(BODY, ["replicas"], -1), "schema", "replicas"),
        (
            "gpustack_model",
            changed(BODY, ["backend_version"], "0.33.0"),
            "unknown_version",
            "backend_version",
        ),
        ("gpustack_model", changed(BODY, ["image_name"], "a/b"), "refused_field", "image_name"),
        ("gpustack_model", changed(BODY, ["backend"], "vllm"), "unknown_backend", "backend"),
        (
            "gpustack_model",
            changed(BODY, ["backend_parameters"], ["--served-model-name=x"]),
            "refused_flag",
            "backend_parameters[0]",
        ),
        (
            "kserve_inferenceservice",
            changed(SERVICE, [*MODEL, "replicas"], 2),
            "schema",
            "spec.predictor.model",
        ),
        (
            "kserve_inferenceservice",
            changed(SERVICE, [*MODEL, "storageUri"], "huggingface://x/y"),
            "wrong_value",
            "spec.predictor.model.storageUri",
        ),
        (
            "kserve_inferenceservice",
            changed(SERVICE, [*MODEL, "modelFormat", "name"], "vllm"),
            "wrong_value",
            "spec.predictor.model.modelFormat.name",
        ),
        (
            "kserve_inferenceservice",
            changed(SERVICE, [*MODEL, "env"], [{"name": "HF_TOKEN", "value": "hf_abc"}]),
            "literal_secret",
            "spec.predictor.model.env.HF_TOKEN",
        ),
        (
            "kserve_inferenceservice",
            changed(SERVICE, [*MODEL, "args"], ["--task-x=1"]),
            "unknown_flag",
            "spec.predictor.model.args[0]",
        ),
        (
            "kserve_inferenceservice",
            changed(SERVICE, ["metadata", "name"], "Qwen3"),
            "wrong_value",
            "metadata.name",
        ),
        (
            "compose",
            changed(COMPOSE, ["services", "qwen", "ports"], ["8000:8000"]),
            "exposed_port",
            "services.qwen.ports",
        ),
        (
            "compose",
            changed(COMPOSE, ["services", "qwen", "environment"], ["VLLM_API_KEY=abc"]),
            "literal_secret",
            "services.qwen.environment.VLLM_API_KEY",
        ),
        (
            "compose",
            changed(COMPOSE, ["services", "qwen", "command"], "--context-length 5"),
            "unknown_flag",
            "services.qwen.command[0]",
        ),
        (
            "gpustack_catalogue",
            changed(CATALOGUE, ["model_sets", 0, "specs", 0, "gpu_filters"], {"min_memory_gb": 24}),
            "schema",
            "model_sets.0.specs.0.gpu_filters",
        ),
        ("vllm_command", "vllm serve --max-model-len 4096", "missing_value", "command"),
        ("vllm_command", "vllm serve 'x", "schema", "command"),
        ("sglang_command", "python3 -m sglang.launch_server --tp-size 2", "missing_value", "command"),
    ],
)
def test_given_one_fault_when_linted_then_exactly_it_is_found(kind, document, code, where):
    assert [(finding.code, finding.where) for finding in lint_manifest(kind, document)] == [(code, where)]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["services", "image", "command", "environment", "ports", "name", "source", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(json_values)
def test_given_any_value_when_linted_as_any_kind_then_findings_come_and_no_exception(value):
    for kind in ("gpustack_model", "gpustack_catalogue", "kserve_inferenceservice", "compose"):
        assert lint_manifest(kind, value)
        assert lint_manifest(kind, {"services": {"a": value}}) is not None
    lint_manifest("vllm_command", value)


@pytest.mark.parametrize(
    ("service", "codes"),
    [
        ({"image": "vllm/vllm-openai:v0.33.0", "command": ["a/b", "--swap-space=4"]}, ["removed_flag"]),
        ({"image": "vllm/vllm-openai:v0.33.0", "command": "--model a/b --swap-space=4"}, ["removed_flag"]),
        ({"image": "vllm/vllm-openai:v0.11.0", "command": ["a/b", "--swap-space=4"]}, []),
        (
            {"image": "x/y", "entrypoint": ["vllm", "serve"], "command": ["--max-model-len=1"]},
            ["missing_value"],
        ),
        ({"image": "vllm/vllm-openai:v0.33.0", "entrypoint": ["chown"], "command": ["1:1", "/a"]}, []),
        ({"image": "lmsysorg/sglang:v0.5.23", "command": "bash -c true"}, []),
        (
            {"image": "x/y", "command": "python3 -m sglang.launch_server --model-path a --mem-frac=2"},
            ["wrong_value", "abbreviated_flag"],
        ),
        (
            {"image": "x/y", "command": "python -m vllm.entrypoints.openai.api_server --port=1"},
            ["missing_value"],
        ),
        (
            {
                "image": "x/y",
                "command": ["/bin/sh", "-ec", "A=1 exec /opt/bin/vllm serve a --swap-space=4 | tee x"],
            },
            ["removed_flag"],
        ),
        (
            {
                "image": "x/y",
                "entrypoint": ["bash", "-lc"],
                "command": ["cd /x && vllm serve a \\\n --task=y"],
            },
            ["removed_flag"],
        ),
        ({"image": "x/y", "command": ["sh", "-c", "vllm serve a --max-model-len=$${LEN} --dtype=$$D"]}, []),
        ({"image": "vllm/vllm-openai:v0.33.0", "command": ["a", "--max-model-len=${LEN:-4096}"]}, []),
    ],
)
def test_given_a_container_when_linted_then_an_engine_is_known_by_what_starts_it(service, codes):
    found = lint_manifest("compose", {"services": {"a": service}})
    assert [finding.code for finding in found] == codes
