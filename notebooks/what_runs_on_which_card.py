# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What runs on which card?
#
# You have one card, or eight. Which open models start on it at the context they declare, and how much room is
# left? Everything here is read from `registry/published`, nothing else.

# %%
import os
from pathlib import Path

import duckdb
import matplotlib.pyplot as plt

here = Path(os.environ.get("MODELSCAN_PUBLISHED", "../registry/published"))
if not here.exists():
    here = Path("registry/published")
sql = duckdb.connect()
sql.sql(
    f"""CREATE VIEW fit AS SELECT parse_filename(filename, true) AS gpu, *
        FROM read_parquet('{here}/fit/*.parquet', filename => true)"""
)
sql.read_parquet(str(here / "tables" / "variants.parquet")).create_view("variants")
sql.read_parquet(str(here / "tables" / "models.parquet")).create_view("models")

# %% [markdown]
# ## The cards
#
# A spread from a 12 GB consumer card to the largest accelerators, one or eight of each.

# %%
CARDS = [
    ("rtx-3060-12gb", 1), ("rtx-4060-ti-16gb", 1), ("rtx-3090", 1), ("rtx-4090", 1), ("rtx-5090", 1),
    ("l4", 1), ("l40s", 1), ("rtx-pro-6000", 1), ("a100-80gb", 1), ("h100-80gb", 1), ("h200-141gb", 1),
    ("rtx-4090", 8), ("h100-80gb", 8), ("h200-141gb", 8),
]  # fmt: skip
known = {row[0] for row in sql.execute("SELECT DISTINCT gpu FROM fit").fetchall()}
CARDS = [(gpu, count) for gpu, count in CARDS if gpu in known]

# %% [markdown]
# ## The models
#
# For each model the most downloaded checkpoints' best verdict on the card: any of its variants counts, because
# a person who has the card takes the quantization that fits.

# %%
best = sql.execute(
    """
    SELECT v.model, f.gpu, f.count,
           min(CASE f.verdict WHEN 'fits' THEN 0 WHEN 'tight' THEN 1 WHEN 'does_not_fit' THEN 2 ELSE 3 END) AS code,
           max(f.max_concurrency) FILTER (f.verdict = 'fits') AS requests
    FROM fit f JOIN variants v ON v.id = f.variant_id
    WHERE f.verdict NOT IN ('unknown', 'unsupported')
    GROUP BY ALL
    """
).df()
downloads = (
    sql.execute("SELECT model, sum(downloads) AS n FROM variants GROUP BY 1").df().set_index("model")["n"]
)
size = sql.execute("SELECT id, parameters.total AS n FROM models").df().set_index("id")["n"]
shown = (
    best.groupby("model")
    .size()
    .index.to_series()
    .map(downloads)
    .dropna()
    .sort_values(ascending=False)
    .head(36)
    .index
)
order = sorted(shown, key=lambda model: (size.get(model) or 0, model))

# %% [markdown]
# ## The picture
#
# Green: starts at the declared context; the figure is how many such requests fit at once. Yellow: within three
# percent of the edge. Red: does not start. Grey: no verdict, for want of facts or because no engine runs it.

# %%
table = {(row.model, row.gpu, row.count): (row.code, row.requests) for row in best.itertuples()}
colours = {0: "#2a9d64", 1: "#e9c04a", 2: "#d9604f", None: "#d8d8d8"}
figure, axes = plt.subplots(figsize=(12, 0.32 * len(order) + 2.2))
for y, model in enumerate(order):
    for x, (gpu, count) in enumerate(CARDS):
        code, requests = table.get((model, gpu, count), (None, None))
        axes.add_patch(plt.Rectangle((x, y), 0.94, 0.9, color=colours[code]))
        if code == 0 and requests == requests and requests is not None:
            text = f"{requests:.0f}" if requests >= 10 else f"{requests:.1f}"
            axes.text(x + 0.47, y + 0.45, text, ha="center", va="center", fontsize=7, color="white")
axes.set_xlim(0, len(CARDS))
axes.set_ylim(0, len(order))
axes.set_xticks([x + 0.47 for x in range(len(CARDS))])
axes.set_xticklabels(
    [f"{count} × {gpu}" if count > 1 else gpu for gpu, count in CARDS], rotation=40, ha="right"
)
axes.set_yticks([y + 0.45 for y in range(len(order))])
axes.set_yticklabels(
    [
        f"{model}  {size.get(model) / 1e9:.0f}B"
        if size.get(model) == size.get(model) and size.get(model)
        else model
        for model in order
    ],
    fontsize=8,
)
axes.tick_params(length=0)
for spine in axes.spines.values():
    spine.set_visible(False)
axes.set_title("What starts at its declared context, and how many such requests at once", loc="left")
figure.tight_layout()
figure
