"""Answers that need the planner or a published file: compatibility, recommendations, manifests."""

import json
from pathlib import Path

from modelscan_catalog.api.planned import known_target, planned_manifest, reference_cards
from modelscan_catalog.api.reads import unknown
from modelscan_catalog.api.snapshot import Snapshot
from modelscan_catalog.errors import FitInputError, ManifestError, PublishError
from modelscan_catalog.manifests.options import Target
from modelscan_catalog.registry.files import Row

_PUBLISHED: dict[Target, str] = {
    "vllm": "launch.sh",
    "sglang": "launch.sh",
    "gpustack": "gpustack.json",
    "kserve-vllm": "kserve.yaml",
    "compose": "compose.yaml",
}
"""Targets whose file every reference plan has."""


def fit_rows(snapshot: Snapshot, gpu: str) -> list[Row]:
    """The published fit of one profile, a row a checkpoint; raises ``UnknownIdError`` with candidates."""
    from modelscan_catalog.fit.profiles import find_profile

    profile = find_profile(gpu).id
    if profile not in snapshot.gpus:
        raise unknown("gpu", gpu, snapshot.gpus)
    path = snapshot.registry.published / "fit" / f"{profile}.json"
    try:
        document = json.loads(path.read_bytes())
        return [dict(zip(document["columns"], row, strict=True)) for row in document["rows"]]
    except (OSError, ValueError, KeyError) as error:
        raise PublishError(
            f"{path}: cannot be read ({error!r}); publish anew with `modelscan build`"
        ) from error


def recommendations(snapshot: Snapshot, gpu: str) -> list[Row]:
    """Checkpoints that start on one profile with vLLM's settings and flags, the fewest cards first."""
    from modelscan_catalog.fit.tables import table

    flags = table("engines/launch_names.json")["flags"]
    found = []
    for row in fit_rows(snapshot, gpu):
        if row["verdict"] not in ("fits", "tight"):
            continue
        settings = {"tensor_parallel": row["tp"], "pipeline_parallel": row["pp"], "context": row["context"]}
        row["flags"] = [
            f"{flags[name]['vllm']}={value}"
            for name, value in settings.items()
            if value is not None and (name == "context" or value > 1)
        ]
        found.append(row)
    return sorted(found, key=lambda row: (row["count"], row["variant"]))


def compatibility(snapshot: Snapshot, model: str, gpu: str) -> list[Row]:
    """The published fit of a model's checkpoints on one profile, or on all of them."""
    known = {row["id"] for row in snapshot.catalogue.detail(model)["variants"]}
    if not known:
        raise FitInputError(
            f"model: {model} has no checkpoint, so nothing of it can be placed on a GPU", "model"
        )
    gpus = [gpu] if gpu else snapshot.gpus
    return [
        {"gpu": name, **row} for name in gpus for row in fit_rows(snapshot, name) if row["variant"] in known
    ]


def manifest(snapshot: Snapshot, model: str, target: str, profile: str) -> Row:
    """A model's document for one target: the published one, or made for ``profile`` (``NAME:COUNT``).

    What is not published is made for the cards of the reference plan. Raises ``FitInputError`` for an unknown
    target, ``ManifestError`` saying why there is none.
    """
    wanted = known_target(target)
    cards = profile or reference_cards(snapshot, model)
    if not profile and wanted in _PUBLISHED:
        return _published_manifest(snapshot, model, target, _PUBLISHED[wanted])
    plan, written = planned_manifest(snapshot, model, wanted, cards)
    return {"model": model, "target": target, "plan": f"{model}@{plan.gpu_profile_id}:{plan.gpu_count}",
            "file_name": written.file_name, "text": written.text}  # fmt: skip


def _published_manifest(snapshot: Snapshot, model: str, target: str, name: str) -> Row:
    plan = next(row for row in snapshot.registry.files.rows("plans.jsonl") if row["model"] == model)
    path = next((path for path in plan.get("manifests", ()) if path.endswith(f"/{name}")), None)
    if path is None:
        raise ManifestError(f"{model}: {target} cannot serve its plan: {plan.get('refused', {})}")
    return {"model": model, "target": target, "plan": plan["id"], "file_name": name,
            "text": _text(snapshot.registry.published, path)}  # fmt: skip


def _text(published: Path, path: str) -> str:
    try:
        return (published / path).read_text("utf-8")
    except OSError as error:
        raise PublishError(
            f"{published / path}: cannot be read; publish anew with `modelscan build`"
        ) from error


def architectures() -> list[Row]:
    """Architectures that vLLM serves, each with the recorded versions that hold it (null there: all)."""
    from modelscan_catalog.fit.tables import table

    found = table("engines/vllm.json")
    return [
        {"architecture": name, "versions": versions or found["versions"]}
        for name, versions in sorted(found["architectures"].items())
    ]


def serving_class(architecture: str) -> Row:
    """The class that serves an architecture in the newest recorded vLLM; null where that one has none."""
    from modelscan_catalog.fit.tables import table

    recorded = table("engines/vllm_models.json")
    row = recorded["models"].get(architecture, {})
    return {name: row.get(name) for name in ("module", "class", "groups", "interfaces")} | {
        "read_from": recorded["version"]
    }
