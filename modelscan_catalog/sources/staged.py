"""Staged rows: what each source says, typed, nothing merged; one Parquet table per class."""

from pydantic import Field

from modelscan_catalog.records import GpuFilter, Limits, Modalities, Price, Record


class ModelsDevProvider(Record):
    """A provider of models.dev ``api.json``."""

    id: str
    name: str
    npm: str | None = None
    api: str | None = Field(default=None, description="base URL; may hold ${VARIABLE}")
    doc: str | None = None
    env: tuple[str, ...] = ()


class ModelsDevFacts(Record):
    """What both documents of models.dev say of a model."""

    id: str
    name: str
    family: str | None = None
    status: str | None = None
    attachment: bool | None = None
    reasoning: bool | None = None
    tool_call: bool | None = None
    structured_output: bool | None = None
    temperature: bool | None = None
    open_weights: bool | None = None
    knowledge: str | None = None
    release_date: str | None = None
    last_updated: str | None = None
    modalities: Modalities = Modalities()
    limits: Limits = Limits()


class ModelsDevOffer(ModelsDevFacts):
    """A provider's model in models.dev ``api.json``."""

    provider: str
    canonical_model_id: str | None = None
    price: Price | None = None
    reasoning_efforts: tuple[str, ...] = ()
    provider_npm: str | None = Field(default=None, description="where it differs from the provider's")
    provider_api: str | None = None
    provider_shape: str | None = None


class ModelsDevBenchmark(Record):
    """A benchmark figure that models.dev ``models.json`` quotes."""

    name: str
    score: float
    metric: str | None = None
    source: str | None = None
    date: str | None = None


class ModelsDevLabModel(ModelsDevFacts):
    """A lab's model in models.dev ``models.json``; ``id`` is ``lab/name``."""

    license: str | None = None
    weights_urls: tuple[str, ...] = ()
    benchmarks: tuple[ModelsDevBenchmark, ...] = ()


class GpustackSet(Record):
    """A model set of a GPUStack catalogue."""

    catalogue: str = Field(description="huggingface or modelscope")
    name: str
    position: int
    home: str | None = None
    size: float | None = None
    activated_size: float | None = None
    size_unit: str = "B"
    categories: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    licenses: tuple[str, ...] = ()
    release_date: str | None = None


class GpustackSpec(Record):
    """A launch recipe of a GPUStack model set."""

    catalogue: str
    set_name: str
    position: int
    mode: str
    quantization: str | None = None
    repo: str
    backend: str
    backend_version: str | None = None
    backend_parameters: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)
    gpu_filter: GpuFilter | None = None
    categories: tuple[str, ...] = ()
    speculative: dict[str, str] | None = None


class GpustackDraftModel(Record):
    """A draft model for speculative decoding that a GPUStack catalogue lists."""

    catalogue: str
    name: str
    algorithm: str
    repo: str


class RepoFile(Record):
    """A file of a hub repository."""

    path: str
    bytes: int | None = None
    sha256: str | None = None


class HuggingFaceRepo(Record):
    """A Hub repository with the facts that the fit and the merge read."""

    id: str
    requested_as: tuple[str, ...] = Field(default=(), description="other spellings that led here (renames)")
    sha: str | None = None
    pipeline_tag: str | None = None
    library_name: str | None = None
    model_type: str | None = None
    architectures: tuple[str, ...] = ()
    licenses: tuple[str, ...] = ()
    gated: bool | None = None
    downloads: int | None = None
    likes: int | None = None
    created_at: str | None = None
    last_modified: str | None = None
    base_models: tuple[str, ...] = Field(default=(), description="owner/name of base_model tags")
    base_model_relation: str | None = Field(default=None, description="quantized, finetune, adapter or merge")
    safetensors_total: int | None = None
    safetensors_dtypes: dict[str, int] = Field(default_factory=dict, description="parameters by dtype")
    index_total_size: int | None = Field(default=None, description="bytes, from the safetensors index")
    files: tuple[RepoFile, ...] = ()
    config_json: str | None = Field(default=None, description="facts of config.json, compact JSON")
    config_sha256: str | None = Field(default=None, description="of config.json as served")
    quant_config_json: str | None = Field(default=None, description="facts of hf_quant_config.json")


class ModelScopeRepo(Record):
    """A ModelScope repository."""

    id: str
    revision: str | None = Field(default=None, description="commit of the default branch")
    license: str | None = None
    model_type: str | None = None
    architectures: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    downloads: int | None = None
    likes: int | None = None
    created_at: str | None = None
    last_modified: str | None = None
    gated: bool | None = None
    base_models: tuple[str, ...] = ()
    weights_bytes: int | None = None
    tensor_types: tuple[str, ...] = ()
    files: tuple[RepoFile, ...] = ()
    files_complete: bool | None = Field(default=None, description="false when the listing was cut")
    config_json: str | None = None
    config_sha256: str | None = None
