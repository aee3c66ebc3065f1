"""Claims about KServe that hold against the recorded exchanges and against a real API server alike.

Nothing reconciles in either, so a claim about readiness writes the status itself, as a controller would.
"""

import copy
from collections.abc import Callable

import pytest
from kserve_samples import (
    INFERENCE_TYPE,
    LLM,
    NAME,
    RUNTIME,
    SERVICE,
    WANTED,
    Meddled,
    changed,
    condition,
    write_status,
)  # fmt: skip

from modelscan_catalog.deploy.deployer import Sighting
from modelscan_catalog.deploy.flow_wait import WaitLimits, wait
from modelscan_catalog.deploy.kserve.api import INFERENCE_SERVICE, LLM_INFERENCE_SERVICE, Cluster
from modelscan_catalog.deploy.kserve.checks import check_cluster
from modelscan_catalog.deploy.kserve.client import OURS, STOP, KServe
from modelscan_catalog.deploy.kserve.deployer import KServeDeployer
from modelscan_catalog.deploy.kserve.status import sighting
from modelscan_catalog.errors import ConflictError, DeployError, DocumentRefusedError


def a_dry_run_stores_nothing_an_activation_does_and_a_second_one_changes_nothing(
    cluster: Cluster, at: str
) -> None:
    services = KServe(cluster, at)
    dry = services.activate(SERVICE)
    assert (dry.action, dry.applied, services.find(NAME)) == ("create", False, None)
    made = services.activate(SERVICE, apply=True)
    assert (made.action, made.applied) == ("create", True)
    found = services.find(NAME)
    assert found is not None
    assert found["metadata"]["labels"] == OURS
    assert found["metadata"]["namespace"] == at
    again = services.activate(SERVICE, apply=True)
    assert (again.action, again.applied, again.differences) == ("unchanged", False, ())


def an_update_shows_what_it_would_change_and_keeps_the_object(cluster: Cluster, at: str) -> None:
    services = KServe(cluster, at)
    first = services.activate(SERVICE, apply=True)
    other = changed(SERVICE, maxReplicas=3)
    dry = services.activate(other)
    assert (dry.action, dry.applied, dry.differences) == (
        "update",
        False,
        ("spec.predictor.maxReplicas: 1 → 3",),
    )
    done = services.activate(other, apply=True)
    assert done.applied
    assert first.after is not None
    assert done.after is not None
    assert done.after["metadata"]["uid"] == first.after["metadata"]["uid"]
    assert done.after["spec"]["predictor"]["maxReplicas"] == 3


def deactivation_is_dry_unless_asked_and_can_be_repeated(cluster: Cluster, at: str) -> None:
    services = KServe(cluster, at)
    services.activate(SERVICE, apply=True)
    dry = services.deactivate(NAME)
    assert (dry.action, dry.applied) == ("delete", False)
    assert services.find(NAME) is not None
    assert services.deactivate(NAME, apply=True).applied
    assert services.find(NAME) is None
    again = services.deactivate(NAME, apply=True)
    assert (again.action, again.applied) == ("absent", False)


def every_unknown_field_is_refused_by_name_with_what_to_do(cluster: Cluster, at: str) -> None:
    services = KServe(cluster, at)
    wrong = changed(SERVICE, bogus=1, minReplica=2)
    with pytest.raises(DocumentRefusedError) as refused:
        services.activate(wrong, apply=True)
    assert refused.value.field == "spec.predictor.bogus"
    assert "spec.predictor.minReplica: is unknown to this cluster; remove it" in str(refused.value)
    assert services.find(NAME) is None


def a_value_of_the_wrong_type_is_refused_by_its_field(cluster: Cluster, at: str) -> None:
    with pytest.raises(DocumentRefusedError, match="integer") as refused:
        KServe(cluster, at).activate(changed(SERVICE, minReplicas="one"))
    assert refused.value.field == "spec.predictor.minReplicas"


