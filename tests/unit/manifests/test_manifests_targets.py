"""One call gives any target's manifest: linted, hardened, the same bytes for the same plan."""

import dataclasses
import re
import shlex

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from manifest_samples import PLAN

from modelscan_catalog.errors import ManifestError
from modelscan_catalog.manifests.lint import lint_manifest
from modelscan_catalog.manifests.options import TARGETS, Checkpoint, EmitOptions, in_place
from modelscan_catalog.manifests.targets import emit, engine_of_target
from modelscan_catalog.records.catalog import WeightFile

SGLANG = dataclasses.replace(PLAN, engine="sglang", engine_version="0.5.23")
ON_CLAIM = dataclasses.replace(
    PLAN, source="local_path", repo="pvc://weights/qwen/qwen3-8b", revision=None, env={}
)
CLUSTER = ("kaito", "kserve-isvc", "kserve-llmisvc", "kserve-runtime", "kserve-vllm", "llm-d")
OFFLINE = EmitOptions(offline=True)


def containers(manifest):
    """Every container with its pod, wherever the resource keeps them."""
    for document in manifest.documents:
        match document["kind"]:
            case "InferenceService":
                pod = document["spec"]["predictor"]
                yield pod, pod["model"]
            case "LLMInferenceService":
                pod = document["spec"]["template"]
                yield pod, pod["containers"][0]
            case "Workspace":
                pod = document["inference"]["template"]["spec"]
                yield pod, pod["containers"][0]
            case "ServingRuntime":
                pod = document["spec"]
                yield None, pod["containers"][0]


def documents_of_kind(manifest, kind):
    return [document for document in manifest.documents if document["kind"] == kind]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("plan", [PLAN, SGLANG], ids=["vllm", "sglang"])
def test_given_a_plan_when_emitted_then_every_target_has_linted_text_or_names_the_engine_it_wants(
    plan, target
):
    wanted = engine_of_target(target)
    if wanted not in (None, plan.engine):
        with pytest.raises(ManifestError, match=f"plan it with {wanted}"):
            emit(plan, target)
        return
    manifest = emit(plan, target)
    assert manifest.warnings == ()
    assert emit(plan, target) == manifest
    if manifest.file_name.endswith(".yaml"):
        assert tuple(yaml.safe_load_all(manifest.text)) == manifest.documents


