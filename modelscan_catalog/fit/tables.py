"""The fit's data files (families, constants, engine defaults), read once a process."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

REGISTRY = Path(__file__).resolve().parents[2] / "registry"


@cache
def table(name: str) -> Any:
    """The JSON document `registry/<name>`; the file is part of the repository, so its absence is a damaged copy."""
    return json.loads((REGISTRY / name).read_text(encoding="utf-8"))
