"""How right the fit is: measured runs predicted with and without themselves, scored by architecture class."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from modelscan_catalog.errors import FitInputError
from modelscan_catalog.fit.evaluate import evaluate_line
from modelscan_catalog.fit.tables import REGISTRY, table, tried

RUNS_PATH = REGISTRY / "fit" / "measured_runs.csv"
CONFIGS_PATH = REGISTRY / "fit" / "configs.json"
REQUEST_FIELDS = {
    "id": "id",
    "model": "model",
    "quantization": "quant",
    "gpu": "gpu",
    "gpu_total_gib": "gpu_total_gib",
    "tp": "tp",
    "pp": "pp",
    "dcp": "dcp",
    "engine": "engine",
    "engine_version": "version",
    "max_model_len": "max_model_len",
    "gpu_memory_utilization": "gpu_mem_util",
    "kv_cache_dtype": "kv_cache_dtype",
    "max_num_seqs": "max_num_seqs",
    "max_num_batched_tokens": "max_num_batched_tokens",
    "enforce_eager": "enforce_eager",
    "num_spec_tokens": "num_spec_tokens",
}
LOGGED = {
    "weights_gib": "weights_gib",
    "kv_pool_gib": "kv_avail_gib",
    "activation_gib": "act_peak_gib",
    "non_torch_gib": "nontorch_gib",
    "graphs_gib": "graph_est_gib",
}
GPU_BLOCK_TOKENS = 16

Run = Mapping[str, str]


def read_runs(path: Path = RUNS_PATH) -> list[dict[str, str]]:
    """The rows of a table of measured runs, as text; empty cells were not logged.

    Raises FitInputError when the file is missing or lacks a column.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError) as error:
        raise FitInputError(
            f"{path}: cannot be read ({error}); give a CSV of measured runs", field="runs"
        ) from error
    wanted = {
        *REQUEST_FIELDS.values(),
        *LOGGED.values(),
        "arch_class",
        "kv_tokens",
        "gpu_blocks",
        "max_conc_x",
    }
    missing = sorted(wanted - set(rows[0] if rows else ()))
    if missing:
        raise FitInputError(f"{path}: no column {', '.join(missing)}", field="runs")
    return rows


def read_configs(path: Path = CONFIGS_PATH) -> dict[str, dict[str, Any]]:
    """Configs by model: `{model: {config, exact_params}}` of a file of runs' configs, or this registry's
    own.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FitInputError(
            f"{path}: cannot be read ({error}); give a JSON of configs", field="configs"
        ) from error
    entries = document.get("models", document)
    return {
        model: {
            "config": entry.get("config"),
            "exact_params": entry.get("exact_params", entry.get("parameters")),
        }
        for model, entry in entries.items()
    }


def request_of(
    run: Run, configs: Mapping[str, Mapping[str, Any]], *, with_pool: bool = False
) -> dict[str, Any]:
    """The batch request that a run stands for; `with_pool` gives its logged KV pool, to ask for capacity
    alone.
    """
    request: dict[str, Any] = {key: run[column] for key, column in REQUEST_FIELDS.items() if run.get(column)}
    facts = configs.get(run["model"], {})
    if facts.get("config"):
        request["config"] = facts["config"]
        if facts.get("exact_params"):
            request["exact_params"] = facts["exact_params"]
    if with_pool and run["kv_avail_gib"]:
        request["kv_pool_gib"] = float(run["kv_avail_gib"])
    return request


def logged_tokens(run: Run) -> float | None:
    """A run's capacity in tokens: logged, or its blocks, or its concurrency times its length."""
    if run["kv_tokens"]:
        return float(run["kv_tokens"])
    if run["gpu_blocks"]:
        return float(run["gpu_blocks"]) * GPU_BLOCK_TOKENS
    if run["max_conc_x"] and run["max_model_len"]:
        return float(run["max_conc_x"]) * float(run["max_model_len"])
    return None


def implied_value(run: Run, configs: Mapping[str, Mapping[str, Any]], name: str) -> float | None:
    """The value of a constant that would make a run's prediction equal its log; None if it has no say."""
    entry = table("fit/constants.json")["constants"][name]
    target = entry["target"]
    logged = logged_tokens(run) if target == "kv_tokens" else (run[LOGGED[target]] or None)
    if logged is None:
        return None
    low = float(entry["value"])
    step = max(abs(low) * 0.05, 0.01)
    request = request_of(run, configs)
    answers = []
    for value in (low, low + step):
        with tried({name: value}):
            answers.append(evaluate_line(request)[target])
    if None in answers or answers[0] == answers[1]:
        return None
    implied: float = low + (float(logged) - answers[0]) * step / (answers[1] - answers[0])
    return implied


def refitted(
    runs: Iterable[Run], configs: Mapping[str, Mapping[str, Any]], names: Sequence[str] | None = None
) -> dict[str, float]:
    """Every fitted constant as the median of what its runs imply, in the order of the file.

    Runs of other constants and runs that are not given are left out; a constant without any keeps its value.
    """
    by_id = {run["id"]: run for run in runs}
    found: dict[str, float] = {}
    for name, entry in table("fit/constants.json")["constants"].items():
        if "runs" not in entry or (names is not None and name not in names):
            continue
        values = [implied_value(by_id[id_], configs, name) for id_ in entry["runs"] if id_ in by_id]
        kept = [value for value in values if value is not None]
        if kept:
            found[name] = median(kept)
    return found


