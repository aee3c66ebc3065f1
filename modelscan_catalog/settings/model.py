"""Every setting with its default and bounds; a topic of its own is a class that ``Settings`` extends."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import SettingsConfigDict

from modelscan_catalog import __version__
from modelscan_catalog.secret_refs import SecretRef
from modelscan_catalog.settings.cluster import ClusterSettings
from modelscan_catalog.settings.discovery import DiscoverySettings
from modelscan_catalog.settings.service import ServiceSettings
from modelscan_catalog.settings.weights import WeightsSettings

REPOSITORY_ROOT = Path(__file__).resolve().parents[2]


class HttpLimits(BaseModel):
    """Bounds on every request to a source; seconds, bytes and counts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    connect_timeout_s: float = Field(default=5.0, gt=0)
    read_timeout_s: float = Field(default=30.0, gt=0, description="longest silence within one answer")
    total_timeout_s: float = Field(default=180.0, gt=0, description="one answer, first byte to last")
    source_deadline_s: float = Field(default=1800.0, gt=0, description="all requests of one source together")
    max_body_bytes: int = Field(default=64 * 1024 * 1024, gt=0)
    max_attempts: int = Field(default=4, ge=1)
    max_retry_wait_s: float = Field(default=60.0, ge=0, description="longest obeyed Retry-After")


class Settings(ClusterSettings, ServiceSettings, WeightsSettings, DiscoverySettings):
    """Frozen; a field's environment name is its alias, or ``MODELSCAN_`` and the field name."""

    model_config = SettingsConfigDict(
        env_prefix="MODELSCAN_",
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        populate_by_name=True,
    )

    registry_dir: Path = REPOSITORY_ROOT / "registry"
    data_dir: Path = REPOSITORY_ROOT / "data"
    out_dir: Path | None = Field(default=None, description="registry_dir/published when unset")

    models_dev_url: str = "https://models.dev"
    gpustack_url: str = "https://raw.githubusercontent.com"
    gpustack_ref: str = "main"
    huggingface_url: str = Field(default="https://huggingface.co", validation_alias="HF_ENDPOINT")
    modelscope_url: str = Field(default="https://www.modelscope.cn", validation_alias="MODELSCOPE_ENDPOINT")

    parallel_batch: int = Field(default=5, ge=1, le=32, description="requests at once per host")
    popular_repos_per_task: int = Field(default=300, ge=0, le=5000)
    user_agent: str = f"modelscan-catalog/{__version__}"
    http: HttpLimits = HttpLimits()

    gpustack_server: str | None = Field(default=None, description="base URL of the server to deploy to")
    gpustack_key: SecretRef | None = Field(default=None, description="its API key, env:NAME or file:PATH")

    published_fit_variants: int = Field(default=200, ge=1, description="checkpoints with published fit files")
    max_shrink: float = Field(default=0.3, gt=0, lt=1, description="largest tolerated loss of rows")
    stale_after_days: int = Field(default=14, ge=1)

    @property
    def published_dir(self) -> Path:
        """Directory that the last step of a build replaces atomically."""
        return self.out_dir or self.registry_dir / "published"

    @property
    def weights_dir(self) -> Path:
        """Directory that holds installed weights."""
        return self.weights_path or self.data_dir / "weights"

    @property
    def state_file(self) -> Path:
        """The SQLite file of jobs, deployments, history and audit."""
        if self.db_path is not None:
            return self.db_path
        return (self.state_dir or self.data_dir / "state") / "modelscan.db"
