"""Claims about lists of files for places without a network: an install's, else the hub's, else none."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from weights_claims import FILES, NEEDED, REPO, WEIGHTS, both_hubs, request, silent
from weights_hub_server import COMMIT, FakeHub, sha256

from modelscan_catalog.cli.manifest import manifest
from modelscan_catalog.deploy.weights import install_weights
from modelscan_catalog.deploy.weights.library import directory_of
from modelscan_catalog.deploy.weights.listing import listed_files
from modelscan_catalog.deploy.weights.records import WeightsHub
from modelscan_catalog.manifests.airgap import airgap_bundle
from modelscan_catalog.manifests.options import Checkpoint, EmitOptions
from modelscan_catalog.manifests.plan_input import LaunchPlan
from modelscan_catalog.settings import Settings


@both_hubs
def test_a_hub_is_asked_only_on_request_and_lists_what_an_engine_needs(
    settings: Settings, hub: FakeHub, name: WeightsHub
) -> None:
    unasked = listed_files(settings, name, REPO, None, ask_hub=False)
    assert (unasked.files, unasked.by, hub.paths) == ((), None, [])
    assert "--ask-hub asks the hub" in str(unasked.why)
    found = listed_files(settings, name, REPO, None, ask_hub=True)
    assert (found.by, found.revision, found.why) == ("hub", COMMIT, None)
    assert {file.path: file.bytes for file in found.files} == {path: len(FILES[path]) for path in NEEDED}
    by_path = {file.path: file for file in found.files}
    assert by_path[WEIGHTS].sha256 == sha256(FILES[WEIGHTS])
    small = by_path["config.json"]
    assert (small.sha256 is None, small.git_sha1 is None) == (
        (True, False) if name == "huggingface" else (False, True)
    )


@both_hubs
def test_what_is_installed_is_listed_with_every_digest_and_without_a_hub(
    settings: Settings, hub: FakeHub, name: WeightsHub
) -> None:
    install_weights(settings, request(name), silent)
    hub.close()
    found = listed_files(settings, name, REPO, COMMIT, ask_hub=False)
    assert found.by == "installed"
    assert {file.path: file.sha256 for file in found.files} == {path: sha256(FILES[path]) for path in NEEDED}
    assert listed_files(settings, name, REPO, "another", ask_hub=False).files == ()


def test_a_hub_that_does_not_answer_is_the_reason_why_there_is_no_list(
    settings: Settings, hub: FakeHub
) -> None:
    hub.silent = True
    found = listed_files(settings, "huggingface", REPO, None, ask_hub=True, timeout_s=0.5)
    assert (found.files, found.why) == ((), f"{REPO}: huggingface gave no listing within 0 s")
    hub.silent = False
    gone = listed_files(settings, "huggingface", "acme/none", None, ask_hub=True)
    assert (gone.files, "no such repository" in str(gone.why)) == ((), True)


def test_the_lines_of_a_bundle_fetch_what_is_listed_and_find_what_was_damaged_on_the_way(
    settings: Settings, hub: FakeHub, tmp_path: Path
) -> None:
    install = install_weights(settings, request("huggingface"), silent)
    found = listed_files(settings, "huggingface", REPO, COMMIT, ask_hub=False)
    plan = LaunchPlan(
        model_id="acme/tiny", variant_id=REPO, repo=REPO, revision=COMMIT, engine="vllm",
        engine_version="0.33.0", served_model_name="tiny", gpu_profile_id="l40s", gpu_vendor="nvidia",
        gpu_count=1,
    )  # fmt: skip
    bundle = airgap_bundle(plan, EmitOptions(checkpoint=Checkpoint(files=found.files, listed_by=found.by)))
    assert bundle["weights"]["bytes"] == sum(len(FILES[path]) for path in NEEDED)
    assert bundle["unknown"] == ["the digest of the image: its tag is what is known"]
    assert set(bundle["fetch"][0].split()) >= {"hf", "download", REPO, COMMIT, *NEEDED}
    (tmp_path / "airgap.json").write_text(json.dumps(bundle))
    carried = tmp_path / "weights" / REPO
    shutil.copytree(directory_of(settings.weights_dir, install), carried)

    def compared() -> int:
        done = subprocess.run(
            ["bash", "-c", bundle["place"][0]], cwd=tmp_path, capture_output=True, check=False
        )
        return done.returncode

    assert compared() == 0
    (carried / WEIGHTS).write_bytes(b"\0" + FILES[WEIGHTS][1:])
    assert compared() != 0


def test_the_command_lists_files_on_request_says_why_it_could_not_and_wants_a_list_for_that(
    settings: Settings, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELSCAN_HUGGINGFACE_URL", hub.url)
    monkeypatch.setenv("MODELSCAN_DATA_DIR", str(settings.data_dir))
    revision = "b9c52782714478e70ac662ca268727a5c994a142"
    words = ["qwen3-8b", "--gpu", "l40s", "--variant", "Qwen/Qwen3-8B", "--ask-hub"]
    refused = CliRunner().invoke(manifest, [*words, "-t", "vllm"])
    assert "only the target airgap lists files" in str(refused.exception)
    without = CliRunner().invoke(manifest, [*words, "-t", "airgap"])
    assert (
        "# airgap: the files are not listed: Qwen/Qwen3-8B: the hub has no such repository" in without.stderr
    )
    assert json.loads(without.stdout)["weights"]["files"] is None
    hub.add("Qwen/Qwen3-8B", FILES, commit=json.loads(without.stdout)["weights"]["revision"] or revision)
    done = CliRunner().invoke(manifest, [*words, "-t", "airgap"])
    assert done.exit_code == 0, done.output
    weights = json.loads(done.stdout)["weights"]
    assert (weights["listed_by"], {file["path"] for file in weights["files"]}) == ("hub", NEEDED)
