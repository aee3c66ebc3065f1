"""Write the explorer below a registry directory: pages, scripts, styles, the feed and the data they load."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelscan_catalog.errors import PublishError
from modelscan_catalog.fit.profiles import PROFILES_DIR, GpuProfile
from modelscan_catalog.site.changes import alike, change_groups
from modelscan_catalog.site.fit_data import (
    CELL_OF_OTHERS,
    CELL_OF_RUNNING,
    SHORT_OF,
    VERDICTS,
    declared_contexts,
    fewest_cards,
    fit_rows,
    gpu_cells,
    weights_by_split,
)
from modelscan_catalog.site.model_data import (
    CONFLICT_COLUMNS,
    DOCUMENT_COLUMNS,
    OFFER_COLUMNS,
    detail_parts,
    fitted_variant,
    model_list,
    read_offers,
    usual_day,
)
from modelscan_catalog.site.pages import PAGES, render, static_files
from modelscan_catalog.store import json_bytes, read_jsonl, write_bytes

MOST_CHANGES = 300
"""Records told on the page and in the feed; a refresh after months may change thousands."""

START_GPU = "rtx-4090"
"""Shown first; a reader's own choice is kept in the address."""

_VENDORS = {"nvidia": "NVIDIA", "amd": "AMD", "intel": "Intel", "apple": "Apple", "ascend": "Huawei Ascend"}


def write_explorer(registry: Path, data_as_of: str | None) -> dict[str, int]:
    """Write ``site/`` below ``registry`` from the tables that lie there; bytes by file.

    ``registry`` needs models, variants, offers, provenance, conflicts, plans, deployments, price_history,
    changes, tombstones, gpu_profiles.json and fit/; the index is not read, so that it can name these files.
    Equal input gives equal bytes. Raises ``PublishError`` or ``RecordError`` when a table cannot be read.
    """
    models = read_jsonl(registry / "models.jsonl")
    variants = read_jsonl(registry / "variants.jsonl")
    offers = read_offers(registry)
    gpus = _gpus(registry)
    groups_of_gpus = _grouped_by_vendor(gpus)
    files: dict[str, bytes] = {}

    rows = {gpu["id"]: fit_rows(registry, gpu["id"]) for gpu in gpus}
    names = sorted({row["variant_id"] for fit in rows.values() for row in fit})
    place = {name: number for number, name in enumerate(names)}
    every = [row for fit in rows.values() for row in fit]
    weights, contexts = weights_by_split(every), declared_contexts(every)
    signs = {gpu: fewest_cards(fit, names) for gpu, fit in rows.items()}
    for gpu, fit in rows.items():
        files[f"data/fit/{gpu}.json"] = json_bytes({"gpu": gpu, "cells": gpu_cells(fit, names)})
    by_id = {row["id"]: row for row in variants}
    files["data/catalogue.json"] = json_bytes(
        {
            "cells": {
                "running": CELL_OF_RUNNING,
                "others": CELL_OF_OTHERS,
                "verdicts": VERDICTS,
                "bindings": SHORT_OF,
            },
            "columns": {
                "offers": OFFER_COLUMNS,
                "documents": DOCUMENT_COLUMNS,
                "conflicts": CONFLICT_COLUMNS,
            },
            "usual_day": usual_day(offers),
            "gpus": [_gpu(gpu) for gpu in gpus],
            "gpu_groups": [[maker, [gpu["id"] for gpu in group]] for maker, group in groups_of_gpus],
            "models": model_list(models, offers, variants, place),
            "variants": [
                [*fitted_variant(by_id[name], contexts.get(name)), weights.get(name, {})] for name in names
            ],
            "fewest": {gpu: "".join(sign[name] for name in names) for gpu, sign in signs.items()},
        }
    )
    files["data/card_sources.json"] = json_bytes(_card_sources())
    for number, part in enumerate(detail_parts(registry, models, offers)):
        files[f"data/models/{number}.json"] = json_bytes(part)

    groups = change_groups(
        read_jsonl(registry / "changes.jsonl"), read_jsonl(registry / "tombstones.jsonl"), data_as_of
    )
    facts: dict[str, Any] = {
        "data_as_of": data_as_of,
        "counts": {"models": len(models), "checkpoints": len(variants), "offers": len(offers)},
        "fitted": len(names),
        "gpu_groups": [
            (maker, [(gpu["id"], _label(gpu)) for gpu in group]) for maker, group in groups_of_gpus
        ],
        "start_gpu": START_GPU,
        "groups": groups[:MOST_CHANGES],
        "alike": alike(groups[:MOST_CHANGES]),
        "untold": max(0, len(groups) - MOST_CHANGES),
    }
    files |= {page: render(page, facts) for page in PAGES}
    files |= static_files()
    for path, content in sorted(files.items()):
        write_bytes(registry / "site" / path, content)
    return {path: len(content) for path, content in files.items()}


def _gpus(registry: Path) -> list[Mapping[str, Any]]:
    path = registry / "gpu_profiles.json"
    try:
        profiles: list[Mapping[str, Any]] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise PublishError(f"{path}: cannot be read: {error}; run `modelscan build`") from error
    published = [profile for profile in profiles if (registry / "fit" / f"{profile['id']}.parquet").exists()]
    return sorted(published, key=lambda profile: str(profile["id"]))


def _card_sources() -> dict[str, dict[str, str | None]]:
    """Key of a figure's source → its address, and what was read there."""
    sources = json.loads((PROFILES_DIR / "sources.json").read_bytes())["sources"]
    return {key: {"url": source["url"], "evidence": source["what"]} for key, source in sources.items()}


def _gpu(gpu: Mapping[str, Any]) -> list[Any]:
    """Id, name, label, GB by name, GiB that the fit reckons with, USD an hour."""
    return [
        gpu["id"], gpu["name"], _label(gpu), gpu["memory_gib_marketing"],
        round(GpuProfile(**gpu).memory.gib, 2), gpu["price_usd_per_hour"],
    ]  # fmt: skip


def _label(gpu: Mapping[str, Any]) -> str:
    """The name without its maker and with its memory, as lists of one maker's cards show it."""
    name = re.sub(r"^(NVIDIA|AMD|Intel|Apple|Huawei) ", "", str(gpu["name"]))
    return name if re.search(r"\dgb$", name, re.I) else f"{name}, {gpu['memory_gib_marketing']:g} GB"


def _grouped_by_vendor(gpus: list[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for gpu in gpus:
        label = _VENDORS.get(gpu["vendor"], gpu["vendor"])
        groups.setdefault(f"{label}, slices (MIG)" if gpu.get("mig_parent") else label, []).append(gpu)
    order = [*_VENDORS.values(), "NVIDIA, slices (MIG)"]
    return [
        (label, sorted(group, key=lambda gpu: str(gpu["name"]).lower()))
        for label, group in sorted(
            groups.items(),
            key=lambda item: (order.index(item[0]) if item[0] in order else len(order), item[0]),
        )
    ]
