"""GPUStack's states of a model and its instances as one state of a deployment."""

from collections.abc import Sequence

from modelscan_catalog.deploy.deployer import Sighting
from modelscan_catalog.deploy.gpustack.records import ServerInstance, ServerModel
from modelscan_catalog.state import DeploymentState

MARK = "modelscan"
"""Key of a model's ``meta`` by which what ModelScan made is known again."""
_STATES: dict[str, DeploymentState] = {
    "pending": "creating",
    "analyzing": "creating",
    "scheduled": "creating",
    "initializing": "creating",
    "downloading": "downloading",
    "starting": "starting",
    "running": "running",
    "error": "failed",
    "unreachable": "unreachable",
}
_FURTHEST = ("running", "starting", "downloading", "initializing", "scheduled", "analyzing", "pending")
"""Of several replicas the one that came furthest tells the state."""


def sighting(model: ServerModel, instances: Sequence[ServerInstance], base_url: str) -> Sighting:
    """The model with its instances as seen by a client of ``base_url``.

    Running means that one replica runs; failed that one failed and none runs. An unknown state of a newer
    server is ``creating`` with that word as the step.
    """
    mark = (model.meta or {}).get(MARK)
    told = mark if isinstance(mark, dict) else {}
    state, leading = _state(model, instances)
    return Sighting(
        name=model.name,
        state=state,
        message=_message(leading, instances) or model.state_message or None,
        step=leading.state if leading else None,
        progress=leading.download_progress if leading and state == "downloading" else None,
        remote_id=str(model.id),
        url=f"{base_url}/v1",
        served_model=model.name,
        replicas=model.replicas,
        ready_replicas=sum(one.state == "running" for one in instances),
        ours=bool(told),
        source=model.weights,
        body_sha256=told.get("body_sha256") if isinstance(told.get("body_sha256"), str) else None,
    )


def _state(
    model: ServerModel, instances: Sequence[ServerInstance]
) -> tuple[DeploymentState, ServerInstance | None]:
    if model.replicas == 0:
        return "stopped", None
    if not instances:
        return "creating", None
    by_state = {one.state: one for one in reversed(instances)}
    if "running" not in by_state:
        for word in ("error", "unreachable"):
            if word in by_state:
                return _STATES[word], by_state[word]
    leading = next((by_state[word] for word in _FURTHEST if word in by_state), instances[0])
    return _STATES.get(leading.state, "creating"), leading


def _message(leading: ServerInstance | None, instances: Sequence[ServerInstance]) -> str | None:
    """The leading instance's complaint, else that of another that cannot follow it, said to be another's."""
    if leading is not None and leading.state_message:
        return leading.state_message
    other = next((one for one in instances if one.state_message), None)
    return None if other is None else f"another replica is {other.state}: {other.state_message}"


def stuck(instances: Sequence[ServerInstance]) -> bool:
    """Whether an instance failed, or waits with a complaint; the server looks at it again minutes later."""
    return any(one.state == "error" or (one.state == "pending" and one.state_message) for one in instances)
