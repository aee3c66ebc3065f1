"""Which language model may read a provider's texts, and how much of it: off without a key."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.secret_refs import SecretRef
from modelscan_catalog.settings import Settings


class LanguageModel(BaseModel):
    """One model behind an OpenAI- or Anthropic-format address."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(min_length=1)
    format: Literal["openai", "anthropic"] = "openai"
    base_url: str | None = Field(default=None, description="the vendor's own when unset")
    key: SecretRef


class SynthesisSettings(BaseSettings):
    """``MODELSCAN_SYNTHESIS_`` and the field name; the model itself may be ``discovery.agent_model``."""

    model_config = SettingsConfigDict(env_prefix="MODELSCAN_SYNTHESIS_", frozen=True, extra="forbid")

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

    def models(self) -> tuple[LanguageModel, ...]:
        """The model and its fallback, those that have a key."""
        found = []
        if self.model and self.key:
            found.append(
                LanguageModel(model=self.model, format=self.format, base_url=self.base_url, key=self.key)
            )
        if self.fallback_model and self.fallback_key:
            found.append(
                LanguageModel(
                    model=self.fallback_model,
                    format=self.fallback_format,
                    base_url=self.fallback_base_url,
                    key=self.fallback_key,
                )
            )
        return tuple(found)


def synthesis_settings(settings: Settings) -> SynthesisSettings:
    """The settings of the environment; the model falls back to ``settings.agent_model``.

    Raises ``SettingsError`` naming the variable.
    """
    try:
        found = SynthesisSettings()
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        name = "MODELSCAN_SYNTHESIS_" + "_".join(str(part) for part in first["loc"]).upper()
        raise SettingsError(f"{name}: {first['msg']}") from None
    return found if found.model else found.model_copy(update={"model": settings.agent_model})
