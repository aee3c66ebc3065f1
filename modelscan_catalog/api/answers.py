"""Answers that need the planner or a published file: compatibility, recommendations, manifests."""

import json
from pathlib import Path

from modelscan_catalog.api.catalogue import unknown
from modelscan_catalog.api.snapshot import Snapshot
from modelscan_catalog.errors import FitInputError, ManifestError, PublishError
from modelscan_catalog.registry.files import Row

TARGETS = {
    "command": "launch.sh",
    "gpustack": "gpustack.json",
    "kserve": "kserve.yaml",
    "kserve-isvc": "kserve.yaml",
    "compose": "compose.yaml",
}


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

    Raises ``FitInputError`` for an unknown target, ``ManifestError`` saying why there is none.
    """
    if target not in TARGETS:
        raise FitInputError(f"target: {target[:40]!r} is unknown; use one of {', '.join(TARGETS)}", "target")
    name = TARGETS[target]
    if profile:
        return planned_manifest(snapshot, model, name, profile)
    plans = snapshot.registry.files.rows("plans.jsonl")
    plan = next((row for row in plans if row["model"] == model), None)
    if plan is None:
        raise ManifestError(f"{model}: has no reference plan; name cards with profile=NAME:COUNT")
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


def planned_manifest(snapshot: Snapshot, model: str, file_name: str, profile: str) -> Row:
    """A document made for named cards; raises ``ManifestError`` where the model does not start there."""
    from modelscan_catalog.fit.plan import plan
    from modelscan_catalog.fit.profiles import resolve_gpu
    from modelscan_catalog.fit.published import PublishedRegistry
    from modelscan_catalog.manifests.launch import launch_plan
    from modelscan_catalog.manifests.written import write_plan
    from modelscan_catalog.records import Model, Variant
    from modelscan_catalog.registry.planning import why_not

    card, count = resolve_gpu(profile)
    published = PublishedRegistry(snapshot.registry.published).find(model)
    found = plan(published.variants, card, count, engine="vllm", with_alternatives=False)
    if found.chosen is None or not found.chosen.starts:
        raise ManifestError(f"{model} on {profile}: {why_not(found)}")
    variant = Variant.model_validate(published.rows[found.chosen.variant.variant_id])
    launched = launch_plan(found, card, Model.model_validate(published.row), variant)
    if launched is None:
        raise ManifestError(f"{model} on {profile}: its engine takes no manifest")
    for written in write_plan(launched).manifests:
        if written.file_name == file_name:
            return {"model": model, "target": str(written.kind), "plan": f"{model}@{card.id}:{count}",
                    "file_name": file_name, "text": written.text}  # fmt: skip
    raise ManifestError(f"{model} on {profile}: that target cannot serve this plan")


def architectures() -> list[Row]:
    """Architectures that vLLM serves, each with the recorded versions that hold it (null there: all)."""
    from modelscan_catalog.fit.tables import table

    found = table("engines/vllm.json")
    return [
        {"architecture": name, "versions": versions or found["versions"]}
        for name, versions in sorted(found["architectures"].items())
    ]
