"""All settings, read once from defaults, an optional YAML file and the environment into a frozen object."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from modelscan_catalog import __version__
from modelscan_catalog.errors import SettingsError
from modelscan_catalog.secret_refs import SecretRef

REPOSITORY_ROOT = Path(__file__).resolve().parent.parent


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


class Settings(BaseSettings):
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

    huggingface_token: SecretRef | None = None
    modelscope_token: SecretRef | None = None

    parallel_batch: int = Field(default=5, ge=1, le=32, description="requests at once per host")
    popular_repos_per_task: int = Field(default=300, ge=0, le=5000)
    user_agent: str = f"modelscan-catalog/{__version__}"
    http: HttpLimits = HttpLimits()

    published_fit_variants: int = Field(default=200, ge=1, description="checkpoints with published fit files")
    max_shrink: float = Field(default=0.3, gt=0, lt=1, description="largest tolerated loss of rows")
    stale_after_days: int = Field(default=14, ge=1)

    @property
    def published_dir(self) -> Path:
        """Directory that the last step of a build replaces atomically."""
        return self.out_dir or self.registry_dir / "published"


def load_settings(config_file: Path | None = None, **overrides: Any) -> Settings:
    """Settings from ``overrides`` that are not None, over the environment, over ``config_file`` (YAML).

    Raises ``SettingsError`` naming the file or variable and the field.
    """
    from_file = _read_yaml(config_file) if config_file is not None else {}

    class Layered(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            del dotenv_settings, file_secret_settings  # no .env file is read behind the user's back
            return init_settings, env_settings, InitSettingsSource(settings_cls, from_file)

    try:
        return Layered(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"setting {where}: {first['msg']}") from error


def _read_yaml(config_file: Path) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(config_file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{config_file}: cannot be read as YAML: {error}") from error
    if not isinstance(loaded, dict | None):
        raise SettingsError(f"{config_file}: expected a mapping of settings at the top")
    return loaded or {}
