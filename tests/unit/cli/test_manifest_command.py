"""``modelscan manifest``: plans, writes, and says what it did; refusals are one line and an exit code."""

import json

import pytest
import yaml
from click.testing import CliRunner

from modelscan_catalog.cli.manifest import DOES_NOT_START, manifest
from modelscan_catalog.errors import FitInputError, ManifestError
from modelscan_catalog.manifests.lint_files import lint_files
from modelscan_catalog.manifests.options import TARGETS

QWEN = "alibaba/qwen3-8b"


def run(*arguments):
    return CliRunner().invoke(manifest, [QWEN, "--gpu", "rtx-4090:2", *arguments])


def test_given_one_target_when_asked_then_the_text_is_on_standard_output_and_the_plan_on_error():
    done = run("--target", "kserve-vllm", "--context", "32k")
    assert done.exit_code == 0, done.output
    service = yaml.safe_load(done.stdout)
    assert service["kind"] == "InferenceService"
    assert "--max-model-len=32768" in service["spec"]["predictor"]["model"]["args"]
    assert "fits, 32,768 tokens" in done.stderr


def test_given_all_targets_when_written_to_a_folder_then_each_file_is_clean(tmp_path):
    done = run("--target", "all", "--out", str(tmp_path))
    assert done.exit_code == 0, done.output
    assert len(list(tmp_path.iterdir())) == len(TARGETS)
    assert {path.name for path in tmp_path.glob("*.sh")} == {"vllm-launch.sh", "sglang-launch.sh"}
    assert lint_files([tmp_path]) == []


@pytest.mark.parametrize(
    ("storage", "expected"),
    [
        ("hf", "hf://Qwen/Qwen3-8B:"),
        ("modelscope", "modelscope://Qwen/Qwen3-8B"),
        ("pvc://weights/qwen", "pvc://weights/qwen"),
    ],
)
def test_given_a_storage_when_asked_then_weights_come_from_there(storage, expected):
    done = run("--target", "kserve-isvc", "--storage", storage, "--variant", "Qwen/Qwen3-8B")
    assert done.exit_code == 0, done.output
    uri = yaml.safe_load(done.stdout)["spec"]["predictor"]["model"]["storageUri"]
    assert uri.startswith(expected)


def test_given_wishes_of_the_cluster_when_asked_then_the_document_has_them():
    words = ["--offline", "--storage", "pvc://w/q", "--namespace", "prod", "--replicas", "3"]
    words += ["--service-account", "puller", "--node-selector", "gpu=l40s", "--served-name", "chat"]
    service, policy = yaml.safe_load_all(run("--target", "kserve-vllm", *words).stdout)
    predictor = service["spec"]["predictor"]
    assert service["metadata"] | {"labels": 0, "annotations": 0} == {
        "name": "chat", "namespace": "prod", "labels": 0, "annotations": 0,
    }  # fmt: skip
    assert (predictor["minReplicas"], predictor["serviceAccountName"]) == (3, "puller")
    assert predictor["nodeSelector"] == {"gpu": "l40s"}
    assert policy["spec"]["egress"] == []


def test_given_all_targets_when_one_engine_does_not_start_then_the_others_files_are_written(tmp_path):
    words = [QWEN, "--gpu", "gaudi3", "--target", "all", "--out", str(tmp_path)]
    done = CliRunner().invoke(manifest, words)
    assert done.exit_code == 0, done.output
    assert "# no sglang: alibaba/qwen3-8b: the plan is refused" in done.stderr
    assert {path.name for path in tmp_path.glob("*.sh")} == {"launch.sh"}
    alone = CliRunner().invoke(manifest, [QWEN, "--gpu", "gaudi3", "--target", "sglang"])
    assert (alone.exit_code, alone.stdout) == (DOES_NOT_START, "")


@pytest.mark.parametrize("target", ["kserve-vllm", "kserve-llmisvc", "compose"])
def test_given_a_writable_root_when_asked_then_only_that_gives_way(target):
    [strict, loose] = [run("--target", target, *words).stdout for words in ((), ("--writable-root",))]
    changed = [pair for pair in zip(strict.splitlines(), loose.splitlines(), strict=True) if len({*pair}) > 1]
    assert [line.strip() for pair in changed for line in pair] in (
        ["readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"],
        ["read_only: true", "read_only: false"],
    )


def test_given_json_when_asked_then_plan_files_and_refusals_are_one_document():
    document = json.loads(run("--target", "all", "--offline", "--json").stdout)
    assert {one["target"] for one in document["manifests"]} | document["refused"].keys() == set(TARGETS)
    assert "pvc://claim/path" in document["refused"]["kaito"]
    assert document["plans"][0]["verdict"] == "fits"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--target", "nomad"], "target: 'nomad' is unknown; use one of airgap"),
        (["--target", "vllm", "--target", "compose"], "name a folder with --out"),
        (["--target", "kserve-vllm", "--offline"], "pvc://claim/path"),
        (["--target", "kserve-vllm", "--engine", "sglang"], "plan it with vllm"),
        (["--target", "vllm", "--storage", "s3://x"], "storage: 's3://x' is none of"),
        (["--target", "kserve-vllm", "--node-selector", "gpu"], "is no KEY=VALUE"),
        (["--target", "vllm", "--parameter=--no-such-flag"], "--no-such-flag is no flag of vllm"),
    ],
)
def test_given_what_cannot_be_done_when_asked_then_one_line_says_why(words, message):
    done = run(*words)
    assert isinstance(done.exception, ManifestError | FitInputError)
    assert message in str(done.exception)


def test_given_a_model_that_does_not_start_there_when_asked_then_the_exit_code_says_so(tmp_path):
    words = ["deepseek/deepseek-r1", "--gpu", "t4", "-t", "all"]
    done = CliRunner().invoke(manifest, [*words, "--out", str(tmp_path / "out")])
    assert done.exit_code == DOES_NOT_START
    assert "deepseek/deepseek-r1 on 1x t4:" in done.stderr
    assert not (tmp_path / "out").exists()
