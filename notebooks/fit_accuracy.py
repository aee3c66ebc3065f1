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
# # How right is the fit?
#
# The fit says how much memory a model's weights take, what is left for the KV cache and how many tokens that holds.
# Engines log the same figures when they start. How far are the predictions from the logs, for which kinds of model,
# and do the error bands cover them? The runs are those of `registry/fit/measured_runs.csv`, each with its public
# source.

# %%
import matplotlib.pyplot as plt
import pandas as pd

from modelscan_catalog.fit.quality import read_configs, read_runs, score_runs, summary

runs, configs = read_runs(), read_configs()
print(
    f"{len(runs)} runs of {len({run['model'] for run in runs})} models; engines {sorted({run['engine'] for run in runs})}"
)

# %% [markdown]
# ## Without the run that is scored
#
# A constant that was fitted on a run would flatter itself there: each run is predicted with constants that are
# fitted anew without it.

# %%
scored = score_runs(runs, configs, leave_one_out=True)
classes = sorted({one["class"] for one in scored})
rows = [summary(name, [one for one in scored if one["class"] == name]) for name in classes] + [
    summary("all", scored)
]
pd.DataFrame(rows).set_index("class")[
    [
        "runs",
        "weights_median_percent",
        "pool_median_percent",
        "capacity_given_pool_median_percent",
        "wrong_fits",
        "wrong_refusals",
        "unknown",
    ]
]

# %% [markdown]
# ## Verdicts
#
# The worst that a fit can do is to say that a model starts where it does not. What was said, beside what happened.

# %%
pd.crosstab(
    [one["verdict"] for one in scored],
    ["started" if one["started"] else "out of memory" for one in scored],
    rownames=["said"],
    colnames=["happened"],
)

# %% [markdown]
# ## The picture
#
# A dot a run, its kind with the number of runs: how far the prediction is from the engine's log, above or below, by kind of model. Filled: the error
# band that was given with the prediction covers the log.

# %%
PARTS = [
    ("weights", "weights"),
    ("pool", "memory left for the KV cache"),
    ("capacity_given_pool", "tokens that a given pool holds"),
]
figure, axes = plt.subplots(1, 3, figsize=(13, 0.36 * len(classes) + 2), sharey=True)
for panel, (metric, label) in zip(axes, PARTS, strict=True):
    for y, name in enumerate(classes):
        for one in scored:
            if one["class"] == name and one[metric] is not None:
                covered = one.get(f"{metric}_covered")
                face = "none" if covered is False else "#2a9d64"
                panel.scatter(
                    100 * one[metric],
                    y,
                    s=34,
                    facecolors=face,
                    edgecolors="#2a9d64" if covered is not False else "#d9604f",
                    alpha=0.75,
                )
    panel.axvline(0, color="#999", linewidth=0.8, zorder=0)
    panel.set_xscale("symlog", linthresh=1)
    panel.set_xlim(-100, 100)
    panel.set_xticks([-10, -1, 0, 1, 10])
    panel.set_xticklabels(["−10 %", "−1 %", "0", "+1 %", "+10 %"])
    panel.set_title(label, loc="left", fontsize=10)
    panel.grid(axis="x", color="#eee")
    panel.set_axisbelow(True)
    panel.tick_params(length=0, which="both")
    panel.set_xlabel("said too little      said too much", fontsize=9, color="#555")
    for spine in panel.spines.values():
        spine.set_visible(False)
axes[0].set_yticks(range(len(classes)))
axes[0].set_yticklabels([f"{name} ({sum(one['class'] == name for one in scored)})" for name in classes])
marks = [
    plt.Line2D([], [], marker="o", linestyle="", color="#2a9d64", label="inside the error band"),
    plt.Line2D([], [], marker="o", linestyle="", color="#d9604f", markerfacecolor="none", label="outside it"),
]
axes[-1].legend(handles=marks, frameon=False, fontsize=9, loc="upper right")
figure.suptitle("Prediction against the engine's log, each run predicted without itself", x=0.01, ha="left")
figure.tight_layout()
plt.show()