def rules_between_fields_are_the_servers_own(cluster: Cluster, at: str) -> None:
    services = KServe(cluster, at)
    with pytest.raises(DocumentRefusedError, match="replicas and scaling are mutually exclusive") as refused:
        services.activate(changed(LLM, scaling={"minReplicas": 3, "maxReplicas": 2}), apply=True)
    assert refused.value.field == "spec"
    assert "spec.scaling: Invalid value: minReplicas cannot exceed maxReplicas" in str(refused.value)
    assert services.find(NAME) is None
    assert services.activate(LLM, apply=True).applied
    assert services.find(NAME) is not None


def an_edit_between_the_dry_run_and_the_change_is_not_overwritten(cluster: Cluster, at: str) -> None:
    KServe(cluster, at).activate(SERVICE, apply=True)
    theirs = {**INFERENCE_TYPE, "metadata": {"name": NAME, "labels": {"team": "search"}}}
    meddled = Meddled(cluster, lambda: cluster.apply(INFERENCE_SERVICE, at, theirs, manager="kubectl"))
    with pytest.raises(ConflictError, match="somebody changed it meanwhile"):
        KServe(meddled, at).activate(changed(SERVICE, maxReplicas=3), apply=True)
    found = KServe(cluster, at).find(NAME)
    assert found is not None
    assert found["spec"]["predictor"]["maxReplicas"] == 1
    assert found["metadata"]["labels"] == {**OURS, "team": "search"}


def of_two_creations_at_one_moment_the_last_holds_whole_and_says_so(cluster: Cluster, at: str) -> None:
    first = changed(SERVICE, maxReplicas=3, minReplicas=2, timeout=60)
    meddled = Meddled(cluster, lambda: cluster.apply(INFERENCE_SERVICE, at, first))
    change = KServe(meddled, at).activate(SERVICE, apply=True)
    assert (change.action, change.applied) == ("update", True)
    assert change.differences == ("somebody else made it at the same moment; now it is this",)
    assert change.after is not None
    assert change.after["spec"] == SERVICE["spec"]


def a_field_that_somebody_else_holds_is_named_with_its_holder(cluster: Cluster, at: str) -> None:
    services = KServe(cluster, at)
    services.activate(SERVICE, apply=True)
    theirs = {**INFERENCE_TYPE, "metadata": {"name": NAME}, "spec": {"predictor": {"maxReplicas": 5}}}
    cluster.apply(INFERENCE_SERVICE, at, theirs, manager="kubectl", force=True)
    with pytest.raises(ConflictError, match=r'is held by "kubectl".*take it over with force') as refused:
        services.activate(SERVICE, apply=True)
    assert refused.value.field == "spec.predictor.maxReplicas"
    taken = services.activate(SERVICE, apply=True, force=True)
    assert taken.differences == ("spec.predictor.maxReplicas: 5 → 1",)


def what_modelscan_did_not_make_is_neither_changed_nor_deleted(cluster: Cluster, at: str) -> None:
    services = KServe(cluster, at)
    cluster.apply(INFERENCE_SERVICE, at, SERVICE, manager="kubectl")
    for attempt in (
        lambda: services.activate(changed(SERVICE, maxReplicas=2), apply=True),
        lambda: services.deactivate(NAME, apply=True),
        lambda: services.scale(NAME, 0, apply=True),
    ):
        with pytest.raises(ConflictError, match="was not made by ModelScan"):
            attempt()
    assert services.deactivate(NAME, apply=True, force=True).applied


def a_service_of_the_other_kind_keeps_its_name(cluster: Cluster, at: str) -> None:
    services = KServe(cluster, at)
    services.activate(LLM, apply=True)
    with pytest.raises(ConflictError, match="is of kind LLMInferenceService now: remove it"):
        services.activate(SERVICE, apply=True)


