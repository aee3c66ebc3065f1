"""Files of any origin are linted by what they are, and never raise."""

import json
from pathlib import Path

import pytest
import yaml

from modelscan_catalog.manifests.lint_files import lint_files

SERVICE = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: a}
spec:
  predictor:
    model: {modelFormat: {name: vLLM}, storageUri: "hf://a/b", args: [--swap-space=4]}
"""


def codes(path):
    return [(found.kind, found.finding.code) for found in lint_files([path])]


def test_given_two_documents_in_one_file_when_linted_then_each_fault_says_which(tmp_path):
    path = tmp_path / "both.yaml"
    path.write_text(SERVICE.replace("swap-space=4", "max-model-len=4096") + "---" + SERVICE)
    [found] = lint_files([path])
    assert found.finding.where == "document 2: spec.predictor.model.args[0]"
    assert found.finding.code == "removed_flag"


def test_given_a_directory_when_linted_then_its_yaml_and_json_files_are(tmp_path):
    (tmp_path / "notes.txt").write_text("not a manifest")
    (tmp_path / "a.yaml").write_text(SERVICE)
    (tmp_path / "b.json").write_text(json.dumps({"name": "m", "source": "huggingface"}))
    assert codes(tmp_path) == [
        ("kserve_inferenceservice", "removed_flag"),
        ("gpustack_model", "schema"),
    ]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: [1", "malformed"),
        ("just text", "unknown_kind"),
        ("!!python/object/apply:os.system [echo]", "malformed"),
        ("a: &a [1,1]\n" + "\n".join(f"k{i}: &k{i} [*{'a' if i == 0 else f'k{i - 1}'}, "
         f"*{'a' if i == 0 else f'k{i - 1}'}]" for i in range(40)) + "\nservices: {x: *k39}", "too_large"),
        ("a: &a {b: *a}", "malformed"),
        ("kind: InferenceService\nkind: Workspace\n", "repeated_key"),
    ],
)  # fmt: skip
def test_given_a_file_that_is_no_manifest_when_linted_then_it_is_a_finding(tmp_path, text, code):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    assert codes(path) == [(None, code)]


def test_given_a_template_when_linted_then_it_is_to_be_rendered_first(tmp_path):
    path = tmp_path / "chart.yaml"
    path.write_text("kind: InferenceService\nspec:\n  {{- if .Values.gpu }}\n  a: 1\n  {{- end }}\n")
    [found] = lint_files([path])
    assert (found.finding.code, "render it first" in found.finding.message) == ("malformed", True)


def test_given_json_with_a_key_twice_when_linted_then_it_is_named(tmp_path):
    path = tmp_path / "model.json"
    path.write_text('{"name": "a", "source": "huggingface", "name": "b"}')
    [found] = lint_files([path])
    assert (found.finding.code, "'name' is given twice" in found.finding.message) == ("repeated_key", True)


def test_given_merged_anchors_when_linted_then_they_are_read_as_compose_reads_them(tmp_path):
    path = tmp_path / "compose.yaml"
    path.write_text(
        "x-it: &it {image: 'vllm/vllm-openai:v0.33.0', command: [--model, a, --max-model-len=1]}\n"
        "services:\n  a: *it\n  b: {<<: *it, command: [--model, a, --swap-space=4]}\n"
    )
    [found] = lint_files([path])
    assert found.finding.where == "services.b.command[2]"


def test_given_a_list_of_kubernetes_when_linted_then_its_items_are(tmp_path):
    path = tmp_path / "list.yaml"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [yaml.safe_load(SERVICE)] * 2}))
    assert [found.finding.where.partition(":")[0] for found in lint_files([path])] == [
        "document 1",
        "document 2",
    ]


def test_given_a_pipe_when_linted_then_no_more_is_read_of_it_than_of_a_file():
    assert [found.finding.code for found in lint_files([Path("/dev/zero")])] == ["too_large"]


def test_given_a_secret_in_a_shell_file_when_linted_then_its_line_is_named_and_a_reference_is_not(tmp_path):
    script = tmp_path / "start.sh"
    script.write_text(
        'export HF_TOKEN=hf_abc\nAPI_KEY="${API_KEY:?set it}"\nHF_TOKEN=hf_abc vllm serve a/b\nexport X=1\n'
    )
    assert [(found.finding.code, found.finding.where) for found in lint_files([script])] == [
        ("literal_secret", "line 1.HF_TOKEN"),
        ("literal_secret", "line 3.HF_TOKEN"),
    ]


def test_given_a_missing_or_binary_file_when_linted_then_it_is_a_finding(tmp_path):
    binary = tmp_path / "x.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    assert codes(binary) == [(None, "unreadable")]
    assert codes(tmp_path / "missing.yaml") == [(None, "unreadable")]


def test_given_a_shell_file_when_linted_then_only_the_lines_that_start_an_engine_are_read(tmp_path):
    script = tmp_path / "start.sh"
    script.write_text(
        "#!/bin/sh\n# vllm serve old --task=x\nset -eu\nvllm serve a/b \\\n  --max-model-len=x\n"
    )
    [found] = lint_files([tmp_path])
    assert (found.kind, found.finding.code) == ("vllm_command", "wrong_value")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("LLMInferenceService", "spec: {replicas: 1, scaling: {maxReplicas: 2, wva: {hpa: {}}}}"),
        ("Workspace", "resource: {labelSelector: {}}\ninference: {}"),
        ("NetworkPolicy", "spec: {podSelector: {}, policyTypes: [Ingress], egress: []}"),
    ],
)
def test_given_a_resource_that_breaks_its_own_rules_when_linted_then_they_are_named(tmp_path, kind, text):
    versions = {
        "LLMInferenceService": "serving.kserve.io/v1alpha2",
        "Workspace": "kaito.sh/v1beta1",
        "NetworkPolicy": "networking.k8s.io/v1",
    }
    file = tmp_path / "a.yaml"
    file.write_text(f"apiVersion: {versions[kind]}\nkind: {kind}\nmetadata: {{name: a}}\n{text}\n")
    [found] = lint_files([file])
    assert found.finding.where in ("spec.scaling", "inference", "spec.egress")


def test_given_an_older_version_that_is_still_served_when_linted_then_it_is_a_warning(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text(
        "apiVersion: serving.kserve.io/v1alpha1\nkind: LLMInferenceService\nmetadata: {name: a}\n"
        "spec: {model: {uri: 'hf://a/b'}}\n"
    )
    [found] = lint_files([file])
    assert (found.finding.severity, found.finding.code) == ("warning", "older_version")


def test_given_flags_in_an_environment_variable_when_linted_then_they_are_read(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text(
        "apiVersion: serving.kserve.io/v1alpha2\nkind: LLMInferenceService\nmetadata: {name: a}\n"
        "spec: {model: {uri: 'hf://a/b'}, template: {containers: [{name: main, env: "
        "[{name: VLLM_ADDITIONAL_ARGS, value: --swap-space 4}]}]}}\n"
    )
    [found] = lint_files([file])
    assert found.finding.code == "removed_flag"


@pytest.mark.parametrize(
    ("name", "text"), [("a.yaml", ""), ("a.yaml", "---\n# words\n"), ("a.sh", "echo hi\n")]
)
def test_given_a_file_with_nothing_in_it_when_linted_then_it_does_not_pass_for_checked(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    (found,) = lint_files([tmp_path / name])
    assert (found.finding.severity, found.finding.code) == ("warning", "nothing_to_check")


def test_given_a_folder_without_files_when_linted_then_that_is_said(tmp_path):
    (found,) = lint_files([tmp_path])
    assert (found.finding.severity, found.finding.code) == ("warning", "nothing_to_check")
