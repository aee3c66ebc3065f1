"""The merged catalogue: one table a kind of record, checked before anything is built on it."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from assets.shared import OWNERS, Build, check_outcome, table_metadata
from assets.sources import read_state
from modelscan_catalog import progress
from modelscan_catalog.merge.assemble import merge_catalogue
from modelscan_catalog.merge.overrides import load_overrides
from modelscan_catalog.publish import checks
from modelscan_catalog.publish.documents import document
from modelscan_catalog.publish.registry import previous_catalogue, published_counts
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
    "tombstones": "What upstream no longer has.",
    "changes": "What differs from the registry that is published now.",
}
