"""A small published registry to plan with: real shapes, checkpoints in several formats and on both hubs."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from modelscan_catalog.fit.known import known_config

QWEN, QWEN_FP8, QWEN_AWQ = "Qwen/Qwen3-8B", "Qwen/Qwen3-8B-FP8", "Qwen/Qwen3-8B-AWQ"
COPY_FP8 = "someone/Qwen3-8B-FP8"
R1 = "deepseek-ai/DeepSeek-R1"
MODEL, R1_MODEL, CLOSED = "alibaba/qwen3-8b", "deepseek/deepseek-r1", "openai/gpt-4o"
VISION = "alibaba/vision-8b"

_ABLE = {"tool_call": True, "structured_output": True}


def _model(name: str, **more: Any) -> dict[str, Any]:
    lab, _, bare = name.partition("/")
    modes = {"input": ["text"], "output": ["text"]}
    row = {"id": name, "name": bare, "lab": lab, "open_weights": True, "category": "llm", "modalities": modes}
    return row | {"capabilities": _ABLE} | more


def _variant(repo: str, model: str, scheme: str, **more: Any) -> dict[str, Any]:
    row = {"id": repo, "repo": repo, "model": model, "hub": "huggingface", "official": True}
    return row | {"quantization": {"scheme": scheme, "evidence": "config"}, "has_config": True} | more


def _offer(provider: str, model: str, price: float | None) -> dict[str, Any]:
    row = {"id": f"{provider}/{model}", "provider": provider, "provider_model": model, "model": model}
    row["observed_at"] = "2026-09-30T00:00:00Z"
    return row if price is None else row | {"price": {"input": price, "output": price * 2}}


def _config(name: str) -> Mapping[str, Any]:
    known = known_config(name)
    assert known is not None
    return known.config


def _write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows), "utf-8")


def publish(root: Path) -> Path:
    """Writes the registry below `root` and gives its directory."""
    seeing = {"input": ["image", "text"], "output": ["text"]}
    models = [
        _model(MODEL, offers=2, variants=[QWEN, QWEN_FP8, QWEN_AWQ, COPY_FP8]),
        _model(R1_MODEL, variants=[R1]),
        _model(VISION, category="vlm", modalities=seeing, limits={"context": 40960}),
        _model(CLOSED, open_weights=False, category="vlm", modalities=seeing, offers=2),
        _model("vendor/unseen", open_weights=True),
    ]
    variants = [
        _variant(QWEN, MODEL, "bf16", parameters=8190735360, weights_bytes=16381470720, context=40960,
                 downloads=900, modelscope_repo="Qwen/Qwen3-8B", revision="a" * 40),
        _variant(QWEN_FP8, MODEL, "fp8", context=40960, revision="b" * 40),
        _variant(QWEN_AWQ, MODEL, "awq", context=40960, modelscope_repo="qwen/Qwen3-8B-AWQ", gated=True),
        _variant(COPY_FP8, MODEL, "fp8", context=40960, official=False,
                 quantization={"scheme": "fp8", "evidence": "repo_name"}),
        _variant(R1, R1_MODEL, "fp8", context=163840),
        _variant("alibaba/Vision-8B", VISION, "bf16", context=40960, downloads=5),
    ]  # fmt: skip
    configs = [{"variant": name, "config": _config(QWEN)} for name in (QWEN, QWEN_AWQ, "alibaba/Vision-8B")]
    configs += [{"variant": name, "config": _config(QWEN_FP8)} for name in (QWEN_FP8, COPY_FP8)]
    configs += [{"variant": R1, "config": _config(R1)}]
    crosswalk = [
        {"kind": "huggingface", "id": row["id"], "model": row["model"], "rule": "same", "confidence": 1.0}
        for row in variants
    ]
    doubt = {"id": "shop/qwen", "kind": "models_dev", "reason": "two bear this name"}
    _write(root / "models.jsonl", models)
    _write(root / "deployments.jsonl", [])
    _write(root / "variants.jsonl", variants)
    _write(root / "configs.jsonl", configs)
    _write(root / "crosswalk.jsonl", crosswalk)
    _write(root / "ambiguities.jsonl", [doubt | {"candidates": [MODEL, VISION]}])
    sellers = [
        {"id": name, "name": name, "api_type": "openai-compatible", "base_url": f"https://{name}.example/v1",
         "env": [f"{name.upper()}_KEY"]}
        for name in ("cheap", "dear", "shy")
    ]  # fmt: skip
    _write(root / "providers.jsonl", sellers)
    _write(root / "offers" / "cheap.jsonl", [_offer("cheap", MODEL, 0.2), _offer("cheap", CLOSED, 2.0)])
    _write(root / "offers" / "dear.jsonl", [_offer("dear", MODEL, 4.0)])
    _write(root / "offers" / "shy.jsonl", [_offer("shy", CLOSED, None)])
    return root
