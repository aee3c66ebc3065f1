"""A small published registry: three models with real shapes, one without weights, two sellers."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelscan_catalog.fit.known import known_config

QWEN, QWEN_AWQ, R1, TINY = (
    "Qwen/Qwen3-8B",
    "Qwen/Qwen3-8B-AWQ",
    "deepseek-ai/DeepSeek-R1",
    "vendor/Tiny-0.6B",
)


def _config(name: str) -> Mapping[str, Any]:
    known = known_config(name)
    assert known is not None
    return known.config


def _write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows), "utf-8")


def _variant(repo: str, model: str, scheme: str, **more: Any) -> dict[str, Any]:
    quantization = {"scheme": scheme, "evidence": "config"}
    return {
        "id": repo,
        "repo": repo,
        "model": model,
        "hub": "huggingface",
        "quantization": quantization,
    } | more


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The registry's directory; tests that damage it copy it first."""
    root = tmp_path_factory.mktemp("published")
    models = [
        {"id": "alibaba/qwen3-8b", "open_weights": True, "category": "llm", "offers": 2},
        {"id": "deepseek/deepseek-r1", "open_weights": True, "category": "llm", "offers": 0},
        {"id": "vendor/tiny-0.6b", "open_weights": True, "category": "embedding", "offers": 0},
        {"id": "vendor/closed", "open_weights": False, "offers": 1},
    ]
    variants = [
        _variant(QWEN, "alibaba/qwen3-8b", "bf16", parameters=8190735360, weights_bytes=16381470720,
                 context=40960, downloads=900, modelscope_repo="qwen/Qwen3-8B-MS"),
        _variant(QWEN_AWQ, "alibaba/qwen3-8b", "awq", downloads=200),
        _variant(R1, "deepseek/deepseek-r1", "fp8", downloads=500),
        _variant(TINY, "vendor/tiny-0.6b", "bf16", parameters=596049920, downloads=50),
        _variant("vendor/Tiny-MLX", "vendor/tiny-0.6b", "int4",
                 quantization={"scheme": "int4", "method": "mlx", "evidence": "repo_name"}),
    ]  # fmt: skip
    configs = [
        {"variant": QWEN, "config": _config(QWEN)},
        {"variant": QWEN_AWQ, "config": _config(QWEN), "borrowed_from": QWEN},
        {"variant": R1, "config": _config(R1)},
        {"variant": TINY, "config": _config("Qwen/Qwen3-0.6B")},
        {"variant": "vendor/Tiny-MLX", "config": _config("Qwen/Qwen3-0.6B"), "borrowed_from": TINY},
    ]
    crosswalk = [
        {"kind": "huggingface", "id": row["id"], "model": row["model"], "rule": "same", "confidence": 1.0}
        for row in variants
    ]
    crosswalk += [
        {"kind": kind, "id": name, "model": "alibaba/qwen3-8b", "rule": "name", "confidence": 0.9}
        for kind, name in (("models_dev", "shop/qwen-3-8b"), ("modelscope", "qwen/Qwen3-8B-MS"))
    ]
    _write(root / "models.jsonl", models)
    _write(root / "deployments.jsonl", [])
    _write(root / "variants.jsonl", variants)
    _write(root / "configs.jsonl", configs)
    _write(root / "crosswalk.jsonl", crosswalk)
    for seller, price in (("cheap", 0.2), ("dear", 4.0)):
        offer = {"provider": seller, "model": "alibaba/qwen3-8b", "price": {"input": price, "output": price}}
        _write(root / "offers" / f"{seller}.jsonl", [offer])
    _write_fit(root / "fit")
    return root


def _write_fit(directory: Path) -> None:
    """The published matrix of two cards: variant, cards, declared context, verdict, longest context."""
    directory.mkdir()
    cells = {
        "rtx-4090": [
            (QWEN, 1, 40960, "tight", 40256),
            (QWEN, 2, 40960, "fits", 40960),
            (QWEN_AWQ, 1, 40960, "fits", 40960),
            (R1, 2, 163840, "does_not_fit", 0),
            (TINY, 1, 40960, "fits", 40960),
        ],
        "t4": [(R1, 1, 163840, "does_not_fit", 0)],
    }
    names = ("variant_id", "count", "context", "verdict", "max_context")
    for gpu, rows in cells.items():
        columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
        pq.write_table(pa.table(columns), directory / f"{gpu}.parquet")