def a_service_that_was_replaced_is_not_deleted_for_the_one_that_was_seen(cluster: Cluster, at: str) -> None:
    services = KServe(cluster, at)
    first = services.activate(SERVICE, apply=True).after
    assert first is not None
    services.deactivate(NAME, apply=True)
    services.activate(SERVICE, apply=True)
    with pytest.raises(ConflictError, match="somebody changed it meanwhile"):
        cluster.delete(INFERENCE_SERVICE, at, NAME, first["metadata"]["uid"])
    assert services.find(NAME) is not None


def a_service_that_is_being_deleted_is_not_activated(cluster: Cluster, at: str) -> None:
    services = KServe(cluster, at)
    services.activate(SERVICE, apply=True)
    held = {**INFERENCE_TYPE, "metadata": {"name": NAME, "finalizers": ["example.com/hold"]}}
    cluster.apply(INFERENCE_SERVICE, at, held, manager="controller")
    assert services.deactivate(NAME, apply=True).applied
    deleting = services.find(NAME)
    assert deleting is not None
    assert sighting(deleting).state == "removed"
    with pytest.raises(ConflictError, match="is being deleted: ask again once it is gone"):
        services.activate(SERVICE, apply=True)
    free = {**INFERENCE_TYPE, "metadata": {"name": NAME}}
    cluster.apply(INFERENCE_SERVICE, at, free, manager="controller")
    assert services.find(NAME) is None


def a_stopped_service_keeps_its_definition_and_an_activation_starts_it(cluster: Cluster, at: str) -> None:
    services = KServe(cluster, at)
    services.activate(SERVICE, apply=True)
    assert services.scale(NAME, 3, apply=True).applied
    stopped = services.scale(NAME, 0, apply=True).after
    assert stopped is not None
    assert stopped["metadata"]["annotations"][STOP] == "true"
    assert stopped["spec"]["predictor"]["maxReplicas"] == 3
    assert (sighting(stopped).state, sighting(stopped).replicas) == ("stopped", 0)
    started = services.activate(SERVICE, apply=True).after
    assert started is not None
    assert started["metadata"]["annotations"][STOP] == "false"
    assert started["spec"]["predictor"]["maxReplicas"] == 1


def a_service_that_a_person_stopped_is_not_started_behind_their_back(cluster: Cluster, at: str) -> None:
    services = KServe(cluster, at)
    services.activate(SERVICE, apply=True)
    theirs = {**INFERENCE_TYPE, "metadata": {"name": NAME, "annotations": {STOP: "true"}}}
    cluster.apply(INFERENCE_SERVICE, at, theirs, manager="kubectl", force=True)
    with pytest.raises(ConflictError, match="kubectl") as refused:
        services.activate(SERVICE, apply=True)
    assert refused.value.field == f"metadata.annotations.{STOP}"


def readiness_is_the_controllers_word_about_this_generation(cluster: Cluster, at: str) -> None:
    services = KServe(cluster, at)
    services.activate(SERVICE, apply=True)
    services.activate(changed(SERVICE, maxReplicas=2), apply=True)
    ready = [condition("PredictorReady", "True"), condition("Ready", "True")]
    pulling = condition("PredictorReady", "False", "ImagePullBackOff", "no such image")
    steps = [
        {"observedGeneration": 1, "conditions": ready},
        {"observedGeneration": 2, "conditions": [pulling, condition("Ready", "False")]},
        {"observedGeneration": 2, "conditions": ready, "url": "http://active-llm.example.com"},
    ]
    seen: list[Sighting] = []
    walk = iter(steps)

    def hear(_: str, look: Sighting | None) -> None:
        assert look is not None
        seen.append(look)

    deployer = KServeDeployer(cluster, at)
    end = wait(deployer, NAME, WaitLimits(), hear, sleep=lambda _: write_status(cluster, at, next(walk)))
    assert [look.state for look in seen] == ["creating", "starting", "running"]
    assert (seen[1].step, seen[1].message) == ("PredictorReady", "ImagePullBackOff: no such image")
    assert (end.url, end.served_model) == ("http://active-llm.example.com/v1", "qwen3-8b")
    assert (end.replicas, end.ours, end.source) == (1, True, "hf://Qwen/Qwen3-8B")


