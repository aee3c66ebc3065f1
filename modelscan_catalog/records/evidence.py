"""Where the catalogue's statements come from, what disagreed, and what changed."""

from typing import Literal

from pydantic import Field, JsonValue

from modelscan_catalog.records.base import IdKind, Record, SourceName
from modelscan_catalog.records.catalog import Limits, Price, Status


class SourceState(Record):
    """How one source was read in a build; times are the document's own, never the build's."""

    source: SourceName
    origin: Literal["live", "cached", "snapshot", "missing"]
    fetched_at: str | None = Field(default=None, description="when the oldest used document was fetched")
    documents: int = Field(ge=0)
    rows_read: int = Field(ge=0)
    rows_kept: int = Field(ge=0)
    rows_rejected: int = Field(ge=0)
    unknown_fields: dict[str, int] = Field(default_factory=dict, description="dropped upstream keys, counted")
    problems: tuple[str, ...] = ()


class Reject(Record):
    """A source row, or one field of it, that could not be used."""

    source: SourceName
    table: str
    record: str
    field: str | None = None
    value: str | None = Field(default=None, max_length=200)
    reason: str
    whole_row: bool = Field(description="false when only the field was set to null")


class CrosswalkLink(Record):
    """One outside name of one model, and the rule that linked them."""

    kind: IdKind
    id: str
    model: str
    rule: str
    confidence: float = Field(ge=0, le=1)
    evidence: str | None = None


class Ambiguity(Record):
    """A name that several models could bear; no link was made."""

    kind: IdKind
    id: str
    candidates: tuple[str, ...] = ()
    reason: str


class Provenance(Record):
    """The source of one published field."""

    record: str = Field(description="model:ID, variant:ID, offer:ID or deployment:ID")
    field: str = Field(description="* when all fields come from the one source")
    source: SourceName
    url: str | None = None
    fetched_at: str | None = None
    document_sha256: str | None = None
    rule: str


class Conflict(Record):
    """Two sources that disagree; the losing value is kept here."""

    record: str
    field: str
    chosen: JsonValue = None
    chosen_source: SourceName
    other: JsonValue = None
    other_source: SourceName
    rule: str


class Override(Record):
    """A hand-kept correction; wins over every source and says why."""

    record: str = Field(pattern=r"^(model|variant|offer|deployment):.+")
    field: str
    value: JsonValue
    reason: str = Field(min_length=8)
    source: str | None = Field(default=None, description="where the corrected value can be checked")
    expected_upstream: JsonValue = Field(
        default=None, description="upstream's value when this was written; a different one flags the override"
    )
    author: str
    date: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")


class Tombstone(Record):
    """A record that upstream no longer has."""

    record: str
    last_seen: str
    model: str | None = None
    reason: str


class PastTerms(Record):
    """What a seller asked before its present offer."""

    offer: str
    observed_at: str
    until: str
    price: Price | None = None
    limits: Limits = Limits()
    status: Status | None = None


class Change(Record):
    """One difference between two builds."""

    record: str
    change: Literal["added", "removed", "changed"]
    field: str | None = None
    before: JsonValue = None
    after: JsonValue = None
    observed_at: str | None = None
