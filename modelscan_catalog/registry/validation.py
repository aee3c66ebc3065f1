"""May a model be trained or served? A yes, or a no with its reason."""

from __future__ import annotations

from modelscan_catalog.errors import AmbiguousIdError, FitInputError, UnknownIdError
from modelscan_catalog.registry.checkpoint import RegistryModel
from modelscan_catalog.registry.registry import Registry, get_registry

Outcome = tuple[bool, str | None]


def validate_model_for_training(model_id: str, registry: Registry | None = None) -> Outcome:
    """Whether the registry says that a model can be fine-tuned, and why not.

    What no source and no override states is a no: fine-tuning is never guessed.
    """
    model, error = _find(model_id, registry)
    if model is None:
        return False, error
    if model.capabilities.training is None:
        return False, (
            f"{model.id}: no source says whether it can be fine-tuned; state capabilities.training and "
            "training_defaults in an override when you have tried it"
        )
    if not model.capabilities.training:
        return False, f"{model.id}: cannot be fine-tuned"
    return True, None


def validate_model_for_inference(
    model_id: str,
    gpu_profile: str | None = None,
    engine_version: str | None = None,
    registry: Registry | None = None,
) -> Outcome:
    """Whether a model can be served, and why not.

    Without ``gpu_profile``: a launch recipe or a known memory need says so. With one (``rtx-4090:2``), the
    planner answers, for ``engine_version`` (``vllm@0.33.0``) or the goal's best engine.
    """
    model, error = _find(model_id, registry)
    if model is None:
        return False, error
    if model.capabilities.inference is False:
        return False, f"{model.id}: cannot be served"
    if gpu_profile is None:
        if model.capabilities.inference or model.requirements.min_vram_gb is not None:
            return True, None
        return False, f"{model.id}: no launch recipe names it and its architecture is not known"
    from modelscan_catalog.registry.planning import checkpoint_plan, why_not

    try:
        found = checkpoint_plan(model.published, model.id, gpu_profile, engine_version)
    except (FitInputError, UnknownIdError) as refusal:
        return False, str(refusal)
    if found.chosen is None or not found.chosen.starts:
        return False, f"{model.id} on {gpu_profile}: {why_not(found)}"
    return True, None


def _find(model_id: str, registry: Registry | None) -> tuple[RegistryModel | None, str | None]:
    try:
        model = (registry or get_registry()).get_model(model_id)
    except (UnknownIdError, AmbiguousIdError) as error:
        return None, str(error)
    if model.is_deprecated:
        return None, f"{model.id}: is deprecated"
    return model, None