def a_model_that_cannot_be_loaded_ends_the_wait_with_its_reason(cluster: Cluster, at: str) -> None:
    services = KServe(cluster, at)
    services.activate(SERVICE, apply=True)
    failed = {
        "observedGeneration": 1,
        "conditions": [condition("Ready", "False")],
        "modelStatus": {
            "transitionStatus": "BlockedByFailedLoad",
            "lastFailureInfo": {"reason": "ModelLoadFailed", "message": "CUDA out of memory"},
            "copies": {"failedCopies": 1, "totalCopies": 0},
        },
    }
    deployer, limits = KServeDeployer(cluster, at), WaitLimits(settle_s=0)
    end = wait(deployer, NAME, limits, _deaf, sleep=lambda _: write_status(cluster, at, failed))
    assert (end.state, end.message) == ("failed", "ModelLoadFailed: CUDA out of memory")


def a_wait_ends_in_time_and_says_what_was_missing(cluster: Cluster, at: str) -> None:
    services = KServe(cluster, at)
    services.activate(LLM, apply=True)
    waiting = {
        "observedGeneration": 1,
        "conditions": [
            condition("WorkloadsReady", "Unknown", "Progressing", "0 of 1 pods"),
            condition("Ready", "Unknown"),
        ],
    }
    write_status(cluster, at, waiting, LLM_INFERENCE_SERVICE)
    moments = iter(range(0, 1000, 4))
    deployer, limits = KServeDeployer(cluster, at), WaitLimits(start_s=10)
    end = wait(deployer, NAME, limits, _deaf, sleep=lambda _: None, clock=lambda: next(moments))
    assert (end.state, end.message) == ("starting", "Progressing: 0 of 1 pods")
    with pytest.raises(DeployError, match="somebody removed it"):
        wait(deployer, NAME, limits, _deaf, sleep=lambda _: _removed(services))


def _deaf(_line: str, _look: Sighting | None) -> None:
    """Who waits and wants to hear nothing."""


def _removed(services: KServe) -> None:
    services.deactivate(NAME, apply=True)


def checks_fail_on_what_is_missing_and_warn_of_what_cannot_be_seen(cluster: Cluster, at: str) -> None:
    needy = copy.deepcopy(SERVICE)
    secret = {"secretKeyRef": {"name": "modelscan-secrets", "key": "HF_TOKEN"}}
    needy["spec"]["predictor"]["model"] |= {
        "storageUri": "pvc://weights/qwen3-8b",
        "env": [{"name": "HF_TOKEN", "valueFrom": secret}],
    }
    found = {check.name: check for check in check_cluster(lambda: cluster, at, needy)}
    assert found["cluster"].status == "ok"
    assert found["runtime kserve-vllmserver"].status == "fail"
    for name in ("PersistentVolumeClaim weights", "Secret modelscan-secrets key HF_TOKEN", "capacity"):
        assert (found[name].status, "not checked" in found[name].message) == ("warn", True)
    runtime = {
        "apiVersion": RUNTIME.api_version,
        "kind": RUNTIME.name,
        "metadata": {"name": "kserve-vllmserver"},
        "spec": {"supportedModelFormats": [{"name": "vLLM"}], "containers": [{"name": "c", "image": "i"}]},
    }
    cluster.apply(RUNTIME, at, runtime)
    assert "runtime kserve-vllmserver: ServingRuntime serves vLLM" in [
        f"{check.name}: {check.message}" for check in check_cluster(lambda: cluster, at, needy)
    ]
    needy["spec"]["predictor"]["model"]["modelFormat"]["name"] = "huggingface"
    checks = {check.name: check for check in check_cluster(lambda: cluster, at, needy)}
    assert (
        checks["runtime kserve-vllmserver"].message
        == "ServingRuntime serves vLLM, not the format huggingface"
    )


