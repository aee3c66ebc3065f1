"""What the catalogue says: models, their weights, who sells them, and how they are launched."""

from typing import Literal

from pydantic import Field

from modelscan_catalog.records.base import IdKind, Record

Category = Literal[
    "llm", "vlm", "embedding", "reranker", "image", "video", "speech_to_text", "text_to_speech"
]
Status = Literal["stable", "beta", "experimental", "deprecated"]
PARTIAL_DATE = r"^\d{4}(-\d{2}(-\d{2})?)?$"
"""Dates as precise as the source gives them: year, month or day."""


class Capabilities(Record):
    """True, false, or null where no source says."""

    attachment: bool | None = None
    reasoning: bool | None = None
    tool_call: bool | None = None
    structured_output: bool | None = None
    temperature: bool | None = None


class Limits(Record):
    """Token limits; null when a source gives none or gives zero."""

    context: int | None = Field(default=None, gt=0)
    input: int | None = Field(default=None, gt=0)
    output: int | None = Field(default=None, gt=0)


class Modalities(Record):
    """What goes in and comes out: text, image, audio, video, pdf; sorted."""

    input: tuple[str, ...] = ()
    output: tuple[str, ...] = ()


class Parameters(Record):
    """Parameter counts of one model or checkpoint (numbers, not billions)."""

    total: int | None = Field(default=None, gt=0)
    active: int | None = Field(default=None, gt=0)


class Alias(Record):
    """Another name of a model, and whose name it is."""

    kind: IdKind
    id: str


class Model(Record):
    """One model, whoever serves it; ``id`` is ``lab/name`` in lower case."""

    id: str = Field(pattern=r"^[a-z0-9._~-]+/[a-z0-9._~:+@-]+$")
    name: str
    lab: str
    family: str | None = None
    category: Category | None = None
    status: Status | None = None
    status_reason: str | None = None
    open_weights: bool | None = None
    capabilities: Capabilities = Capabilities()
    modalities: Modalities = Modalities()
    limits: Limits = Limits()
    parameters: Parameters = Parameters()
    architectures: tuple[str, ...] = ()
    model_type: str | None = None
    licenses: tuple[str, ...] = ()
    release_date: str | None = Field(default=None, pattern=PARTIAL_DATE)
    last_updated: str | None = Field(default=None, pattern=PARTIAL_DATE)
    knowledge: str | None = Field(default=None, pattern=PARTIAL_DATE)
    tags: tuple[str, ...] = ()
    urls: dict[str, str] = Field(default_factory=dict)
    aliases: tuple[Alias, ...] = ()
    variants: tuple[str, ...] = Field(default=(), description="ids of its weights, official one first")
    offers: int = Field(default=0, ge=0, description="how many sellers' offers name it")
    deployments: int = Field(default=0, ge=0, description="how many launch recipes name it")


class Quantization(Record):
    """How a checkpoint stores its weights, in the words of its own configuration."""

    scheme: str = Field(
        description="bf16, fp16, fp32, fp8, mxfp8, int8, w8a8-int8, awq, gptq, int4, nvfp4, mxfp4, gguf, ..."
    )
    method: str | None = Field(default=None, description="quant_method of the checkpoint's configuration")
    bits: float | None = Field(default=None, gt=0)
    group_size: int | None = None
    kv_cache_dtype: str | None = Field(
        default=None, description="KV cache dtype that the checkpoint asks for"
    )
    evidence: Literal["config", "safetensors", "recipe", "repo_name"] = "config"


class WeightFile(Record):
    """One weight file as its hub lists it."""

    path: str
    bytes: int | None = Field(default=None, ge=0)
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")