@pytest.mark.parametrize("target", CLUSTER)
@pytest.mark.parametrize("options", [EmitOptions(), OFFLINE], ids=["online", "offline"])
def test_given_a_cluster_target_when_emitted_then_every_container_is_hardened(target, options):
    found = list(containers(emit(ON_CLAIM, target, options)))
    assert found
    for pod, container in found:
        security = container["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["runAsUser"] > 0
        assert security["readOnlyRootFilesystem"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()
        assert {"name": "scratch", "mountPath": "/tmp"} in container["volumeMounts"]
        assert pod is None or pod["automountServiceAccountToken"] is False


@pytest.mark.parametrize("target", CLUSTER)
def test_given_offline_when_emitted_for_a_cluster_then_pods_may_ask_nobody_and_engines_know_it(target):
    manifest = emit(ON_CLAIM, target, OFFLINE)
    [policy] = documents_of_kind(manifest, "NetworkPolicy")
    assert policy["spec"]["egress"] == []
    assert policy["spec"]["policyTypes"] == ["Egress"]
    [(name, value)] = policy["spec"]["podSelector"]["matchLabels"].items()
    assert manifest.text.count(f"{name}: {value}") == 2, "the policy selects the label that the pods carry"
    for _, container in containers(manifest):
        switches = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
        assert switches.items() <= {e["name"]: e.get("value") for e in container["env"]}.items()


@pytest.mark.parametrize("target", CLUSTER)
def test_given_offline_and_weights_on_a_hub_when_emitted_for_a_cluster_then_a_claim_is_asked_for(target):
    with pytest.raises(ManifestError, match="pvc://claim/path"):
        emit(PLAN, target, OFFLINE)


@pytest.mark.parametrize(
    ("plan", "uri", "model_id"),
    [
        (PLAN, "hf://Qwen/Qwen3-8B-FP8:0123456789abcdef0123456789abcdef01234567", None),
        (
            dataclasses.replace(PLAN, source="model_scope", revision=None),
            "modelscope://Qwen/Qwen3-8B-FP8",
            None,
        ),
        (ON_CLAIM, "pvc://weights/qwen/qwen3-8b", "/mnt/models"),
    ],
    ids=["hf", "modelscope", "pvc"],
)
@pytest.mark.parametrize("target", ["kserve-isvc", "kserve-vllm", "kserve-runtime"])
def test_given_a_storage_when_emitted_for_kserve_then_its_uri_names_it(target, plan, uri, model_id):
    [service] = documents_of_kind(emit(plan, target), "InferenceService")
    model = service["spec"]["predictor"]["model"]
    assert model["storageUri"] == uri
    environment = {entry["name"]: entry.get("value") for entry in model["env"]}
    assert environment.get("MODEL_ID") == model_id
    [llm] = emit(plan, "llm-d").documents
    assert llm["spec"]["model"]["uri"] == uri


def test_given_more_cards_than_machines_have_when_emitted_then_that_is_said_but_to_gpustack():
    large = dataclasses.replace(PLAN, gpu_count=16, tensor_parallel=16)
    for target in ("vllm", "compose", "kserve-vllm", "llm-d", "kaito"):
        [warning] = emit(large, target).warnings
        assert (warning.code, "asks one machine for 16 cards" in warning.message) == ("one_machine", True)
    assert (
        emit(large, "gpustack").warnings
        == emit(dataclasses.replace(PLAN, gpu_count=8), "compose").warnings
        == ()
    )


def test_given_a_claim_when_emitted_for_kaito_then_the_engine_reads_the_mounted_path():
    [workspace] = emit(ON_CLAIM, "kaito").documents
    pod = workspace["inference"]["template"]["spec"]
    assert pod["containers"][0]["command"][:3] == ["vllm", "serve", "/mnt/models"]
    assert pod["containers"][0]["volumeMounts"][-1] == {
        "name": "weights",
        "mountPath": "/mnt/models",
        "readOnly": True,
        "subPath": "qwen/qwen3-8b",
    }
    assert pod["volumes"][-1]["persistentVolumeClaim"] == {"claimName": "weights", "readOnly": True}


def test_given_weights_in_place_when_planned_so_then_neither_hub_nor_token_nor_revision_is_left():
    assert in_place(PLAN, ON_CLAIM.repo) == ON_CLAIM
    [body] = emit(in_place(PLAN, "/srv/qwen"), "gpustack").documents
    assert (body["source"], body["local_path"]) == ("local_path", "/srv/qwen")
    with pytest.raises(ManifestError, match="absolute/directory"):
        in_place(PLAN, "s3://bucket")


@pytest.mark.parametrize("target", ["vllm", "compose", "gpustack", "gpustack-catalog"])
def test_given_a_claim_when_emitted_for_one_machine_then_a_directory_is_asked_for(target):
    with pytest.raises(ManifestError, match="directory"):
        emit(ON_CLAIM, target)


def test_given_other_flags_when_emitted_for_llm_d_then_the_template_gets_them_as_a_shell_reads_them():
    overrides = '--hf-overrides={"rope_scaling": {"factor": 2}}'
    plan = dataclasses.replace(PLAN, extra_parameters=(overrides,))
    [document] = emit(plan, "llm-d").documents
    assert document["spec"]["parallelism"] == {"tensor": 2}
    environment = {e["name"]: e.get("value") for e in document["spec"]["template"]["containers"][0]["env"]}
    words = shlex.split(environment["VLLM_ADDITIONAL_ARGS"])
    assert words == ["--max-model-len=32768", "--reasoning-parser=qwen3", overrides]
    assert "scheduler" in document["spec"]["router"]


def test_given_sglang_when_emitted_as_a_runtime_then_its_service_names_that_runtime():
    runtime, service = emit(SGLANG, "kserve-runtime").documents
    model = service["spec"]["predictor"]["model"]
    assert model["runtime"] == runtime["metadata"]["name"] == "modelscan-sglang-0-5-23-nvidia"
    assert model["modelFormat"]["name"] == runtime["spec"]["supportedModelFormats"][0]["name"]
    assert runtime["spec"]["containers"][0]["command"] == ["python3", "-m", "sglang.launch_server"]


def test_given_a_plan_when_emitted_as_a_catalogue_then_it_is_for_cards_of_its_generation_or_later():
    known = EmitOptions(checkpoint=Checkpoint(quantization="fp8", license="apache-2.0"))
    [document] = emit(PLAN, "gpustack-catalog", known).documents
    [model_set] = document["model_sets"]
    [spec] = model_set["specs"]
    assert spec["gpu_filters"] == {"vendor": "nvidia", "compute_capability": ">=9.0"}
    assert (spec["quantization"], model_set["licenses"]) == ("FP8", ["apache-2.0"])
    assert "description" not in model_set


def test_given_compose_when_emitted_then_the_engine_is_no_root_and_offline_has_no_way_out():
    [online] = emit(PLAN, "compose").documents
    engine, owner = online["services"].values()
    for service in (engine, owner):
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        assert service["security_opt"] == ["no-new-privileges:true"]
    assert engine["user"] == "1000:1000"
    assert owner["cap_add"] == ["CHOWN"]
    assert engine["ports"] == ["127.0.0.1:8000:8000"]
    [offline] = emit(PLAN, "compose", OFFLINE).documents
    engine = offline["services"]["qwen3-8b"]
    assert "ports" not in engine
    assert offline["networks"] == {name: {"internal": True} for name in engine["networks"]}
    assert engine["environment"]["HF_HUB_OFFLINE"] == "1"


def test_given_a_hubs_listing_when_bundled_then_sizes_and_digests_are_the_hubs_and_never_made_up():
    files = (
        WeightFile(path="a.safetensors", bytes=7, sha256="0" * 64),
        WeightFile(path="b.safetensors", bytes=5),
    )
    [bundle] = emit(PLAN, "airgap", EmitOptions(checkpoint=Checkpoint(files=files))).documents
    assert bundle["weights"]["bytes"] == 12
    assert [file["sha256"] for file in bundle["weights"]["files"]] == ["0" * 64, None]
    assert "the sha256 of b.safetensors" in bundle["unknown"]
    assert bundle["images"][0]["image"] == "vllm/vllm-openai:v0.33.0"
    assert bundle["fetch"][0].startswith("hf download Qwen/Qwen3-8B-FP8 --revision 0123456789abcdef")


def test_given_no_listing_when_bundled_then_files_are_unknown_and_the_known_total_stays():
    [bundle] = emit(PLAN, "airgap", EmitOptions(checkpoint=Checkpoint(weights_bytes=99))).documents
    assert (bundle["weights"]["files"], bundle["weights"]["bytes"]) == (None, 99)
    assert any("no listing" in line for line in bundle["unknown"])


def test_given_a_bundle_with_a_moving_tag_or_a_bad_digest_when_linted_then_both_are_found():
    [bundle] = emit(PLAN, "airgap").documents
    bundle["images"][0]["image"] = "vllm/vllm-openai:latest"
    bundle["weights"]["files"] = [{"path": "a", "sha256": "abc"}]
    assert [finding.where for finding in lint_manifest("airgap_bundle", bundle)] == [
        "images.0.image",
        "weights.files.0.sha256",
    ]


@pytest.mark.parametrize("target", TARGETS)
def test_given_a_secret_when_emitted_then_no_target_holds_its_value(target, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_very_secret")
    plan = SGLANG if engine_of_target(target) == "sglang" else PLAN
    assert "hf_very_secret" not in emit(plan, target).text


@settings(deadline=None, max_examples=60)
@given(
    target=st.sampled_from([target for target in TARGETS if target != "sglang"]),
    name=st.from_regex(r"[A-Za-z][A-Za-z0-9 ._:/$'\"()-]{0,70}", fullmatch=True),
    source=st.sampled_from(["huggingface", "model_scope"]),
    vendor=st.sampled_from(["nvidia", "amd"]),
    pipeline=st.sampled_from([1, 2]),
    env=st.sampled_from([{}, {"HF_TOKEN": "env:HF_TOKEN"}, {"A": "b 'c' $(D) $E"}]),
)
def test_given_any_plan_when_emitted_for_any_target_then_it_passes_its_own_lint(
    target, name, source, vendor, pipeline, env
):
    plan = dataclasses.replace(
        PLAN,
        served_model_name=name,
        source=source,
        gpu_vendor=vendor,
        gpu_count=4,
        pipeline_parallel=pipeline,
        env=env,
    )
    if target in ("kserve-llmisvc", "llm-d") and not re.fullmatch(r"[A-Za-z0-9._:/-]+", name):
        with pytest.raises(ManifestError, match="hands this name to a shell"):
            emit(plan, target)
        return
    manifest = emit(plan, target)
    assert manifest.warnings == ()
    if manifest.file_name.endswith(".yaml"):
        assert tuple(yaml.safe_load_all(manifest.text)) == manifest.documents


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"port": 0}, "port: 0 is not between"),
        ({"port": 65536}, "port: 65536 is not between"),
        ({"replicas": -1}, "replicas: -1 is not between"),
        ({"namespace": "Team A"}, "namespace: 'Team A' is no name"),
        ({"namespace": "a.b"}, "namespace: 'a.b' is no name"),
        ({"secret_name": "hf_token"}, "secret name: 'hf_token' is no name"),
        ({"service_account": "$(id)"}, "service account: "),
    ],
)
def test_given_a_wish_that_no_target_takes_when_made_then_it_is_refused_by_name(wish, message):
    with pytest.raises(ManifestError, match=re.escape(message)):
        EmitOptions(**wish)


@pytest.mark.parametrize("claim", ["pvc://Weights/x", "pvc://", "pvc://w/../../etc", "pvc://w//x"])
@pytest.mark.parametrize("target", CLUSTER)
def test_given_a_claim_that_no_cluster_mounts_when_emitted_then_it_is_refused(target, claim):
    with pytest.raises(ManifestError, match="pvc://claim/path"):
        emit(dataclasses.replace(ON_CLAIM, repo=claim), target)


def test_given_a_directory_when_emitted_for_compose_then_it_is_mounted_read_only_and_never_made():
    [project] = emit(in_place(PLAN, "/srv/a:b"), "compose").documents
    assert project["services"]["qwen3-8b"]["volumes"][-1] == {
        "type": "bind",
        "source": "/srv/a:b",
        "target": "/srv/a:b",
        "read_only": True,
        "bind": {"create_host_path": False},
    }
