"""The merged catalogue: one table a kind of record, checked before anything is built on it."""

import json
from collections.abc import Iterator
from typing import Any

import dagster as dg

from assets.shared import OWNERS, Build, check_outcome, table_metadata
from assets.sources import read_documents, read_state, staged_rejects
from modelscan_catalog import progress
from modelscan_catalog.merge.catalogue import merge_catalogue
from modelscan_catalog.merge.overrides import read_overrides
from modelscan_catalog.publish import checks
from modelscan_catalog.publish.documents import document
from modelscan_catalog.publish.registry import (
    RECORD_NAMES,
    changes_to_publish,
    published_counts,
    read_previous,
)
from modelscan_catalog.records import PastTerms
from modelscan_catalog.store import write_json
from modelscan_catalog.tables import MERGED, SOURCES, STAGED

_DESCRIPTIONS = {
    "models": "One row a model, whoever serves it.",
    "variants": "Weights that exist: a repository at a revision.",
    "offers": "Sellers' terms: prices, limits, capabilities.",
    "providers": "Sellers of API access.",
    "deployments": "Launch recipes.",
    "crosswalk": "Every outside name of a model and the rule that linked it.",
    "ambiguities": "Names that were not linked because several models could bear them.",
    "provenance": "The source of each published field.",
    "conflicts": "Where sources disagree, with the value that lost.",
    "price_history": "Former terms of offers.",
    "tombstones": "What upstream no longer has.",
    "changes": "What differs from the registry that is published now.",
    "rejects": "Source rows and fields that could not be used, with reasons.",
}
_NEVER_EMPTY = ("models", "variants", "offers", "providers", "deployments", "crosswalk", "provenance")


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            name,
            deps=list(SOURCES),
            group_name="catalogue",
            owners=OWNERS,
            kinds={"parquet"},
            description=_DESCRIPTIONS[name],
        )
        for name in MERGED
    ],
    name="merge",
)
def merge(build: Build) -> Iterator[dg.MaterializeResult[Any]]:
    """Join the staged tables: identities first, then records by field authority, then what changed."""
    progress.report("merge", "catalogue", 0, 1)
    published = build.settings.published_dir
    previous = read_previous(published)
    catalogue = merge_catalogue(
        {name: build.data.read("staged", name, record) for name, record in STAGED.items()},
        read_overrides(build.settings.registry_dir / "overrides"),
        previous,
        documents=[entry for source in SOURCES for entry in read_documents(build, source)],
    )
    rows = {name: getattr(catalogue, name, ()) for name in MERGED} | {
        "price_history": [PastTerms.model_validate(row) for row in catalogue.price_history],
        "changes": changes_to_publish(published, previous, catalogue),
        "rejects": [*staged_rejects(build), *catalogue.rejects],
    }
    write_json(
        build.data.merged / "stale_overrides.json", [str(stale) for stale in catalogue.stale_overrides]
    )
    for name, record in MERGED.items():
        build.data.write("merged", name, record, rows[name])
        yield dg.MaterializeResult(asset_key=name, metadata=table_metadata(record, rows[name]))
    progress.report("merge", "catalogue", 1, 1, f"{len(catalogue.models):,} models")


def read_table(build: Build, name: str) -> list[Any]:
    """A merged table as records."""
    return build.data.read("merged", name, MERGED[name])


def _schema_check(name: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=name, name="schema", blocking=True, description="Every row is valid against its JSON Schema."
    )
    def schema(build: Build) -> dg.AssetCheckResult:
        return check_outcome([checks.check_schema(RECORD_NAMES[name], read_table(build, name))])

    return schema


@dg.asset_check(
    asset="models",
    name="integrity",
    additional_deps=["variants", "offers", "providers", "deployments", "crosswalk"],
    blocking=True,
    description="Ids are unique and every reference names a row.",
)
def integrity(build: Build) -> dg.AssetCheckResult:
    """Uniqueness and references across the catalogue's tables."""
    tables = {name: read_table(build, name) for name in MERGED}
    models = {row.id for row in tables["models"]}
    variants = {row.id for row in tables["variants"]}
    providers = {row.id for row in tables["providers"]}
    results = [
        checks.check_unique(name, [row.id for row in tables[name]])
        for name in ("models", "variants", "offers", "providers", "deployments")
    ]
    for name in ("variants", "offers", "deployments", "crosswalk"):
        pairs = [(row.id, row.model) for row in tables[name] if row.model is not None]
        results.append(checks.check_references(name, pairs, models, "model"))
    recipes = [(row.id, row.variant) for row in tables["deployments"]]
    results.append(checks.check_references("deployments", recipes, variants, "variant"))
    sellers = [(row.id, row.provider) for row in tables["offers"]]
    results.append(checks.check_references("offers", sellers, providers, "provider"))
    results.append(checks.check_unique("crosswalk", [f"{row.kind} {row.id}" for row in tables["crosswalk"]]))
    return check_outcome(results)


@dg.asset_check(
    asset="models",
    name="counts",
    additional_deps=["variants", "offers", "providers", "deployments", "crosswalk", "provenance"],
    blocking=True,
    description="No table is empty or much smaller than what is published.",
)
def counts(build: Build) -> dg.AssetCheckResult:
    """Row counts, and shrinking against the published registry."""
    now = {name: len(read_table(build, name)) for name in _NEVER_EMPTY}
    published = {
        name: rows
        for name, rows in published_counts(build.settings.published_dir).items()
        if name in _NEVER_EMPTY
    }
    shrink = checks.check_shrink(now, published, build.settings.max_shrink, accepted=build.accept_shrink)
    return check_outcome([checks.check_row_counts(now), shrink])


@dg.asset_check(
    asset="models",
    name="no_defaults",
    additional_deps=["variants", "offers"],
    blocking=True,
    description="No placeholder of another tool and no zero stands for an unknown value.",
)
def no_defaults(build: Build) -> dg.AssetCheckResult:
    """Placeholders that would look like facts."""
    return check_outcome(
        [
            checks.check_no_defaults(name, [document(row) for row in read_table(build, name)])
            for name in ("models", "variants", "offers")
        ]
    )


@dg.asset_check(
    asset="models", name="staleness", description="No source lags far behind the others or had problems."
)
def staleness(build: Build) -> dg.AssetCheckResult:
    """Age and problems of the sources, as a warning."""
    states = [read_state(build, source) for source in SOURCES]
    newest = max((state.fetched_at for state in states if state.fetched_at), default=None)
    result = checks.check_staleness(states, newest, build.settings.stale_after_days)
    return check_outcome([result], severity=dg.AssetCheckSeverity.WARN)


@dg.asset_check(
    asset="models", name="stale_overrides", description="No override corrects a value that upstream changed."
)
def stale_overrides(build: Build) -> dg.AssetCheckResult:
    """Overrides whose upstream value is no longer the one they were written against, as a warning."""
    stale = json.loads((build.data.merged / "stale_overrides.json").read_bytes())
    return check_outcome(
        [checks.CheckResult("stale_overrides", tuple(stale))], severity=dg.AssetCheckSeverity.WARN
    )


CATALOGUE_CHECKS = [
    *(_schema_check(name) for name in MERGED),
    integrity,
    counts,
    no_defaults,
    staleness,
    stale_overrides,
]
