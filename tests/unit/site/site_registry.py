"""A small registry directory that the explorer's tests read: two models, three checkpoints, two cards."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

AT = "2026-09-30T00:00:00Z"
NASTY = "<img src=x onerror=alert(1)>&\"'"

TABLES: dict[str, list[dict[str, Any]]] = {
    "models": [
        {
            "id": "lab/big",
            "name": "Big",
            "lab": "lab",
            "category": "llm",
            "open_weights": True,
            "parameters": {"total": 70_000_000_000},
            "limits": {"context": 131072},
            "licenses": ["mit"],
            "capabilities": {"tool_call": True},
            "modalities": {"input": ["image", "text"]},
            "release_date": "2026-01",
            "variants": ["lab/Big"],
            "aliases": [{"kind": "huggingface", "id": "lab/Big"}],
            "offers": 2,
        },
        {"id": "lab/small", "name": NASTY, "lab": "lab", "open_weights": True, "offers": 0},
    ],
    "variants": [
        {
            "id": "lab/Big",
            "model": "lab/big",
            "hub": "huggingface",
            "repo": "lab/Big",
            "official": True,
            "quantization": {"scheme": "bf16", "bits": 16.0},
            "downloads": 9,
            "weights_bytes": 140_000_000_000,
        },
        {
            "id": "lab/Big-AWQ",
            "model": "lab/big",
            "hub": "huggingface",
            "repo": "lab/Big-AWQ",
            "downloads": 5,
        },
        {
            "id": "lab/Small",
            "model": "lab/small",
            "hub": "huggingface",
            "repo": "lab/Small",
            "quantization": {"scheme": "fp8", "bits": 8.0},
        },
    ],
    "plans": [
        {
            "id": "lab/big@card:8",
            "model": "lab/big",
            "variant": "lab/Big",
            "gpu": "card",
            "gpu_count": 8,
            "engine": "vllm",
            "engine_version": "1.0",
            "context": 131072,
            "max_concurrency": 2.0,
            "verdict": "fits",
            "tensor_parallel": 8,
            "pipeline_parallel": 1,
            "kv_cache_dtype": "auto",
            "manifests": ["manifests/lab__big/launch.sh"],
        },
    ],
    "deployments": [],
    "provenance": [
        {
            "record": "model:lab/big",
            "field": "limits.context",
            "source": "models_dev",
            "rule": "first_party",
            "url": "https://models.dev/api.json",
            "fetched_at": AT,
        },
        {
            "record": "model:lab/big",
            "field": "parameters.total",
            "source": "override",
            "rule": "a reason of many words, as overrides have, " * 4,
        },
        {
            "record": "variant:lab/Big",
            "field": "*",
            "source": "huggingface",
            "rule": "huggingface",
            "fetched_at": AT,
        },
    ],
    "conflicts": [
        {
            "record": "model:lab/big",
            "field": "limits.context",
            "chosen": 131072,
            "chosen_source": "models_dev",
            "other": 32768,
            "other_source": "huggingface",
            "rule": "first_party before huggingface",
        },
    ],
    "price_history": [
        {
            "offer": "a/big",
            "observed_at": "2026-08-01T00:00:00Z",
            "until": AT,
            "price": {"input": 2.0, "output": 4.0},
        },
    ],
    "changes": [
        {
            "record": "offer:a/big",
            "change": "changed",
            "field": "price.input",
            "before": 2.0,
            "after": 1.0,
            "observed_at": AT,
        },
        {
            "record": "offer:a/big",
            "change": "changed",
            "field": "price.output",
            "before": 4.0,
            "after": 2.0,
            "observed_at": AT,
        },
        {"record": "model:lab/small", "change": "added", "observed_at": AT},
    ],
    "tombstones": [
        {
            "record": "model:lab/gone",
            "last_seen": "2026-08-01T00:00:00Z",
            "model": "lab/gone",
            "reason": "no longer listed",
        },
    ],
}
OFFERS: list[dict[str, Any]] = [
    {
        "id": "a/big",
        "provider": "a",
        "provider_model": "big",
        "model": "lab/big",
        "name": "Big",
        "observed_at": AT,
        "price": {"input": 1.0, "output": 2.0},
        "limits": {"context": 131072},
    },
    {
        "id": "a/big-free",
        "provider": "a",
        "provider_model": "big-free",
        "model": "lab/big",
        "name": "Big",
        "observed_at": AT,
        "price": {"input": 0.0, "output": 0.0},
    },
    {"id": "a/unlinked", "provider": "a", "provider_model": "unlinked", "name": "?", "observed_at": AT},
]


def fit_row(variant: str, count: int, verdict: str, **figures: Any) -> dict[str, Any]:
    """One row of a GPU's fit with everything else unknown."""
    return {
        "variant_id": variant,
        "verdict": verdict,
        "count": count,
        "tp": count,
        "pp": 1,
        "context": 131072,
        "binding": None,
        "weights_gib": None,
        "kv_pool_gib": None,
        "max_context": None,
        "max_concurrency": None,
        "missing_gib": None,
        "decode_tok_s_low": None,
        "decode_tok_s_high": None,
    } | figures


FIT: list[dict[str, Any]] = [
    fit_row(
        "lab/Big",
        1,
        "does_not_fit",
        binding="weights",
        missing_gib=57.26,
        kv_pool_gib=-55.2,
        max_context=0,
        weights_gib=130.4,
    ),
    fit_row(
        "lab/Big",
        2,
        "does_not_fit",
        binding="kv_cache",
        missing_gib=3.0,
        kv_pool_gib=1.0,
        max_context=32768,
        weights_gib=65.2,
    ),
    fit_row(
        "lab/Big",
        4,
        "fits",
        max_concurrency=2.345,
        kv_pool_gib=23.456,
        decode_tok_s_low=20.88,
        decode_tok_s_high=39.57,
        tp=2,
        pp=2,
        weights_gib=32.6,
        max_context=131072,
    ),
    fit_row("lab/Small", 1, "unsupported", binding="format"),
    fit_row("lab/Small", 2, "unknown"),
]


def write_registry(root: Path) -> Path:
    """The files below ``root`` that the explorer is written from."""
    for name, rows in TABLES.items():
        _lines(root / f"{name}.jsonl", rows)
    _lines(root / "offers" / "a.jsonl", OFFERS)
    profiles: list[dict[str, Any]] = [
        {
            "id": name,
            "name": f"NVIDIA {name}",
            "vendor": "nvidia",
            "memory_gib_marketing": 80,
            "memory_gib_driver": 79.15,
            "memory_class": "nvidia",
            "mig_parent": None,
            "aliases": [],
            "conflicts": [],
            "sources": {},
            "tflops_dense": {},
            "price_usd_per_hour": None,
            "bandwidth_gb_s": None,
            "architecture": "Ada Lovelace",
            "unified_memory": False,
        }
        for name in ("rtx-4090", "unfitted")
    ]
    (root / "gpu_profiles.json").write_text(json.dumps(profiles))
    (root / "fit").mkdir()
    pq.write_table(pa.Table.from_pylist(FIT), root / "fit" / "rtx-4090.parquet")
    (root / "manifests" / "lab__big").mkdir(parents=True)
    (root / "manifests" / "lab__big" / "launch.sh").write_text("vllm serve lab/Big\n")
    return root


def _lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
