"""A user's own statements over the registry's: merged deep, validated again, with what they changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelscan_catalog.errors import OverrideError

if TYPE_CHECKING:
    from modelscan_catalog.registry.registry import Registry

_MOST_DEPTH = 16


@dataclass(frozen=True, slots=True)
class Overridden:
    """A field whose value an override changed."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class ResolvedConfig:
    """An entry with the overrides in it, and what they changed, by field."""

    config: dict[str, Any]
    overridden: tuple[Overridden, ...]


def deep_merge(defaults: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """``overrides`` over ``defaults``: objects merge key by key, all else (lists too) is replaced."""
    merged = dict(deepcopy(dict(defaults)))
    for key, value in overrides.items():
        before = merged.get(key)
        both = isinstance(value, Mapping) and isinstance(before, Mapping)
        merged[key] = deep_merge(before, value) if both else deepcopy(value)  # type: ignore[arg-type]
    return merged


def resolve_config(
    model_id: str, overrides: Mapping[str, Any], registry: Registry | None = None
) -> ResolvedConfig:
    """The registry's entry of a model with ``overrides`` merged in, validated again.

    Raises ``OverrideError`` naming the field that does not fit; ``id`` cannot be overridden.
    """
    from modelscan_catalog.registry.registry import get_registry

    source = registry or get_registry()
    return override_entry(source.row(source.get_model(model_id).id), overrides, "overrides")


def override_entry(entry: Mapping[str, Any], overrides: Mapping[str, Any], where: str) -> ResolvedConfig:
    """``overrides`` of one entry, validated; ``where`` names their origin in errors."""
    if overrides.get("id", entry["id"]) != entry["id"]:
        raise OverrideError(
            f"{where}: field id: an override cannot rename {entry['id']}; add a model instead"
        )
    _check_depth(overrides, where)
    merged = validated(deep_merge(entry, overrides), where)
    return ResolvedConfig(merged, tuple(_changed(entry, merged, "")))


def validated(entry: Mapping[str, Any], where: str) -> dict[str, Any]:
    """``entry`` when it is one of the view; ``OverrideError`` naming ``where`` and the field otherwise."""
    from pydantic import ValidationError

    from modelscan_catalog.records.registry_view import ViewEntry

    try:
        return ViewEntry.model_validate(entry).model_dump(mode="json")
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "(whole entry)"
        raise OverrideError(f"{where}: field {field}: {first['msg']}") from error


def read_overlays(path: Path) -> dict[str, tuple[dict[str, Any], str]]:
    """Overrides by checkpoint id, with the file that each stands in; later files merge over earlier ones.

    ``path`` is a JSON file ``{"models": {ID: {...}}}`` or a directory of such. Raises ``OverrideError``.
    """
    found: dict[str, tuple[dict[str, Any], str]] = {}
    for file in sorted(path.glob("*.json")) if path.is_dir() else [path]:
        try:
            models = json.loads(file.read_bytes())["models"]
            if not isinstance(models, dict) or not all(isinstance(row, dict) for row in models.values()):
                raise TypeError("models is no object of objects")
        except OSError as error:
            raise OverrideError(f"{file}: cannot be read ({error.strerror})") from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise OverrideError(
                f'{file}: write {{"models": {{"ID": {{...}}}}}} ({str(error)[:80]})'
            ) from error
        for model, values in models.items():
            before = found.get(model, ({}, ""))[0]
            found[model] = (deep_merge(before, values), f"{file}: {model}")
    return found


def _check_depth(value: Any, where: str, depth: int = 0) -> None:
    if depth > _MOST_DEPTH:
        raise OverrideError(f"{where}: is nested deeper than {_MOST_DEPTH} levels")
    if isinstance(value, Mapping):
        for inner in value.values():
            _check_depth(inner, where, depth + 1)


def _changed(before: Any, after: Any, path: str) -> list[Overridden]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return [
            change
            for key in sorted({*before, *after})
            for change in _changed(before.get(key), after.get(key), f"{path}.{key}" if path else key)
        ]
    return [] if before == after else [Overridden(path, before, after)]
