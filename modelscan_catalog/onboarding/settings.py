"""Which language model may read a provider's texts, and how much of it: off without a key."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.secret_refs import SecretRef
from modelscan_catalog.settings import Settings
from modelscan_catalog.settings.discovery import Synthesis


class LanguageModel(BaseModel):
    """One model behind an OpenAI- or Anthropic-format address."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(min_length=1)
    format: Literal["openai", "anthropic"] = "openai"
    base_url: str | None = Field(default=None, description="the vendor's own when unset")
    key: SecretRef


class SynthesisSettings(BaseSettings, Synthesis):
    """``MODELSCAN_SYNTHESIS_`` and the field name, over ``synthesis`` of a configuration file."""

    model_config = SettingsConfigDict(env_prefix="MODELSCAN_SYNTHESIS_", frozen=True, extra="forbid")

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
    """The settings of the environment, over those of the file; the model falls back to ``agent_model``.

    Raises ``SettingsError`` naming the variable.
    """
    try:
        given = SynthesisSettings().model_dump(exclude_unset=True)
        found = SynthesisSettings(**(settings.synthesis.model_dump(exclude_unset=True) | given))
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        name = "MODELSCAN_SYNTHESIS_" + "_".join(str(part) for part in first["loc"]).upper()
        raise SettingsError(f"{name}: {first['msg']}") from None
    return found if found.model else found.model_copy(update={"model": settings.agent_model})