def as_a_target_it_does_what_every_target_does(cluster: Cluster, at: str) -> None:
    target = KServeDeployer(cluster, at)
    assert (target.target, target.cards()) == ("kserve", ())
    judged = target.evaluate(WANTED, SERVICE)
    assert not judged.accepted
    assert [reason.partition(":")[0] for reason in judged.reasons] == ["runtime kserve-vllmserver"]
    made = target.ensure(WANTED, SERVICE)
    assert (made.name, made.state, made.ours, made.served_model) == (NAME, "creating", True, "qwen3-8b")
    assert made.body_sha256 is not None
    again = target.ensure(WANTED, SERVICE)
    assert (again.remote_id, again.body_sha256) == (made.remote_id, made.body_sha256)
    assert target.look(NAME) == again
    assert [seen.name for seen in target.list()] == [NAME]
    assert target.health(again).message == "the controller has not said where it listens"
    assert target.scale(NAME, 0).state == "stopped"
    assert target.scale(NAME, 2).replicas == 2
    assert (target.remove(NAME), target.remove(NAME), target.look(NAME)) == (True, False, None)


def a_failed_service_that_is_as_asked_gets_new_pods(cluster: Cluster, at: str) -> None:
    target = KServeDeployer(cluster, at)
    target.ensure(WANTED, SERVICE)
    stuck = [condition("PredictorReady", "False", "ProgressDeadlineExceeded", "timed out")]
    write_status(cluster, at, {"observedGeneration": 1, "conditions": stuck})
    seen = target.look(NAME)
    assert seen is not None
    assert seen.state == "failed"
    assert target.ensure(WANTED, SERVICE).state == "creating"
    found = KServe(cluster, at).find(NAME)
    assert found is not None
    assert found["spec"]["predictor"]["annotations"] == {"modelscan.io/restart": "1"}
    generation = found["metadata"]["generation"]
    write_status(cluster, at, {"observedGeneration": generation, "conditions": [condition("Ready", "True")]})
    assert target.ensure(WANTED, SERVICE).state == "running"


CLAIMS: tuple[Callable[[Cluster, str], None], ...] = (
    a_dry_run_stores_nothing_an_activation_does_and_a_second_one_changes_nothing,
    an_update_shows_what_it_would_change_and_keeps_the_object,
    deactivation_is_dry_unless_asked_and_can_be_repeated,
    every_unknown_field_is_refused_by_name_with_what_to_do,
    a_value_of_the_wrong_type_is_refused_by_its_field,
    rules_between_fields_are_the_servers_own,
    an_edit_between_the_dry_run_and_the_change_is_not_overwritten,
    of_two_creations_at_one_moment_the_last_holds_whole_and_says_so,
    a_field_that_somebody_else_holds_is_named_with_its_holder,
    what_modelscan_did_not_make_is_neither_changed_nor_deleted,
    a_service_of_the_other_kind_keeps_its_name,
    a_service_that_was_replaced_is_not_deleted_for_the_one_that_was_seen,
    a_service_that_is_being_deleted_is_not_activated,
    a_stopped_service_keeps_its_definition_and_an_activation_starts_it,
    a_service_that_a_person_stopped_is_not_started_behind_their_back,
    readiness_is_the_controllers_word_about_this_generation,
    a_model_that_cannot_be_loaded_ends_the_wait_with_its_reason,
    a_wait_ends_in_time_and_says_what_was_missing,
    checks_fail_on_what_is_missing_and_warn_of_what_cannot_be_seen,
    as_a_target_it_does_what_every_target_does,
    a_failed_service_that_is_as_asked_gets_new_pods,
)
