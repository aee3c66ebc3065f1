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
# # What changed?
#
# Since the last publish, and in the field itself: which records were added, removed or changed, which prices moved,
# and how fast do new models come? Everything here is read from `registry/published`, nothing else.

# %%
import os
from pathlib import Path

import duckdb
import matplotlib.pyplot as plt

here = Path(os.environ.get("MODELSCAN_PUBLISHED", "../registry/published"))
if not here.exists():
    here = Path("registry/published")
sql = duckdb.connect()
for name in ("changes", "tombstones", "price_history", "offers", "models"):
    sql.read_parquet(str(here / "tables" / f"{name}.parquet")).create_view(name)

# %% [markdown]
# ## Since the last publish
#
# One row a record and kind of change. A first publish has no past, and changes nothing.

# %%
changed = sql.execute(
    """
    SELECT split_part(record, ':', 1) AS kind, change, count(DISTINCT record) AS records, count(*) AS fields
    FROM changes GROUP BY ALL ORDER BY ALL
    """
).df()
changed if len(changed) else print("Nothing changed since the last publish.")

# %%
gone = sql.execute(
    "SELECT record, reason, last_seen FROM tombstones ORDER BY last_seen DESC, record LIMIT 12"
).df()
gone

# %% [markdown]
# ## Prices that moved
#
# Former terms beside the present offer; the largest moves first.

# %%
moved = sql.execute(
    """
    SELECT h.offer, h.price.output AS before, o.price.output AS now, h.until
    FROM price_history h JOIN offers o ON o.id = h.offer
    WHERE h.price.output > 0 AND o.price.output > 0 AND h.price.output <> o.price.output
    ORDER BY abs(ln(o.price.output / h.price.output)) DESC LIMIT 12
    """
).df()
moved if len(moved) else print("No seller's output price has moved since it was first seen.")

# %% [markdown]
# ## The field itself
#
# Models by the month of their release, as far as a source gives one: with open weights, and sold only.

# %%
released = sql.execute(
    """
    SELECT left(release_date, 7) AS month, coalesce(open_weights, false) AS open, count(*) AS n
    FROM models WHERE length(release_date) >= 7 GROUP BY ALL ORDER BY ALL
    """
).df()
table = (
    released.pivot(index="month", columns="open", values="n")
    .fillna(0)
    .reindex(columns=[True, False], fill_value=0)
)
table = table.tail(36)

figure, axes = plt.subplots(figsize=(11, 4.2))
axes.bar(table.index, table[True], color="#2a9d64", width=0.8, label="open weights")
axes.bar(
    table.index, table[False], bottom=table[True], color="#b9c3cc", width=0.8, label="sold only, or not known"
)
axes.set_xticks(range(0, len(table), 3))
axes.set_xticklabels(list(table.index)[::3])
axes.tick_params(length=0)
axes.grid(axis="y", color="#e9e9e9")
axes.set_axisbelow(True)
for side in ("top", "right", "left"):
    axes.spines[side].set_visible(False)
axes.legend(frameon=False, loc="upper left")
axes.set_ylabel("models a month")
axes.set_title("Models of the catalogue by the month of their release", loc="left")
figure.tight_layout()
plt.show()