class Variant(Record):
    """Weights that exist: one repository at one revision."""

    id: str = Field(description="owner/name on its first hub")
    model: str
    hub: Literal["huggingface", "modelscope"]
    repo: str
    revision: str | None = None
    modelscope_repo: str | None = Field(default=None, description="the same weights on ModelScope")
    official: bool | None = Field(default=None, description="published by the model's own lab")
    quantization: Quantization | None = None
    parameters: int | None = Field(default=None, gt=0)
    weights_bytes: int | None = Field(default=None, gt=0)
    weights_basis: Literal["safetensors_index", "safetensors_dtypes", "hub_files"] | None = None
    model_type: str | None = None
    architectures: tuple[str, ...] = ()
    context: int | None = Field(default=None, gt=0, description="declared longest sequence, tokens")
    gated: bool | None = None
    license: str | None = None
    downloads: int | None = Field(default=None, ge=0, description="of the last 30 days, as the hub counts")
    created_at: str | None = None
    has_config: bool = False
    files: tuple[WeightFile, ...] = ()


class PriceTier(Record):
    """A price that holds above a context size."""

    above_context_tokens: int = Field(gt=0)
    input: float | None = Field(default=None, ge=0)
    output: float | None = Field(default=None, ge=0)
    cache_read: float | None = Field(default=None, ge=0)
    cache_write: float | None = Field(default=None, ge=0)


class Price(Record):
    """USD per million tokens; null where the seller names none (zero means free of charge)."""

    input: float | None = Field(default=None, ge=0)
    output: float | None = Field(default=None, ge=0)
    cache_read: float | None = Field(default=None, ge=0)
    cache_write: float | None = Field(default=None, ge=0)
    reasoning: float | None = Field(default=None, ge=0)
    input_audio: float | None = Field(default=None, ge=0)
    output_audio: float | None = Field(default=None, ge=0)
    tiers: tuple[PriceTier, ...] = ()


class Provider(Record):
    """A seller of API access."""

    id: str
    name: str
    api_type: Literal["openai-compatible", "anthropic-compatible", "custom"]
    base_url: str | None = None
    npm: str | None = None
    env: tuple[str, ...] = Field(
        default=(), description="environment variables that its clients read keys from"
    )
    doc: str | None = None
    offers: int = Field(default=0, ge=0)


class Offer(Record):
    """One seller's terms for one model; ``id`` is ``provider/model`` in the seller's own spelling."""

    id: str
    provider: str
    provider_model: str
    model: str | None = Field(default=None, description="null while no rule links it to one model")
    name: str
    family: str | None = None
    status: Status | None = None
    price: Price | None = None
    capabilities: Capabilities = Capabilities()
    modalities: Modalities = Modalities()
    limits: Limits = Limits()
    open_weights: bool | None = None
    reasoning_efforts: tuple[str, ...] = ()
    release_date: str | None = Field(default=None, pattern=PARTIAL_DATE)
    last_updated: str | None = Field(default=None, pattern=PARTIAL_DATE)
    knowledge: str | None = Field(default=None, pattern=PARTIAL_DATE)
    api_type: Literal["openai-compatible", "anthropic-compatible", "custom"] | None = Field(
        default=None, description="where it differs from its provider's"
    )
    base_url: str | None = None
    observed_at: str = Field(description="when these terms were first seen (UTC, ISO 8601)")


class GpuFilter(Record):
    """Which accelerators a recipe is for, in GPUStack's terms."""

    vendors: tuple[str, ...] = ()
    compute_capability: str | None = Field(default=None, description="PEP 440 specifier, such as >=9.0")
    vendor_variant: str | None = None


class Deployment(Record):
    """A launch recipe that a source publishes for one variant."""

    id: str
    model: str
    variant: str
    source: Literal["gpustack"]
    catalogue: Literal["huggingface", "modelscope"]
    set_name: str
    position: int = Field(ge=0, description="place in its set: the first match of a mode wins")
    mode: str
    quantization: str | None = None
    engine: str
    engine_version: str | None = None
    parameters: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)
    gpu_filter: GpuFilter | None = None
    categories: tuple[str, ...] = ()
    speculative: dict[str, str] | None = None
    vram_claim_bytes: int | None = Field(
        default=None, gt=0, description="measured claim that the recipe states"
    )
