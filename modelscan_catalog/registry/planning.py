"""Settings and verdicts of one checkpoint on named cards, asked of the planner itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from modelscan_catalog.errors import FitInputError
from modelscan_catalog.fit.answer import engine_flags, engine_release
from modelscan_catalog.fit.engine_rules import engine_rules
from modelscan_catalog.fit.legality import ENGINES, version_key
from modelscan_catalog.fit.plan import ServingPlan, plan
from modelscan_catalog.fit.profiles import resolve_gpu
from modelscan_catalog.fit.published import PublishedRegistry
from modelscan_catalog.fit.tables import table


def checkpoint_plan(
    published: Path, checkpoint: str, gpu_profile: str, engine_version: str | None = None
) -> ServingPlan:
    """The plan of one checkpoint on ``gpu_profile`` (``NAME`` or ``NAME:COUNT``).

    ``engine_version`` is ``vllm@0.33.0`` or a version of vLLM. Raises ``FitInputError`` or
    ``UnknownIdError`` naming the field that cannot be used.
    """
    registry = PublishedRegistry(published)
    row = registry.variant(checkpoint)
    if row is None:
        raise FitInputError(f"model: the registry has no checkpoint {checkpoint}", field="model")
    profile, count = resolve_gpu(gpu_profile)
    engine, version = None, None
    if engine_version is not None:
        engine, _, version = ("vllm@" * ("@" not in engine_version) + engine_version).partition("@")
    return plan(
        [registry.fit_input(row)[0]],
        profile,
        count,
        engine=engine,
        engine_version=version or None,
        with_alternatives=False,
    )


def inference_config(published: Path, checkpoint: str, gpu_profile: str) -> dict[str, Any]:
    """Engine settings of a checkpoint on named cards; raises ``FitInputError`` when it does not start."""
    found = checkpoint_plan(published, checkpoint, gpu_profile)
    chosen = found.chosen
    if chosen is None or not chosen.starts:
        raise FitInputError(
            f"gpu_profile: {checkpoint} on {gpu_profile}: {why_not(found)}", field="gpu_profile"
        )
    config: dict[str, Any] = {
        "max_model_len": chosen.context,
        "dtype": "auto",
        "quantization": None,
        "tensor_parallel_size": chosen.tp,
        "pipeline_parallel_size": chosen.pp,
        "engine": chosen.engine,
        "engine_version": engine_release(chosen.engine, chosen.engine_version),
        "flags": engine_flags(found, [checkpoint]),
    }
    if chosen.engine in ("vllm", "sglang"):
        rules = engine_rules(chosen.engine, config["engine_version"])
        config["gpu_memory_utilization"] = rules.utilization
    return config


def known_engine(name: str | None, version: str | None) -> tuple[str | None, str | None]:
    """An engine and version as the planner takes them; a version alone is one of vLLM.

    Raises `FitInputError` for an engine without rules or a version that its tables cannot answer for.
    """
    engine = name.strip().lower() if name is not None else None
    if engine is not None and engine not in ENGINES:
        raise FitInputError(
            f"engine: {engine[:40]!r} is unknown; use one of {', '.join(ENGINES)}", field="engine"
        )
    if version is None:
        return engine, None
    engine, key = engine or "vllm", version_key(version)
    if engine in ("vllm", "sglang"):
        newest = table(f"engines/{engine}.json")["versions"][-1]
        if key > version_key(newest):
            raise FitInputError(
                f"engine_version: {engine} {version[:40]} is unknown; the newest known is {newest}",
                field="engine_version",
            )
    return engine, version.lstrip("v")


def why_not(found: ServingPlan) -> str:
    """One line on why a plan does not start."""
    short = f", {found.missing_gib:.1f} GiB a card are missing" if found.missing_gib else ""
    because = f" ({found.reasons[0]})" if found.reasons else ""
    return f"{found.verdict.replace('_', ' ')}{short}{because}"
