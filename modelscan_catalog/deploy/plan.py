"""The deployment plan: what is to run where, and why; every target and client takes this one document.

`modelscan_catalog.deploy.planner.make_plan(published, request)` makes one. A plan whose `starts` is false is
a refusal: `reasons` say why and `alternatives` what would work. `launch_plan()` is the input of the manifest
emitters (`modelscan_catalog.manifests`). As JSON: `model_dump_json()` and `model_validate_json()`.
"""

from typing import Literal

from pydantic import Field

from modelscan_catalog.errors import ManifestError
from modelscan_catalog.manifests.engines import canonical_engine
from modelscan_catalog.manifests.plan_input import LaunchPlan
from modelscan_catalog.records.base import Record

Hub = Literal["huggingface", "modelscope", "local"]
PlanVerdict = Literal[
    "fits", "tight", "offload_only", "does_not_fit", "unsupported", "unknown", "no_checkpoint"
]
"""The fit's verdicts, and `no_checkpoint`: there are no weights of what was asked."""
_WEIGHT_SOURCES: dict[Hub, Literal["huggingface", "model_scope", "local_path"]] = {
    "huggingface": "huggingface",
    "modelscope": "model_scope",
    "local": "local_path",
}


class PlanRequest(Record):
    """What is asked; null leaves the choice to the planner, which then says what it chose and why."""

    model: str = Field(min_length=1, max_length=400, description="any id that the catalogue knows")
    gpu: str | None = Field(default=None, description="NAME, NAME:COUNT, or null for this machine's cards")
    gpu_ids: tuple[str, ...] = Field(default=(), description="indices of the cards to use, such as 0 and 1")
    variant: str | None = Field(default=None, description="only this checkpoint of the model")
    quantization: str | None = Field(default=None, description="only checkpoints stored so")
    online: bool = Field(
        default=False, description="a 16-bit checkpoint, stored as `quantization` by the engine as it loads"
    )
    engine: str | None = None
    engine_version: str | None = None
    source: Hub | None = None
    local_path: str | None = Field(default=None, description="directory of the weights; source is local then")
    context: int | None = Field(default=None, description="tokens of a request")
    concurrency: int = Field(default=1, description="requests at once")
    goal: str = "standard"
    kv_cache_dtype: str | None = None
    tensor_parallel: int | None = None
    pipeline_parallel: int | None = None
    gpu_memory_utilization: float | None = None
    parameters: tuple[str, ...] = Field(
        default=(), description="further engine flags, --flag or --flag=value"
    )


class MemoryShare(Record):
    """GiB; the terms add up to `total_gib`, null where the arithmetic was not possible."""

    weights_gib: float | None = None
    kv_gib: float | None = None
    overhead_gib: float | None = None
    total_gib: float | None = None


class Speed(Record):
    """A band of tokens a second or seconds, estimated by the roofline unless `basis` says otherwise."""

    low: float
    point: float
    high: float
    basis: str


class Expected(MemoryShare):
    """Memory over all cards (each counted as the largest rank), one card's part and budget, and the speed."""

    per_gpu: MemoryShare = MemoryShare()
    card_gib: float | None = Field(default=None, description="what the driver offers of one card")
    budget_gib: float | None = Field(default=None, description="of one card, what the engine may use")
    headroom_gib: float | None = Field(default=None, description="of one card, left of the budget")
    missing_gib: float | None = Field(default=None, description="of one card, need over the budget")
    host_gib: float | None = Field(default=None, description="system memory that offloading needs")
    max_context: int | None = None
    max_concurrency: float | None = Field(default=None, description="requests of the planned context")
    decode_tok_s: Speed | None = Field(default=None, description="one request alone")
    throughput_tok_s: Speed | None = Field(default=None, description="as many requests as fit")
    ttft_s: Speed | None = Field(default=None, description="first token of a prompt of the planned context")


class Override(Record):
    """A choice that the request took from the planner, and what the planner had chosen."""

    field: str
    asked: str
    planned: str | None = Field(description="null where nothing starts without the override either")


class PlanAlternative(Record):
    """What would work instead; `text` is a line a person can act on, `request` asks for exactly that."""

    change: Literal[
        "variant", "kv_cache_dtype", "context", "count", "card", "offload", "override", "source", "model"
    ]
    text: str
    request: PlanRequest | None = None


class ApiRoute(Record):
    """A seller's offer of the model; USD per million tokens, null where the seller names no price."""

    provider: str
    provider_model: str
    api_type: str | None = None
    base_url: str | None = None
    env: tuple[str, ...] = Field(default=(), description="variables that its clients read keys from")
    input_usd_per_mtok: float | None = None
    output_usd_per_mtok: float | None = None
    context: int | None = None
    observed_at: str | None = None


