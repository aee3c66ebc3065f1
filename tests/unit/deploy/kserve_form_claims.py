"""Claims about the forms of a service, made from whole plans: on a server in memory and on a real one."""

from collections.abc import Callable

import pytest
from kserve_samples import NAME, RUNTIME, planned

from modelscan_catalog.deploy.kserve.api import Cluster
from modelscan_catalog.deploy.kserve.client import KServe
from modelscan_catalog.deploy.kserve.deployer import KServeDeployer
from modelscan_catalog.deploy.kserve.forms import FORMS, ServiceWishes
from modelscan_catalog.errors import ConflictError


def every_form_is_judged_made_stopped_and_removed(cluster: Cluster, at: str) -> None:
    for form in FORMS.values():
        target = KServeDeployer(cluster, at, ServiceWishes(form=form, storage="pvc://weights/qwen3-8b"))
        wanted = planned("vllm", "0.33.0")
        body = target.body(wanted)
        judged = target.evaluate(wanted, body)
        lacking = [] if form != "kserve-vllm" else ["runtime kserve-vllmserver"]
        assert [reason.partition(":")[0] for reason in judged.reasons] == lacking, form
        assert target.look(NAME) is None
        made = target.ensure(wanted, body)
        assert (made.state, made.ours, made.served_model) == ("creating", True, "qwen3-8b"), form
        assert made.source == "pvc://weights/qwen3-8b"
        assert target.ensure(wanted, body).remote_id == made.remote_id
        assert [target.scale(NAME, count).replicas for count in (0, 2)] == [0, 2], form
        assert (target.remove(NAME), target.look(NAME)) == (True, None)
        assert cluster.list(RUNTIME, at) == []


def a_runtime_that_services_share_goes_with_the_last_of_them(cluster: Cluster, at: str) -> None:
    target = KServeDeployer(cluster, at)  # without a form: only a runtime of its own serves SGLang
    one, two = planned("sglang", "0.5.23"), planned("sglang", "0.5.23", name="second", gpu_count=2)
    for wanted in (one, two):
        target.ensure(wanted, target.body(wanted))
        [runtime] = cluster.list(RUNTIME, at)
        assert runtime["metadata"]["name"] == "modelscan-sglang-0-5-23-nvidia"
        assert runtime["metadata"]["generation"] == 1
    assert target.remove(one.name)
    assert len(cluster.list(RUNTIME, at)) == 1
    assert target.remove(two.name)
    assert cluster.list(RUNTIME, at) == []


def a_runtime_of_somebody_else_is_neither_changed_nor_deleted(cluster: Cluster, at: str) -> None:
    target, wanted = KServeDeployer(cluster, at), planned("sglang", "0.5.23")
    body = target.body(wanted)
    theirs = {
        "apiVersion": RUNTIME.api_version,
        "kind": RUNTIME.name,
        "metadata": {"name": "modelscan-sglang-0-5-23-nvidia"},
        "spec": {"supportedModelFormats": [{"name": "sglang"}], "containers": [{"name": "c", "image": "i"}]},
    }
    cluster.apply(RUNTIME, at, theirs)
    judged = target.evaluate(wanted, body)
    assert not judged.accepted
    assert "was not made by ModelScan" in judged.reasons[0]
    with pytest.raises(ConflictError, match="was not made by ModelScan"):
        target.ensure(wanted, body)
    KServe(cluster, at).activate(body, apply=True)
    assert target.remove(NAME)
    assert len(cluster.list(RUNTIME, at)) == 1


CLAIMS: tuple[Callable[[Cluster, str], None], ...] = (
    every_form_is_judged_made_stopped_and_removed,
    a_runtime_that_services_share_goes_with_the_last_of_them,
    a_runtime_of_somebody_else_is_neither_changed_nor_deleted,
)
