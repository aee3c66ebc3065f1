"""Settings of the discovery of providers: who fills what the rules leave open, how long an answer holds."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import BaseSettings

from modelscan_catalog.secret_refs import SecretRef


class Synthesis(BaseModel):
    """Which language model may read a provider's texts, and how much of it: off without a key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str | None = Field(default=None, description="reads what the rules left open")
    format: Literal["openai", "anthropic"] = "openai"
    base_url: str | None = None
    key: SecretRef | None = Field(
        default=None, description="env:NAME or file:PATH; without it nothing is asked"
    )
    fallback_model: str | None = Field(default=None, description="asked when the first one fails")
    fallback_format: Literal["openai", "anthropic"] = "openai"
    fallback_base_url: str | None = None
    fallback_key: SecretRef | None = None
    timeout_s: float = Field(default=60.0, gt=0, le=600, description="all tries of one provider together")
    max_tokens: int = Field(default=30_000, gt=0, description="of all tries of one provider together")
    max_tries: int = Field(default=3, ge=1, le=5)
    max_text_chars: int = Field(default=40_000, gt=0, description="of all texts of one provider together")


class DiscoverySettings(BaseSettings):
    """A part of ``Settings``."""

    agent_model: str | None = Field(
        default=None, description="language model that fills what the rules leave open; none when unset"
    )
    synthesis: Synthesis = Field(
        default=Synthesis(), description="its address, key and bounds; MODELSCAN_SYNTHESIS_* win over a file"
    )
    cache_days: int = Field(default=7, ge=0, le=3650, description="age at which a discovery is made anew")
    output_dir: Path | None = Field(default=None, description="generated clients; data_dir/sdk when unset")
