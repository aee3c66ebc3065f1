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
# # Rent a card, or pay by the token?
#
# For a model with open weights there are two bills: a seller's price per million tokens, or cards by the hour.
# Below which load is the seller cheaper, and from which on your own cards? Everything here is read from
# `registry/published`, nothing else.

# %%
import os
from pathlib import Path

import duckdb
import matplotlib.pyplot as plt

here = Path(os.environ.get("MODELSCAN_PUBLISHED", "../registry/published"))
if not here.exists():
    here = Path("registry/published")
sql = duckdb.connect()
for name in ("plans", "offers", "models"):
    sql.read_parquet(str(here / "tables" / f"{name}.parquet")).create_view(name)
cards = sql.read_json(str(here / "gpu_profiles.json"))

# %% [markdown]
# ## The bill for your own cards
#
# `plans` has a reference machine for each model, with the speed of one request as a range and how many requests
# of the planned context fit at once. The rent is the card's, where a public price is known.

# %%
own = sql.execute(
    """
    SELECT p.model, m.name, p.gpu, p.gpu_count, p.decode_tok_s_low AS slow, p.decode_tok_s_high AS fast, p.max_concurrency AS fit_at_once,
           c.price_usd_per_hour * p.gpu_count AS usd_per_hour
    FROM plans p JOIN cards c ON c.id = p.gpu JOIN models m ON m.id = p.model
    WHERE c.price_usd_per_hour IS NOT NULL AND p.decode_tok_s_low IS NOT NULL
      AND m.category IN ('llm', 'vlm')
    """
).df()
own[["model", "gpu", "gpu_count", "slow", "fast", "usd_per_hour"]].head()

# %% [markdown]
# ## The sellers' bill
#
# The cheapest output price above zero of each model. An offer at zero is a trial or part of a subscription, and
# says nothing about what a token costs.

# %%
sold = sql.execute(
    """
    SELECT model, min(price.output) AS usd_per_mtok, count(DISTINCT provider) AS sellers
    FROM offers WHERE model IS NOT NULL AND price.output > 0 GROUP BY model
    """
).df()
both = own.merge(sold, on="model")
both["streams_low"] = both.usd_per_hour / (both.fast * 3600 / 1e6 * both.usd_per_mtok)
both["streams_high"] = both.usd_per_hour / (both.slow * 3600 / 1e6 * both.usd_per_mtok)
both = both.sort_values("streams_low").reset_index(drop=True)
print(f"{len(both)} models have a plan on a card with a known rent and a seller with a price")

# %% [markdown]
# ## Break-even
#
# An hour of cards costs as much as so many output tokens at the seller. Divided by what one request gets in an
# hour, that is how many requests must be running all the time for the cards to cost the same, if each went on at the
# speed of one alone. Two things are left out: requests slow each other down, which favours the seller, and input
# costs extra at the seller, which favours the cards.
#
# The black mark is how many requests of the planned, full context fit at once; shorter ones are more. Green: the
# break-even lies below it. Yellow: about there. Red: above, so only shorter requests could get there.

# %%
COLOURS = {"below what fits": "#2a9d64", "about there": "#e9a93f", "above it": "#d9604f"}
shown = both.head(32).iloc[::-1].reset_index(drop=True)
figure, axes = plt.subplots(figsize=(11, 0.3 * max(len(shown), 4) + 1.8))
for y, row in shown.iterrows():
    fits = row.fit_at_once
    reach = (
        "below what fits"
        if row.streams_high <= fits
        else "about there"
        if row.streams_low <= fits
        else "above it"
    )
    axes.plot(
        [row.streams_low, row.streams_high], [y, y], color=COLOURS[reach], linewidth=7, solid_capstyle="round"
    )
    axes.plot([fits], [y], marker="|", markersize=13, markeredgewidth=2, color="#222")
    text = f"${row.usd_per_mtok:.2f}/M, {row.sellers} sellers"
    axes.text(max(row.streams_high, fits) * 1.15, y, text, va="center", fontsize=7, color="#555")
axes.set_xscale("log")
axes.margins(x=0.22)
axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
axes.set_yticks(range(len(shown)))
axes.set_yticklabels(
    [f"{row.name}  {row.gpu_count} × {row.gpu}" for row in shown.itertuples(index=False)], fontsize=8
)
axes.grid(axis="x", color="#e4e4e4")
axes.set_axisbelow(True)
axes.tick_params(length=0)
for side in ("top", "right", "left"):
    axes.spines[side].set_visible(False)
axes.set_xlabel("requests running all the time at which own cards cost what the cheapest seller does")
marks = [
    plt.Line2D([], [], color=colour, linewidth=7, label=f"break-even {text}")
    for text, colour in COLOURS.items()
]
full = plt.Line2D([], [], marker="|", linestyle="", markersize=13, markeredgewidth=2, color="#222")
full.set_label("full requests that fit at once")
axes.legend(
    handles=[*marks, full], ncols=4, loc="lower left", bbox_to_anchor=(0, 1), frameon=False, fontsize=8
)
axes.set_title(
    f"Rent a card, or pay by the token: the {len(shown)} models where cards win soonest", loc="left", pad=26
)
figure.tight_layout()
plt.show()