class DeploymentPlan(Record):
    """One model on named cards. Null fields of the launch are left to the engine, others are unknown.

    `flags` are the engine's arguments without the model, its revision, its served name and its address.
    `env` values that read `env:NAME` are secrets and stay references. `gpu_ids` is empty where any cards do.
    """

    model_id: str
    served_model_name: str
    verdict: PlanVerdict
    binding: str | None = Field(default=None, description="what decided a verdict other than fits")
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    overridden: tuple[Override, ...] = ()
    alternatives: tuple[PlanAlternative, ...] = ()
    offers: tuple[ApiRoute, ...] = Field(default=(), description="API routes, cheapest first")
    offers_total: int = 0

    variant_id: str | None = None
    repo: str | None = Field(default=None, description="on `hub`; for a local hub the catalogue's id")
    revision: str | None = None
    hub: Hub | None = None
    local_path: str | None = Field(default=None, description="weights that are here already")
    weights_bytes: int | None = None
    gated: bool | None = None
    quantization: str | None = Field(default=None, description="how the checkpoint is stored")
    online_quantization: str | None = Field(
        default=None,
        description="the engine's value of --quantization, where it stores the weights so itself",
    )
    support: str | None = Field(default=None, description="native, weight_only, plugin")

    engine: str | None = None
    engine_version: str | None = None
    goal: str = "standard"
    gpu_profile_id: str | None = Field(
        description="null where the model has no weights and no card was named"
    )
    gpu_name: str | None = None
    gpu_vendor: str | None = None
    gpu_count: int | None = Field(default=None, ge=1)
    gpu_ids: tuple[str, ...] = ()
    detected: bool = Field(default=False, description="the cards are this machine's")
    tensor_parallel: int | None = None
    pipeline_parallel: int | None = None
    context: int | None = None
    declared_context: int | None = None
    concurrency: int = 1
    kv_cache_dtype: str | None = None
    gpu_memory_utilization: float | None = Field(default=None, description="asked for; null is the engine's")
    tool_parser: str | None = None
    reasoning_parser: str | None = None
    parameters: tuple[str, ...] = Field(default=(), description="flags of the request, part of `flags`")
    categories: tuple[str, ...] = ("llm",)
    flags: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)
    expected: Expected = Expected()

    @property
    def starts(self) -> bool:
        """Whether the engine is expected to start."""
        return self.verdict in ("fits", "tight")

    def device_env(self) -> dict[str, str]:
        """The variable that keeps a process on the plan's cards, for a launch on the machine itself.

        Empty where any cards do, and for a vendor without such a variable.
        """
        from modelscan_catalog.deploy.detect.mapping import vendors

        name = vendors().get(self.gpu_vendor or "", {}).get("visible_devices")
        return {name: ",".join(self.gpu_ids)} if name and self.gpu_ids else {}

    def launch_plan(self) -> LaunchPlan:
        """The input of the manifest emitters.

        Raises `ManifestError` for a refused plan, and for an engine without a flag table (llama.cpp).
        """
        engine = canonical_engine(self.engine or "")
        if (
            not self.starts
            or self.variant_id is None
            or self.repo is None
            or self.hub is None
            or self.gpu_profile_id is None
            or self.gpu_vendor is None
            or self.gpu_count is None
        ):
            why = self.reasons[0] if self.reasons else self.verdict
            raise ManifestError(f"{self.model_id}: the plan is refused ({why}); see its alternatives")
        if engine is None or self.engine_version is None:
            raise ManifestError(
                f"{self.variant_id}: {self.engine} takes no manifest; plan with --backend vllm or sglang"
            )
        return LaunchPlan(
            model_id=self.model_id,
            variant_id=self.variant_id,
            repo=self.local_path if self.hub == "local" and self.local_path else self.repo,
            revision=self.revision,
            source=_WEIGHT_SOURCES[self.hub],
            engine=engine,
            engine_version=self.engine_version,
            served_model_name=self.served_model_name,
            gpu_profile_id=self.gpu_profile_id,
            gpu_vendor=self.gpu_vendor,
            gpu_count=self.gpu_count,
            tensor_parallel=self.tensor_parallel or 1,
            pipeline_parallel=self.pipeline_parallel or 1,
            max_model_len=self.context,
            kv_cache_dtype=self.kv_cache_dtype,
            gpu_memory_utilization=self.gpu_memory_utilization,
            quantization=self.online_quantization,
            tool_parser=self.tool_parser,
            reasoning_parser=self.reasoning_parser,
            extra_parameters=self.parameters,
            env=self.env,
            categories=self.categories,
            expected_memory_gib=self.expected.per_gpu.total_gib,
        )
