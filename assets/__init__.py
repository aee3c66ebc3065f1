"""Dagster assets and their checks, a module a stage; bodies call ``modelscan_catalog`` and report.

What belongs here: which asset depends on which, what it shows in the UI, which check blocks what.
What does not: parsing, merging, arithmetic, file formats. Those are in the library, which knows no Dagster.
"""

import warnings

import dagster as dg

# One run over all GPU partitions needs `backfill_policy`, which Dagster still calls beta.
warnings.filterwarnings("ignore", message=r".*`backfill_policy`.*", category=dg.BetaWarning)
