"""Claims about which documents KServe gets for a plan."""

from pathlib import Path
from typing import Any

import pytest
from kserve_exchanges import FakeApi, kubeconfig
from kserve_form_claims import CLAIMS
from kserve_samples import planned

from modelscan_catalog.deploy.kserve.api import connect
from modelscan_catalog.deploy.kserve.forms import FORMS, ServiceWishes, documents_for, form_of
from modelscan_catalog.errors import ManifestError


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.__name__)
def test_on_a_server_in_memory(claim: Any, tmp_path: Path) -> None:
    fake = FakeApi(())
    with fake.running():
        claim(connect(kubeconfig(tmp_path, fake.url)), "default")


def test_a_form_is_named_by_its_word_or_by_its_manifest() -> None:
    for word, target in FORMS.items():
        assert form_of(word) == form_of(target) == target
    with pytest.raises(ManifestError, match="is none of vllm"):
        form_of("knative")


def test_weights_that_are_installed_where_a_claim_is_are_read_from_the_claim(tmp_path: Path) -> None:
    wanted = planned("vllm", "0.33.0")
    place = tmp_path / "huggingface" / "Qwen" / "Qwen3-8B" / "abc"
    plan = wanted.plan.model_copy(update={"hub": "local", "local_path": str(place)})
    here = type(wanted)(wanted.name, plan)
    wishes = ServiceWishes(claims={tmp_path: "pvc://model-store"})
    service, runtime = documents_for(here, wishes, "ai", {})
    model = service["spec"]["predictor"]["model"]
    assert model["storageUri"] == "pvc://model-store/huggingface/Qwen/Qwen3-8B/abc"
    assert runtime is None
    with pytest.raises(ManifestError, match="use pvc://claim/path"):
        documents_for(here, ServiceWishes(claims={tmp_path / "elsewhere": "pvc://a"}), "ai", {})


def test_wishes_of_the_operator_reach_the_pod() -> None:
    wishes = ServiceWishes(service_account="puller", secret_name="keys", writable_root=True)
    wanted = planned("vllm", "0.33.0")
    gated = type(wanted)(wanted.name, wanted.plan.model_copy(update={"env": {"HF_TOKEN": "env:HF_TOKEN"}}))
    service, _ = documents_for(gated, wishes, "ai", {"kind": "gpu"})
    predictor = service["spec"]["predictor"]
    assert (predictor["serviceAccountName"], predictor["nodeSelector"]) == ("puller", {"kind": "gpu"})
    assert predictor["model"]["securityContext"]["readOnlyRootFilesystem"] is False
    assert {"name": "keys", "key": "HF_TOKEN", "optional": False} in [
        row["valueFrom"]["secretKeyRef"] for row in predictor["model"]["env"] if "valueFrom" in row
    ]


def test_a_form_that_cannot_run_the_engine_says_which_can() -> None:
    with pytest.raises(ManifestError, match="take --form runtime"):
        documents_for(planned("sglang", "0.5.23"), ServiceWishes(form="llm-d"), "ai", {})
