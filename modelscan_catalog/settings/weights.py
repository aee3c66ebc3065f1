"""Settings of weights on disk and of the hubs they come from; names are those of model managers."""

import os
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings

from modelscan_catalog.durations import DurationS
from modelscan_catalog.secret_refs import SecretRef, check_reference


def _secret_in(variable: str) -> str | None:
    """A reference to the secret that ``variable`` holds, or the reference that it holds; None when unset."""
    value = os.environ.get(variable, "").strip()
    if not value:
        return None
    try:
        return check_reference(value)
    except ValueError:
        return f"env:{variable}"


class WeightsSettings(BaseSettings):
    """A part of ``Settings``."""

    huggingface_token: SecretRef | None = Field(
        default_factory=lambda: _secret_in("HUGGINGFACE_API_TOKEN") or _secret_in("HF_TOKEN"),
        description="env:HUGGINGFACE_API_TOKEN, or env:HF_TOKEN, when that is set",
    )
    modelscope_token: SecretRef | None = None
    weights_path: Path | None = Field(
        default=None, validation_alias="WEIGHTS_STORAGE_PATH", description="data_dir/weights when unset"
    )
    weights_install_timeout_s: DurationS = Field(
        default=1800.0, gt=0, validation_alias="WEIGHTS_INSTALL_TIMEOUT", description="such as 30m"
    )
    weights_parallel: int = Field(default=4, ge=1, le=16, description="files of one install fetched at once")
    weights_jobs: int = Field(default=2, ge=1, le=16, description="installs that the API runs at once")
    weights_alert_threshold: float = Field(
        default=0.85,
        gt=0,
        le=1,
        validation_alias="PVC_ALERT_THRESHOLD",
        description="share of the disk from which a notice is sent",
    )
    slack_webhook_url: SecretRef | None = Field(
        default_factory=lambda: _secret_in("SLACK_WEBHOOK_URL"),
        description="where notices go; env:SLACK_WEBHOOK_URL when that is set",
    )
    huggingface_cache_ttl_s: DurationS = Field(
        default=300.0, ge=0, validation_alias="HUGGINGFACE_CACHE_TTL", description="such as 5m"
    )
    vllm_cache_ttl_s: DurationS = Field(
        default=600.0, ge=0, validation_alias="VLLM_CACHE_TTL", description="such as 10m"
    )
