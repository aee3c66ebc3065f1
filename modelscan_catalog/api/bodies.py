"""Bodies that the POST endpoints take, and the envelope of every good answer; unknown fields are refused."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    """Every good answer; ``total`` counts all rows of a list, of which ``data`` may be a page."""

    model_config = ConfigDict(extra="allow")

    success: bool = True
    data: Any


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class ValidateBody(_Body):
    """A model to judge, on named cards where they are given."""

    model_id: str = Field(min_length=1, max_length=300)
    gpu_profile: str = Field(default="", max_length=100, description="such as rtx-4090:2")
    engine_version: str = Field(default="", max_length=60, description="such as vllm@0.33.0")


class GenerateBody(_Body):
    """A model whose entry is wanted."""

    id: str = Field(min_length=1, max_length=300)
    gpu_profile: str = Field(default="", max_length=100)


class EntryBody(_Body):
    """An entry in the shape of models_registry.json."""

    entry: dict[str, Any]
    gpu_profile: str = Field(default="", max_length=100)


class CatalogPrBody(EntryBody):
    """An entry to keep on a branch of the catalogue's repository; dry unless ``apply``."""

    apply: bool = False
    branch: str = Field(default="", max_length=120, pattern=r"^[A-Za-z0-9._/-]*$")
    message: str = Field(default="", max_length=300)


class UsageBody(_Body):
    """One request to a model, as somebody else measured it; null is unknown."""

    latency_ms: float = Field(ge=0, le=86_400_000, description="from the request to the end of the answer")
    success: bool = True
    ttft_ms: float | None = Field(default=None, ge=0, le=86_400_000)
    input_tokens: int | None = Field(default=None, ge=0, le=10**9)
    cached_tokens: int = Field(default=0, ge=0, le=10**9)
    output_tokens: int | None = Field(default=None, ge=0, le=10**9)
    cost_usd: float | None = Field(default=None, ge=0, le=1e6)
    provider: str = Field(default="", max_length=120, pattern=r"^[A-Za-z0-9._-]*$")
