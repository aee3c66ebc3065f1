"""Settings of the discovery of providers: who fills what the rules leave open, how long an answer holds."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings


class DiscoverySettings(BaseSettings):
    """A part of ``Settings``."""

    agent_model: str | None = Field(
        default=None, description="language model that fills what the rules leave open; none when unset"
    )
    cache_days: int = Field(default=7, ge=0, le=3650, description="age at which a discovery is made anew")
    output_dir: Path | None = Field(default=None, description="generated clients; data_dir/sdk when unset")
