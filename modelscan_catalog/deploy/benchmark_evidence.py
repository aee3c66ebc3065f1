"""From figures to evidence: rows with what was measured on which cards, kept, published, used by plans."""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from modelscan_catalog.deploy.benchmark import Figures, Spread
from modelscan_catalog.fit.measured import measured
from modelscan_catalog.state import Deployment, open_state
from modelscan_catalog.state.benchmarks import Benchmark, benchmarks

_PRIVATE = ("target", "server", "name")
"""Where it ran is no part of what is published."""


def rows_of(deployment: Deployment, found: Sequence[Figures], at: datetime | None = None) -> list[Benchmark]:
    """A row a load. What the plan does not say of the hardware is null, and such a row is no evidence.

    Weights that the engine stored otherwise than their files are none of that checkpoint's either.
    """
    plan = deployment.plan or {}
    moment = (at or datetime.now(UTC)).isoformat(timespec="seconds")
    return [
        Benchmark(
            measured_at=moment,
            target=deployment.target,
            server=deployment.server,
            name=deployment.name,
            model=deployment.model,
            checkpoint=None if plan.get("online_quantization") else deployment.checkpoint,
            revision=plan.get("revision"),
            gpu=plan.get("gpu_profile_id"),
            gpu_count=plan.get("gpu_count"),
            engine=plan.get("engine"),
            engine_version=plan.get("engine_version"),
            tensor_parallel=plan.get("tensor_parallel"),
            pipeline_parallel=plan.get("pipeline_parallel"),
            concurrency=one.load.concurrency,
            prompt_tokens=one.prompt_tokens,
            output_tokens=one.output_tokens,
            requests=one.requests,
            failed=one.failed,
            seconds=one.seconds,
            **_spread("ttft", one.ttft_s),
            **_spread("itl", one.itl_s),
            throughput_tok_s=one.throughput_tok_s,
            throughput_low_tok_s=one.throughput_low_tok_s,
            throughput_high_tok_s=one.throughput_high_tok_s,
        )
        for one in found
    ]


def _spread(name: str, spread: Spread | None) -> dict[str, Any]:
    return {
        f"{name}_{rank}_s": None if spread is None else getattr(spread, rank)
        for rank in ("p10", "p50", "p90")
    }


def evidence_lines(rows: Iterable[Benchmark]) -> Iterator[str]:
    """Rows that say what they measured as JSON lines, without the server's address and name."""
    for row in rows:
        if row.checkpoint and row.gpu and row.engine and row.tensor_parallel:
            facts = {key: value for key, value in dataclasses.asdict(row).items() if key not in _PRIVATE}
            yield json.dumps(facts, sort_keys=True, separators=(",", ":"))


@contextmanager
def measured_here(state: Path) -> Iterator[None]:
    """Within the block plans use what ``state`` holds of measured deployments."""
    rows: list[Benchmark] = []
    if state.exists():
        with open_state(state) as connection:
            rows = benchmarks(connection)
    with measured(dataclasses.asdict(row) for row in rows):
        yield
