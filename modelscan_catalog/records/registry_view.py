"""The shape of ``models_registry.json``: the catalogue as tools with one flat list of checkpoints read it."""

from typing import Any

from pydantic import Field

from modelscan_catalog.records.base import Record


class ViewCategory(Record):
    """A category as a user interface shows it."""

    name: str
    description: str
    icon: str


class ViewQuantization(Record):
    """Method and library; both null for 16 and 32 bit weights."""

    method: str | None
    type: str | None


class ViewRequirementFields(Record):
    """GiB of memory and the least hardware; null where the fit gave no answer."""

    min_vram_gb: float | None = Field(description="starts with one request of 4,096 tokens")
    recommended_vram_gb: float | None = Field(description="holds 8 requests of 32,768 tokens, or as declared")
    min_ram_gb: float | None
    cuda_compute_capability: str | None
    min_gpus: int | None


class ViewCapabilities(Record):
    """True, false, or null where no source says."""

    training: bool | None
    inference: bool | None
    vision: bool | None
    structured_outputs: bool | None
    streaming: bool | None
    function_calling: bool | None


class ViewInferenceDefaults(Record):
    """Launch settings of the model's reference plan."""

    max_model_len: int | None
    dtype: str | None
    gpu_memory_utilization: float | None
    quantization: str | None
    tensor_parallel_size: int | None


class ViewEntry(Record):
    """One checkpoint."""

    id: str
    name: str
    category: str
    provider: str
    base_architecture: str | None
    parameters: str | None = Field(description="such as 8.19B")
    description: str
    tags: tuple[str, ...]
    status: str | None
    quantization: ViewQuantization
    requirements: ViewRequirementFields
    capabilities: ViewCapabilities
    training_defaults: dict[str, Any] | None
    inference_defaults: ViewInferenceDefaults | None
    urls: dict[str, str | None]


class ModelsRegistry(Record):
    """The whole document; ``models`` is keyed by the checkpoint's id."""

    version: str
    last_updated: str | None
    categories: dict[str, ViewCategory]
    models: dict[str, ViewEntry]
