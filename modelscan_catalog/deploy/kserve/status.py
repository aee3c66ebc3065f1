"""What the status of a KServe service says: its state, the controller's own reason, where clients call."""

from collections.abc import Iterator, Mapping
from typing import Any

from modelscan_catalog.deploy.deployer import Sighting
from modelscan_catalog.deploy.kserve.client import STOP, is_ours
from modelscan_catalog.state import DeploymentState

BODY_HASH = "modelscan.io/body-sha256"
"""Annotation with the hash of the document that a service was made from."""
_FAILED = ("BlockedByFailedLoad", "InvalidSpec")
"""``modelStatus.transitionStatus`` from which KServe does not come back without a change."""
_GAVE_UP = "ProgressDeadlineExceeded"
"""Reason with which a Deployment stops waiting for its pods."""


def sighting(found: Mapping[str, Any]) -> Sighting:
    """A service as one look at its conditions shows it."""
    metadata, spec, status = found["metadata"], found.get("spec", {}), found.get("status") or {}
    state, step, message = _state(metadata, status)
    annotations = metadata.get("annotations") or {}
    copies = (status.get("modelStatus") or {}).get("copies") or {}
    replicas = spec.get("replicas", (spec.get("predictor") or {}).get("minReplicas", 1))
    return Sighting(
        name=str(metadata["name"]),
        state=state,
        message=message,
        step=step,
        remote_id=metadata.get("uid"),
        url=base_url(found),
        served_model=served_model(found),
        replicas=0 if state == "stopped" else replicas,
        ready_replicas=int(copies.get("totalCopies", replicas if state == "running" else 0)),
        ours=is_ours(found),
        source=_source(spec),
        body_sha256=annotations.get(BODY_HASH),
    )


def base_url(found: Mapping[str, Any]) -> str | None:
    """Base of the OpenAI endpoints, ``/v1`` included; None until the controller says where."""
    status = found.get("status") or {}
    addresses = [status.get("address") or {}, *(status.get("addresses") or [])]
    root = next(
        (url for url in (status.get("url"), *(address.get("url") for address in addresses)) if url), None
    )
    if root is None:
        return None
    form = _model(found).get("modelFormat", {}).get("name")
    return f"{str(root).rstrip('/')}{'/openai' if form == 'huggingface' else ''}/v1"


def served_model(found: Mapping[str, Any]) -> str | None:
    """The model name that clients send."""
    named = found.get("spec", {}).get("model")
    if isinstance(named, Mapping):  # an LLMInferenceService
        return str(named.get("name") or found["metadata"]["name"])
    for word in _model(found).get("args") or []:
        flag, _, value = str(word).partition("=")
        if flag in ("--served-model-name", "--model_name") and value:
            return value
    return str(found["metadata"]["name"])


def _model(found: Mapping[str, Any]) -> Mapping[str, Any]:
    return (found.get("spec", {}).get("predictor") or {}).get("model") or {}


def _source(spec: Mapping[str, Any]) -> str | None:
    model = (spec.get("predictor") or {}).get("model") or {}
    uri = model.get("storageUri") or (spec.get("model") or {}).get("uri")
    return None if uri is None else str(uri)


def _state(
    metadata: Mapping[str, Any], status: Mapping[str, Any]
) -> tuple[DeploymentState, str | None, str | None]:
    """State, the controller's word for what it is doing, and its reason."""
    if metadata.get("deletionTimestamp"):
        return "removed", "Deleting", "it is being deleted"
    if (metadata.get("annotations") or {}).get(STOP) == "true":
        return "stopped", "Stopped", None
    conditions = {str(item.get("type")): item for item in status.get("conditions") or []}
    if not conditions or status.get("observedGeneration", metadata.get("generation")) != metadata.get(
        "generation"
    ):
        return "creating", None, "KServe's controller has not seen it yet"
    model = status.get("modelStatus") or {}
    failure = model.get("lastFailureInfo") or {}
    if model.get("transitionStatus") in _FAILED:
        reason = ": ".join(str(failure[key]) for key in ("reason", "message") if failure.get(key))
        return "failed", model["transitionStatus"], reason or model["transitionStatus"]
    if conditions.get("Stopped", {}).get("status") == "True":
        return "starting", "Stopped", "KServe's controller has not started it again yet"
    ready = conditions.get("Ready", {})
    if ready.get("status") == "True":
        return "running", "Ready", None
    for condition in _unready(conditions):
        reason = ": ".join(str(condition[key]) for key in ("reason", "message") if condition.get(key))
        if condition.get("reason") == _GAVE_UP:
            return "failed", str(condition["type"]), reason
        return "starting", str(condition["type"]), reason or None
    loading = (model.get("states") or {}).get("targetModelState")
    return "starting", loading or None, None


def _unready(conditions: Mapping[str, Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Conditions that hold readiness up, the part before the whole, refusals before what is not known yet."""
    parts = [item for name, item in sorted(conditions.items()) if name not in ("Ready", "Stopped")]
    for wanted in ("False", "Unknown"):
        for item in [*parts, *([conditions["Ready"]] if "Ready" in conditions else [])]:
            if item.get("status") == wanted and item.get("severity") in (None, ""):
                yield item
