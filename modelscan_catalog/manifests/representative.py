"""Every catalogue model planned on the representative cards: what manifests and engines are tried with."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from modelscan_catalog.fit.matrix_terms import FitVariant
from modelscan_catalog.fit.published import PublishedRegistry
from modelscan_catalog.manifests.engines import ENGINES, Engine
from modelscan_catalog.manifests.launch import (
    Machine,
    checkpoint_facts,
    launch_plan,
    reference_plan,
    representative_machines,
)
from modelscan_catalog.manifests.options import Checkpoint
from modelscan_catalog.manifests.plan_input import LaunchPlan
from modelscan_catalog.records import Deployment, Model, Variant


@dataclass(frozen=True)
class Planned:
    """A plan and what is known of its checkpoint."""

    plan: LaunchPlan
    checkpoint: Checkpoint


@dataclass(frozen=True)
class Catalogue:
    """The models of a published registry whose checkpoints have a known architecture."""

    models: dict[str, Model]
    variants: dict[str, Variant]
    inputs: dict[str, list[FitVariant]]
    recipes: tuple[Deployment, ...]


def read_catalogue(published: Path) -> Catalogue:
    """Raises ``PublishError`` naming the file that is missing or damaged."""
    registry = PublishedRegistry(published)
    inputs: dict[str, list[FitVariant]] = {}
    variants = {}
    for row in registry.table("variants.jsonl"):
        one, _ = registry.fit_input(row)
        if one.architecture is not None and one.scheme is not None:
            inputs.setdefault(one.model_id, []).append(one)
            variants[one.variant_id] = Variant.model_validate(row)
    rows = registry.table("models.jsonl")
    return Catalogue(
        models={row["id"]: Model.model_validate(row) for row in rows if row["id"] in inputs},
        variants=variants,
        inputs=inputs,
        recipes=tuple(Deployment.model_validate(row) for row in registry.table("deployments.jsonl")),
    )


def representative_plans(
    catalogue: Catalogue, models: Sequence[str] | None = None, engines: Sequence[Engine] = ENGINES
) -> Iterator[Planned]:
    """Each of ``models`` (all when null) on each representative profile with each engine, where it fits."""
    machines = representative_machines()
    for model in sorted(catalogue.inputs) if models is None else models:
        for engine in engines:
            for counts in machines.values():
                planned = _planned(catalogue, model, engine, counts)
                if planned is not None:
                    yield planned


def _planned(catalogue: Catalogue, model: str, engine: Engine, counts: list[Machine]) -> Planned | None:
    found = reference_plan(catalogue.inputs[model], counts, engine)
    if found is None or found.chosen is None:
        return None
    variant = catalogue.variants[found.chosen.variant.variant_id]
    plan = launch_plan(found, counts[0].profile, catalogue.models[model], variant, catalogue.recipes)
    return None if plan is None else Planned(plan, checkpoint_facts(variant))