def _relative(predicted: float | None, logged: str | float | None) -> float | None:
    if predicted is None or logged is None or logged == "":
        return None
    value = float(logged)
    return predicted / value - 1 if value > 0 else None


def _inside(band: Sequence[float] | None, logged: str | float | None) -> bool | None:
    if band is None or logged is None or logged == "":
        return None
    return band[0] <= float(logged) <= band[1]


def score_run(run: Run, configs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Signed relative errors of one run, whether its bands cover the log, and the verdict beside what
    happened.
    """
    answer = evaluate_line(request_of(run, configs))
    given = evaluate_line(request_of(run, configs, with_pool=True)) if run["kv_avail_gib"] else None
    tokens = logged_tokens(run)
    capacity = _relative(given["kv_tokens"], tokens) if given else None
    if given and given["max_concurrency"] and run["max_conc_x"]:
        by_requests = _relative(given["max_concurrency"], run["max_conc_x"])
        if capacity is None or (by_requests is not None and abs(by_requests) < abs(capacity)):
            capacity = by_requests
    bands = answer["bands"]
    return {
        "id": run["id"],
        "class": run["arch_class"],
        "verdict": answer["verdict"],
        "started": not run["oom"],
        "weights": _relative(answer["weights_gib"], run["weights_gib"]),
        "pool": _relative(answer["kv_pool_gib"], run["kv_avail_gib"]),
        "capacity_given_pool": capacity,
        "capacity": _relative(answer["kv_tokens"], tokens),
        "block": None
        if not run.get("attn_block") or answer["attention_block"] is None
        else answer["attention_block"] == int(run["attn_block"]),
        "weights_covered": _inside(bands.get("weights_gib"), run["weights_gib"]),
        "pool_covered": _inside(bands.get("kv_pool_gib"), run["kv_avail_gib"]),
        "capacity_covered": _inside(bands.get("kv_tokens"), tokens),
        "reason": answer["reason"],
    }


def score_runs(
    runs: Sequence[Run], configs: Mapping[str, Mapping[str, Any]], *, leave_one_out: bool = False
) -> list[dict[str, Any]]:
    """`score_run` of every run; with `leave_one_out`, constants fitted on a run are refitted without it
    first.
    """
    scored = []
    entries = table("fit/constants.json")["constants"]
    for run in runs:
        names = [name for name, entry in entries.items() if run["id"] in entry.get("runs", ())]
        values: dict[str, float] = {}
        if leave_one_out and names:
            values = refitted([other for other in runs if other["id"] != run["id"]], configs, names)
        with tried(values):
            scored.append(score_run(run, configs))
    return scored


def quantile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least `share` of `values` do not exceed; None for none."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(len(ordered) * share * 1000) // 1000) - 1))]


def _share(values: Sequence[bool]) -> float | None:
    return sum(values) / len(values) if values else None


def summary(name: str, scored: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One row of the error table: medians and 90th percentiles in percent, shares in percent."""
    row: dict[str, Any] = {"class": name, "runs": len(scored)}
    for metric in ("weights", "pool", "capacity_given_pool", "capacity"):
        errors = [abs(one[metric]) * 100 for one in scored if one[metric] is not None]
        row[f"{metric}_runs"] = len(errors)
        row[f"{metric}_median_percent"] = None if not errors else round(median(errors), 3)
        p90 = quantile(errors, 0.9)
        row[f"{metric}_p90_percent"] = None if p90 is None else round(p90, 3)
    given = [
        abs(one["capacity_given_pool"]) <= 0.003 for one in scored if one["capacity_given_pool"] is not None
    ]
    row["capacity_given_pool_within_0.3_percent"] = _percent(_share(given))
    row["blocks_exact_percent"] = _percent(
        _share([one["block"] for one in scored if one["block"] is not None])
    )
    for metric in ("weights", "pool", "capacity"):
        covered = [one[f"{metric}_covered"] for one in scored if one[f"{metric}_covered"] is not None]
        row[f"{metric}_band_covers_percent"] = _percent(_share(covered))
    row["wrong_fits"] = sum(one["verdict"] == "fits" and not one["started"] for one in scored)
    row["wrong_refusals"] = sum(
        one["verdict"] == "does_not_fit" and one["pool"] is not None and one["started"] for one in scored
    )
    row["unknown"] = sum(one["verdict"] in {"unknown", "unsupported"} for one in scored)
    return row


def _percent(share: float | None) -> float | None:
    return None if share is None else round(share * 100, 1)


def score(
    runs_path: Path = RUNS_PATH, configs_path: Path = CONFIGS_PATH, *, leave_one_out: bool = False
) -> list[dict[str, Any]]:
    """The error table: a row for each architecture class and a last one, `all`.

    Raises FitInputError when a file cannot be used. Errors are of the prediction against the log, relative.
    """
    runs, configs = read_runs(runs_path), read_configs(configs_path)
    scored = score_runs(runs, configs, leave_one_out=leave_one_out)
    classes = sorted({one["class"] for one in scored})
    rows = [summary(name, [one for one in scored if one["class"] == name]) for name in classes]
    return [*rows, summary("all", scored)]
