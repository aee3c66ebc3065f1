"""What each step of adding a provider hands to the next, and the report at the end."""

from typing import Any, Literal

from pydantic import Field, JsonValue

from modelscan_catalog.onboarding.probe import Probe
from modelscan_catalog.onboarding.quoted import SourceText
from modelscan_catalog.records import Record
from modelscan_catalog.sdk.interface import Evidence, ProviderInterface
from modelscan_catalog.sources.staged import ModelsDevOffer, ModelsDevProvider

StepName = Literal[
    "gather_models_dev",
    "gather_gpustack",
    "gather_huggingface",
    "gather_modelscope",
    "synthesise",
    "validate",
    "generate",
    "compile",
    "contract_test",
    "reload_router",
    "store",
]
GATHER: tuple[StepName, ...] = (
    "gather_models_dev",
    "gather_gpustack",
    "gather_huggingface",
    "gather_modelscope",
)
STEPS: tuple[StepName, ...] = (
    *GATHER,
    "synthesise",
    "validate",
    "generate",
    "compile",
    "contract_test",
    "reload_router",
    "store",
)
"""The eleven steps in order; the report follows."""
Standing = Literal["usable", "unconfirmed", "needs_more"]


class Gathered(Record):
    """What one source says of the identifier."""

    source: str
    origin: str = Field(description="live, cached, snapshot or missing")
    found: bool
    summary: str
    provider: ModelsDevProvider | None = None
    offers: tuple[ModelsDevOffer, ...] = ()
    rows: tuple[dict[str, JsonValue], ...] = ()
    texts: tuple[SourceText, ...] = ()
    problems: tuple[str, ...] = ()


class Synthesised(Record):
    """The interface by rules and documents, what is still open, and the texts that may tell it."""

    interface: ProviderInterface
    open: tuple[str, ...]
    texts: tuple[SourceText, ...] = ()
    problems: tuple[str, ...] = Field(default=(), description="readers of other packages that failed")
    domains: tuple[str, ...] = ()


class Validated(Record):
    """An interface that passed the gate, and how inferred parts of it fared."""

    interface: ProviderInterface
    interface_sha256: str
    tries: int
    probe: Probe | None = None
    confirmation: str | None = Field(default=None, description="who confirmed what was inferred, and when")


class Generated(Record):
    """The client's text."""

    file: str
    text: str
    sha256: str
    interface_sha256: str
    lines: int


class Compiled(Record):
    """Compiled, imported in a process of its own, type-checked; null where mypy is not installed."""

    sha256: str
    imports: bool
    types: bool | None


class ContractTested(Record):
    """Claims that held against a local server in the provider's shape."""

    sha256: str
    claims: tuple[str, ...]


class Reloaded(Record):
    """Whether routers serve the provider."""

    registered: bool
    detail: str


class Stored(Record):
    """What is kept."""

    standing: Standing
    sha256: str | None
    file: str | None
    key_references: int
    new_version: bool


class StepReport(Record):
    """How one step went."""

    step: StepName
    outcome: Literal["done", "cached", "failed", "planned", "not_run"]
    seconds: float | None = None
    summary: str = ""


class OnboardingReport(Record):
    """The end of a run."""

    identifier: str
    provider: str
    model: str | None
    standing: Standing
    api_type: str | None
    base_url: str | None
    inferred: tuple[Evidence, ...] = Field(
        default=(), description="what a person has to judge, with its words"
    )
    missing: tuple[str, ...] = ()
    client: str | None = None
    sha256: str | None = None
    steps: tuple[StepReport, ...]
    next_step: str = ""

    @property
    def passed(self) -> bool:
        """Whether every step went through."""
        return self.passed_until("store")

    def passed_until(self, last: StepName) -> bool:
        """Whether every step up to ``last`` went through."""
        wanted = STEPS[: STEPS.index(last) + 1]
        return all(
            step.outcome in ("done", "cached", "planned") for step in self.steps if step.step in wanted
        )

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return self.model_dump(mode="json")
