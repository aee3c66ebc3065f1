"""The fit's data files (families, constants, engine defaults), read once a process."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

REGISTRY = Path(__file__).resolve().parents[2] / "registry"
_TRIED: ContextVar[Mapping[str, float] | None] = ContextVar("tried constants", default=None)


@cache
def table(name: str) -> Any:
    """The JSON document `registry/<name>`; part of the repository, so its absence is a damaged copy."""
    return json.loads((REGISTRY / name).read_text(encoding="utf-8"))


def constant(name: str) -> float:
    """A constant of `registry/fit/constants.json` by name, or the value that `tried` puts in its place."""
    tried_values = _TRIED.get()
    if tried_values is not None and name in tried_values:
        return tried_values[name]
    return float(table("fit/constants.json")["constants"][name]["value"])


@contextmanager
def tried(values: Mapping[str, float]) -> Iterator[None]:
    """Within the block, these constants have these values: for cross-validation."""
    token = _TRIED.set({**(_TRIED.get() or {}), **values})
    try:
        yield
    finally:
        _TRIED.reset(token)
