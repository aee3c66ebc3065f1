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
# # How good is the data, and where do the sources disagree?
#
# A catalogue of several sources is as good as its gaps and its quarrels. Which fields are known for how many models,
# who says so, where do sources contradict each other, and what could not be used at all? Everything here is read
# from `registry/published`, nothing else.

# %%
import os
from pathlib import Path

import duckdb
import matplotlib.pyplot as plt

here = Path(os.environ.get("MODELSCAN_PUBLISHED", "../registry/published"))
if not here.exists():
    here = Path("registry/published")
sql = duckdb.connect()
for name in ("models", "variants", "offers", "conflicts", "provenance", "rejects", "ambiguities"):
    sql.read_parquet(str(here / "tables" / f"{name}.parquet")).create_view(name)

# %% [markdown]
# ## What could not be used
#
# A value that makes no sense is set to null and told here; a row that makes none is left out.

# %%
sql.execute(
    """
    SELECT source, reason, whole_row, count(*) AS n FROM rejects GROUP BY ALL ORDER BY n DESC LIMIT 10
    """
).df()

# %% [markdown]
# ## Which names found their model
#
# An offer is linked to a model by a rule, or not at all. These were not, and why.

# %%
print(
    sql.execute("SELECT count(*) FILTER (model IS NOT NULL), count(*) FROM offers").fetchone(),
    "offers linked, of all",
)
sql.execute("SELECT kind, reason, count(*) AS n FROM ambiguities GROUP BY ALL ORDER BY n DESC LIMIT 8").df()

# %% [markdown]
# ## Where sources disagree
#
# Each row is a value that lost against another. The pair of sources, and the field they quarrel about.

# %%
quarrels = sql.execute(
    """
    SELECT field, chosen_source || ' over ' || other_source AS pair, count(*) AS n
    FROM conflicts GROUP BY ALL ORDER BY n DESC
    """
).df()
quarrels.head(10)

# %% [markdown]
# ## The picture
#
# Left: share of models for which a field is known. Right: quarrels by field, coloured by who won over whom.

# %%
FIELDS = {
    "name": "name", "lab": "lab", "category": "category", "open weights": "open_weights",
    "context": "limits.context", "longest answer": "limits.output", "parameters": "parameters.total",
    "licence": "nullif(len(licenses), 0)", "release date": "release_date", "tool calls": "capabilities.tool_call",
    "reasoning": "capabilities.reasoning", "input kinds": "nullif(len(modalities.input), 0)", "knowledge": "knowledge",
}  # fmt: skip
columns = ", ".join(f"100.0 * count({column}) / count(*)" for column in FIELDS.values())
share = dict(zip(FIELDS, sql.execute(f"SELECT {columns} FROM models").fetchone(), strict=True))
known = sorted(share.items(), key=lambda item: item[1])

figure, (left, right) = plt.subplots(1, 2, figsize=(12.5, 4.6), width_ratios=(1, 1.15))
left.barh([name for name, _ in known], [value for _, value in known], color="#2a9d64", height=0.66)
for y, (_, value) in enumerate(known):
    left.text(value + 1.5, y, f"{value:.0f} %", va="center", fontsize=8, color="#444")
left.set_xlim(0, 112)
left.set_xticks([])
left.set_title("Models for which a source says it", loc="left")

table = quarrels.pivot_table(index="field", columns="pair", values="n", aggfunc="sum", fill_value=0)
table = table.loc[table.sum(axis=1).sort_values().tail(12).index]
table = table.loc[:, table.sum().sort_values(ascending=False).index]
colours = ["#3b7dd8", "#e9a93f", "#7b5ea7", "#d9604f", "#45a5a0", "#8a8f94"]
start = table.sum(axis=1) * 0
for place, pair in enumerate(table.columns):
    right.barh(
        table.index,
        table[pair],
        left=start,
        color=colours[min(place, 5)],
        height=0.66,
        label=pair if place < 6 else None,
    )
    start = start + table[pair]
right.set_title("Values that lost against another source", loc="left")
right.set_xlabel("values; models_dev over models_dev is a lab's own word against its sellers'", fontsize=8)
right.legend(frameon=False, fontsize=8, loc="lower right")
right.grid(axis="x", color="#e9e9e9")
right.set_axisbelow(True)
for axes in (left, right):
    axes.tick_params(length=0, labelsize=9)
    for spine in axes.spines.values():
        spine.set_visible(False)
figure.tight_layout()
plt.show()
