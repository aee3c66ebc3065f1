"""What the planner chose for a model on one machine."""

from typing import Literal

from pydantic import Field

from modelscan_catalog.records.base import Record


class ReferencePlan(Record):
    """A checkpoint, engine and split that is expected to start; ``id`` is ``model@gpu:count``."""

    id: str
    model: str
    variant: str
    gpu: str
    gpu_count: int = Field(ge=1)
    engine: Literal["vllm", "sglang"]
    engine_version: str
    tensor_parallel: int = Field(ge=1)
    pipeline_parallel: int = Field(ge=1)
    context: int = Field(gt=0, description="tokens of one request that the plan holds")
    kv_cache_dtype: str
    gpu_memory_utilization: float | None = Field(
        default=None, description="share of the card the engine takes"
    )
    verdict: Literal["fits", "tight"]
    expected_memory_gib: float | None = Field(
        default=None, description="per GPU: weights, overhead, one request"
    )
    headroom_gib: float | None = None
    max_concurrency: float | None = Field(default=None, description="requests of that context at once")
    decode_tok_s_low: float | None = None
    decode_tok_s_high: float | None = None
    reasons: tuple[str, ...] = ()
    manifests: tuple[str, ...] = Field(default=(), description="paths below the registry")
    refused: dict[str, str] = Field(
        default_factory=dict, description="targets that cannot serve it, with reasons"
    )
