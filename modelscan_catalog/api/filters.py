"""Query parameters of lists, and pages of rows; an unknown parameter is refused by name."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from modelscan_catalog.api.reads import ApiCatalogue, envelope, unknown
from modelscan_catalog.registry.files import Row

_MOST_PAGE = 10_000_000
_MOST_FOUND = 500


class Page(BaseModel):
    """Which part of a list is wanted."""

    model_config = ConfigDict(extra="forbid")

    page: int = Field(default=1, ge=1, le=_MOST_PAGE)
    per_page: int = Field(default=100, ge=1, le=500)


class AuditFilter(BaseModel):
    """Which rows of the audit log are wanted."""

    model_config = ConfigDict(extra="forbid")

    subject: str = Field(default="", max_length=300)
    limit: int = Field(default=100, ge=1, le=1000)


class ModelFilters(Page):
    """Models to list; an empty text or a zero bounds nothing."""

    q: str = Field(default="", max_length=300, description="search: names, tasks, bounds")
    category: str = Field(default="", max_length=60)
    tag: str = Field(default="", max_length=60)
    lab: str = Field(default="", max_length=120)
    provider: str = Field(default="", max_length=120)
    open_weights: Literal["", "true", "false"] = ""
    max_vram_gib: float = Field(default=0, ge=0, le=1e6, description="its smallest checkpoint starts in this")
    max_usd_per_mtok: float = Field(default=0, ge=0, le=1e6)
    min_context: int = Field(default=0, ge=0, le=10**12)
    include_deprecated: bool = False


def filtered(catalogue: ApiCatalogue, wanted: ModelFilters) -> list[Row]:
    """Rows of the models that hold all of ``wanted``; by search rank where ``q`` is given.

    Raises ``UnknownIdError`` with candidates for a category, tag, lab or provider that nothing has.
    """
    rows = catalogue.found(wanted.q, _MOST_FOUND) if wanted.q else catalogue.rows
    for name in ("category", "lab"):
        value = getattr(wanted, name)
        if value:
            _must_be_known(name, value, {row[name]: 1 for row in catalogue.rows if row[name]})
            rows = [row for row in rows if row[name] == value]
    if wanted.tag:
        _must_be_known("tag", wanted.tag, {tag: 1 for row in catalogue.rows for tag in row["tags"]})
        rows = [row for row in rows if wanted.tag in row["tags"]]
    if wanted.provider:
        sold = {row["id"] for row in catalogue.provided(wanted.provider)}
        rows = [row for row in rows if row["id"] in sold]
    if wanted.open_weights:
        rows = [row for row in rows if row["open_weights"] is (wanted.open_weights == "true")]
    bounds = (("min_vram_gib", wanted.max_vram_gib, 1), ("usd_per_mtok", wanted.max_usd_per_mtok, 1),
              ("context", wanted.min_context, -1))  # fmt: skip
    for name, bound, sign in bounds:
        if bound:
            rows = [row for row in rows if row[name] is not None and sign * row[name] <= sign * bound]
    if not wanted.include_deprecated:
        rows = [row for row in rows if row["status"] != "deprecated"]
    return rows


def _must_be_known(name: str, value: str, known: Mapping[str, Any]) -> None:
    if value not in known:
        raise unknown(name, value, known)


def paged(rows: Sequence[Any], page: Page) -> dict[str, Any]:
    """One page in the envelope; a page behind the last is empty."""
    start = (page.page - 1) * page.per_page
    part = list(rows[start : start + page.per_page])
    return envelope(part, len(rows), page=page.page, per_page=page.per_page)
