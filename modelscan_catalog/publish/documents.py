"""Records as the JSON objects that are published: unknown values are left out, field order is fixed."""

from typing import Any

from pydantic import BaseModel


def document(record: BaseModel) -> dict[str, Any]:
    """``record`` as a JSON object without nulls and empty collections; zero and false stay."""
    return _pruned(record.model_dump(mode="json"))


def _pruned(value: dict[str, Any]) -> dict[str, Any]:
    kept = {}
    for name, inner in value.items():
        if isinstance(inner, dict):
            inner = _pruned(inner)
        elif isinstance(inner, list):
            inner = [_pruned(item) if isinstance(item, dict) else item for item in inner]
        if inner is not None and inner != {} and inner != []:
            kept[name] = inner
    return kept
