"""Reads settings once: arguments over the environment over an optional YAML file over the defaults."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.settings.model import Settings


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
