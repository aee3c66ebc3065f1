"""Reads settings once: arguments over the environment over an optional YAML file over the defaults."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import AliasChoices, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, InitSettingsSource, PydanticBaseSettingsSource
from pydantic_settings.exceptions import SettingsError as UnreadableValueError

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.settings.model import Settings
from modelscan_catalog.settings.names import SECTIONS, environment_warnings, implied_references, near

STRICT_FIELDS = frozenset({"api_keys", "synthesis", "rate_limit", "gpustack_server", "kubeconfig"})
"""Where a default instead of a wrong value would be dangerous: no secret, no limit, another server. So is
every field whose name ends in ``_token`` or ``_key``.
"""
_FIELD_IN_QUOTES = re.compile(r'field "(\w+)"')


@dataclass(frozen=True)
class Loaded:
    """Settings, and a line for everything in the file or the environment that they do not follow."""

    settings: Settings
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Layers:
    """What is laid over the defaults; ``without`` are variables, in lower case, that are passed over."""

    overrides: Mapping[str, Any]
    from_file: Mapping[str, Any]
    without: frozenset[str] = frozenset()

    def settings(self) -> Settings:
        layers = self

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
                assert isinstance(env_settings, EnvSettingsSource)
                env_settings.env_vars = {
                    name: value for name, value in env_settings.env_vars.items() if name not in layers.without
                }
                beneath = implied_references(os.environ) | dict(layers.from_file)
                return init_settings, env_settings, InitSettingsSource(settings_cls, beneath)

        return Layered(**layers.overrides)


def load_settings(config_file: Path | None = None, **overrides: Any) -> Settings:
    """Settings from ``overrides`` that are not None, over the environment, over ``config_file`` (YAML).

    Raises ``SettingsError`` naming the file or variable and the field.
    """
    from_file = _flat(_read_yaml(config_file)) if config_file is not None else {}
    try:
        return _Layers(_given(overrides), from_file).settings()
    except ValidationError as error:
        where, why = _first(error)
        raise SettingsError(f"setting {where}: {why}") from error
    except UnreadableValueError as error:
        raise SettingsError(f"setting: {error}") from error


def load_tolerant(config_file: Path | None = None, **overrides: Any) -> Loaded:
    """As ``load_settings`` for a service that should start: what is wrong falls back to its default.

    Raises ``SettingsError`` for a wrong argument, a literal secret, and the fields of ``STRICT_FIELDS``.
    """
    warnings: list[str] = []
    from_file: dict[str, Any] = {}
    if config_file is not None:
        try:
            from_file = _flat(_read_yaml(config_file))
        except SettingsError as error:
            warnings.append(f"{error}; defaults and the environment are used")
    for key in sorted(set(from_file) - set(Settings.model_fields)):
        warnings.append(
            f"{config_file}: {key}: no setting has that name{near(key, set(Settings.model_fields))}"
        )
        del from_file[key]
    layers = _Layers(_given(overrides), from_file)
    while True:
        try:
            settings = layers.settings()
        except ValidationError as error:
            where, why = _first(error)
            cause: Exception = error
        except UnreadableValueError as error:
            found = _FIELD_IN_QUOTES.search(str(error))
            where, why = found[1] if found else "", "cannot be read"
            cause = error
        else:
            return Loaded(settings, (*warnings, *environment_warnings(Settings.model_fields)))
        layers, warning = _without(layers, where, why, cause, config_file)
        warnings.append(warning)


def _without(
    layers: _Layers, where: str, why: str, cause: Exception, config_file: Path | None
) -> tuple[_Layers, str]:
    """The layers without the wrong value of the field at ``where``, and the line that says so."""
    name = where.partition(".")[0]
    field = next(
        (field for field in Settings.model_fields if name.lower() in (field, *variables_of(field))), name
    )
    if field in STRICT_FIELDS or field.endswith(("_token", "_key")) or field in layers.overrides:
        raise SettingsError(f"setting {where}: {why}") from cause
    default = Settings.model_fields[field].default if field in Settings.model_fields else None
    instead = f"{default} is used" if isinstance(default, str | int | float) else "its default is used"
    names = {
        spelled
        for spelled in os.environ
        if _is_of(spelled.lower(), field) and spelled.lower() not in layers.without
    }
    if names:
        dropped = layers.without | {spelled.lower() for spelled in names}
        warning = f"{', '.join(sorted(names))}: {why}; {instead}"
        return _Layers(layers.overrides, layers.from_file, dropped), warning
    if field in layers.from_file:
        kept = {key: value for key, value in layers.from_file.items() if key != field}
        warning = f"{config_file}: {where}: {why}; {instead}"
        return _Layers(layers.overrides, kept, layers.without), warning
    raise SettingsError(f"setting {where}: {why}") from cause


def variables_of(field: str) -> tuple[str, ...]:
    """Names of a field in the environment, in lower case."""
    alias = Settings.model_fields[field].validation_alias
    if isinstance(alias, AliasChoices):
        return tuple(str(choice).lower() for choice in alias.choices)
    return (str(alias).lower(),) if alias is not None else (f"modelscan_{field}",)


def _is_of(variable: str, field: str) -> bool:
    return field in Settings.model_fields and variable.partition("__")[0] in variables_of(field)


def _given(overrides: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in overrides.items() if value is not None}


def _first(error: ValidationError) -> tuple[str, str]:
    first = error.errors(include_input=False, include_url=False)[0]
    return ".".join(str(part) for part in first["loc"]), first["msg"]


def _flat(document: Mapping[str, Any]) -> dict[str, Any]:
    """Sections such as ``server: {port: 8080}`` as settings; a key of an unknown section stays dotted."""
    flat: dict[str, Any] = {}
    sections = {section for section, _ in SECTIONS}
    for key, value in document.items():
        if key in sections and isinstance(value, dict):
            flat |= {SECTIONS.get((key, inner), f"{key}.{inner}"): found for inner, found in value.items()}
        else:
            flat[str(key)] = value
    return flat


def _read_yaml(config_file: Path) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(config_file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{config_file}: cannot be read as YAML: {error}") from error
    if not isinstance(loaded, dict | None):
        raise SettingsError(f"{config_file}: expected a mapping of settings at the top")
    return loaded or {}
