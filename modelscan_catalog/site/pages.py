"""Render the explorer's pages from templates; every value is escaped."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

PAGES = ("index.html", "model.html", "compare.html", "gpu.html", "changes.html", "changes.atom")
"""Each is ``templates/<page>.j2``."""


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("modelscan_catalog.site"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render(page: str, facts: Mapping[str, Any]) -> bytes:
    """``page`` with ``facts`` filled in."""
    return _environment().get_template(f"{page}.j2").render(facts).encode()


def static_files() -> dict[str, bytes]:
    """Scripts and styles by name, as they are."""
    folder = files("modelscan_catalog.site").joinpath("static")
    return {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.is_file()}
