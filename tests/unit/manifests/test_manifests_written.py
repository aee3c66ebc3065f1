"""A plan becomes linted text for every target that can serve it, and a reason for each that cannot."""

import json

import pytest
import yaml

from modelscan_catalog.errors import ManifestError
from modelscan_catalog.manifests import targets
from modelscan_catalog.manifests.findings import Finding
from modelscan_catalog.manifests.plan_input import LaunchPlan
from modelscan_catalog.manifests.written import write_plan


def plan(**changes):
    fields = {
        "model_id": "lab/m",
        "variant_id": "Lab/M",
        "repo": "Lab/M",
        "engine": "vllm",
        "engine_version": "0.33.0",
        "served_model_name": "m",
        "gpu_profile_id": "h100-80gb",
        "gpu_vendor": "nvidia",
        "gpu_count": 1,
        "max_model_len": 4096,
        **changes,
    }
    return LaunchPlan(**fields)


def test_given_a_vllm_plan_when_written_then_all_four_targets_have_readable_text():
    result = write_plan(plan())
    texts = {manifest.file_name: manifest.text for manifest in result.manifests}
    assert result.refused == {}
    assert texts["launch.sh"].startswith("vllm serve Lab/M ")
    assert json.loads(texts["gpustack.json"])["backend"] == "vLLM"
    assert yaml.safe_load(texts["kserve.yaml"])["kind"] == "InferenceService"
    assert list(yaml.safe_load(texts["compose.yaml"])["services"]) == ["m", "cache-owner"]
    assert write_plan(plan()) == result


def test_given_an_sglang_plan_on_amd_when_written_then_the_targets_without_it_say_why():
    result = write_plan(plan(engine="sglang", engine_version="0.5.23", gpu_vendor="amd"))
    assert [manifest.kind for manifest in result.manifests] == ["sglang_command", "gpustack_model"]
    assert set(result.refused) == {"kserve_inferenceservice", "compose"}
    assert "no sglang container image is known for amd" in result.refused["compose"]


def test_given_a_flag_of_an_old_version_when_written_for_it_then_its_own_table_decides():
    result = write_plan(plan(engine_version="0.11.0", extra_parameters=("--swap-space=4",)))
    assert "--swap-space=4" in result.manifests[0].text
    assert "--swap-space left vllm" not in str(result.refused)


def test_given_a_document_that_fails_its_lint_when_written_then_nothing_is_handed_out(monkeypatch):
    fault = Finding("error", "schema", "name", "wrong")
    monkeypatch.setattr(targets, "lint_manifest", lambda *_, **__: [fault])
    with pytest.raises(ManifestError, match=r"launch\.sh fails its lint: error: name: wrong"):
        write_plan(plan())
