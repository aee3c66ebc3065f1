"""A catalogue entry of one's own: generated from what is known, checked before it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from modelscan_catalog.errors import AmbiguousIdError, FitInputError, OverrideError, UnknownIdError
from modelscan_catalog.registry.overrides import validated
from modelscan_catalog.registry.registry import Registry

Entry = dict[str, Any]


@dataclass(frozen=True)
class EntryCheck:
    """The outcome of one check of an entry."""

    name: str
    status: Literal["pass", "warn", "fail"]
    message: str


def generate_entry(registry: Registry, model_id: str, gpu_profile: str | None = None) -> Entry:
    """An entry to keep as an overlay: the registry's facts, with settings planned for ``gpu_profile``.

    Raises ``UnknownIdError`` or ``AmbiguousIdError`` with candidates, ``FitInputError`` when the checkpoint
    does not start on those cards.
    """
    model = registry.get_model(model_id)
    entry = dict(registry.row(model.id))
    if gpu_profile is not None:
        planned = model.get_inference_config(gpu_profile)
        names = ("max_model_len", "dtype", "gpu_memory_utilization", "quantization", "tensor_parallel_size")
        entry["inference_defaults"] = {name: planned.get(name) for name in names}
    return entry


def overlay_of(entry: Entry) -> dict[str, Any]:
    """``entry`` as the document that ``MODELSCAN_OVERLAYS`` reads."""
    return {"models": {entry["id"]: {name: value for name, value in entry.items() if name != "id"}}}


def check_entry(registry: Registry, entry: Any, gpu_profile: str | None = None) -> list[EntryCheck]:
    """Checks of an entry: its schema, what it overrides, its weights, its settings on named cards."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("id"), str):
        return [EntryCheck("schema", "fail", "field id: an entry is an object with an id of text")]
    try:
        validated(entry, entry["id"])
    except OverrideError as error:
        return [EntryCheck("schema", "fail", str(error))]
    checks = [EntryCheck("schema", "pass", "fits the schema of models_registry.json")]
    if entry["category"] not in registry.categories:
        known = ", ".join(sorted(registry.categories))
        checks.append(EntryCheck("category", "warn", f"{entry['category']!r} is none of {known}"))
    try:
        known_as = registry.get_model(entry["id"]).id
        checks.append(EntryCheck("weights", "pass", f"the catalogue knows {known_as}"))
    except (UnknownIdError, AmbiguousIdError) as error:
        checks.append(EntryCheck("weights", "warn", str(error)))
        return checks
    if gpu_profile is not None:
        from modelscan_catalog.registry.planning import checkpoint_plan, why_not

        try:
            found = checkpoint_plan(registry.published, known_as, gpu_profile)
        except (FitInputError, UnknownIdError) as error:
            return [*checks, EntryCheck("fit", "fail", str(error))]
        starts = found.chosen is not None and found.chosen.starts
        text = f"{known_as} on {gpu_profile}: {found.verdict if starts else why_not(found)}"
        checks.append(EntryCheck("fit", "pass" if starts else "fail", text))
    return checks


def checked(checks: list[EntryCheck]) -> dict[str, Any]:
    """The checks as one answer: ``valid``, ``errors``, ``checks``."""
    errors = [check.message for check in checks if check.status == "fail"]
    return {"valid": not errors, "errors": errors, "checks": [asdict(check) for check in checks]}
