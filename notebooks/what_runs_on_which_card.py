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
for name in ("variants", "models"):
    sql.read_parquet(str(here / "tables" / f"{name}.parquet")).create_view(name)

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
# The 36 models whose checkpoints are downloaded most, smallest at the bottom. On each card the checkpoint that a person
# would take: one that starts before one that does not, then the longer context.

# %%
best = sql.execute(
    """
    SELECT v.model, f.gpu, f.count, f.max_concurrency AS requests, f.max_context,
           CASE WHEN f.verdict = 'fits' THEN 'runs' WHEN f.verdict = 'tight' THEN 'tight'
                WHEN f.binding = 'kv_cache' AND f.max_context > 0 THEN 'shorter' ELSE 'too large' END AS state
    FROM fit f JOIN variants v ON v.id = f.variant_id
    WHERE f.verdict NOT IN ('unknown', 'unsupported')
    QUALIFY row_number() OVER (
        PARTITION BY v.model, f.gpu, f.count
        ORDER BY list_position(['runs', 'tight', 'shorter', 'too large'], state),
                 CASE state WHEN 'shorter' THEN f.max_context ELSE f.context END DESC NULLS LAST,
                 f.max_concurrency DESC, f.variant_id
    ) = 1
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
# A figure with × is how many requests of the declared context fit at once. ≈ is within three percent of the edge. A figure
# with K is the thousand tokens of context that are left where the declared one does not fit. – is too large. Grey: no
# verdict, for want of facts or because no engine runs it.

# %%
table = {(row.model, row.gpu, row.count): row for row in best.itertuples()}
colours = {
    "runs": "#6cc7a2",
    "tight": "#edc55c",
    "shorter": "#9dc0ec",
    "too large": "#efc4bd",
    None: "#e4e4e4",
}


def sign(cell):
    if cell is None:
        return None, ""
    if cell.state == "runs" and cell.requests == cell.requests:
        return "runs", f"{cell.requests:.1f} ×" if cell.requests < 9.95 else f"{cell.requests:.0f} ×"
    if cell.state == "shorter":
        return "shorter", f"{cell.max_context / 1000:.0f}K" if cell.max_context >= 1000 else "< 1K"
    return cell.state, {"tight": "≈", "too large": "–"}.get(cell.state, "")


def parameters(model):
    count = size.get(model)
    if not count or count != count:
        return ""
    return f"{count / 1e9:.2g}B" if count < 1e11 else f"{count / 1e9:.0f}B"


figure, axes = plt.subplots(figsize=(12, 0.32 * len(order) + 2.2))
for y, model in enumerate(order):
    for x, (gpu, count) in enumerate(CARDS):
        state, text = sign(table.get((model, gpu, count)))
        axes.add_patch(plt.Rectangle((x, y), 0.94, 0.9, color=colours[state]))
        axes.text(x + 0.47, y + 0.43, text, ha="center", va="center", fontsize=8, color="#1c1f21")
axes.set_xlim(0, len(CARDS))
axes.set_ylim(0, len(order))
axes.set_xticks([x + 0.47 for x in range(len(CARDS))])
axes.set_xticklabels(
    [f"{count} × {gpu}" if count > 1 else gpu for gpu, count in CARDS], rotation=40, ha="right"
)
axes.set_yticks([y + 0.45 for y in range(len(order))])
axes.set_yticklabels([f"{model}  {parameters(model)}".strip() for model in order], fontsize=9)
axes.tick_params(length=0)
for spine in axes.spines.values():
    spine.set_visible(False)
words = {
    "runs": "runs: requests at once",
    "tight": "tight",
    "shorter": "shorter context: tokens left",
    "too large": "too large",
}
marks = [plt.Rectangle((0, 0), 1, 1, color=colours[state]) for state in words]
axes.legend(
    marks, words.values(), ncols=4, loc="lower left", bbox_to_anchor=(0, 1), frameon=False, fontsize=9
)
axes.set_title("What runs at its declared context, and how many such requests at once", loc="left", pad=28)
figure.tight_layout()
plt.show()
