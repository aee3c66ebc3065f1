"""The registry's front page: what was read, what is inside, and every file with its hash."""

from pydantic import Field

from modelscan_catalog.records import Record, SourceState


class PublishedFile(Record):
    """A file of the published registry."""

    path: str
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    rows: int | None = Field(default=None, ge=0)
    record: str | None = Field(default=None, description="name of the schema that each row follows")


class RegistryIndex(Record):
    """``index.json``; made from the inputs alone, so equal inputs give an equal file."""

    schema_version: str
    generator: str
    data_as_of: str | None = Field(
        default=None, description="when the newest document of any source was fetched (UTC)"
    )
    sources: tuple[SourceState, ...]
    counts: dict[str, int]
    verdicts: dict[str, int] = Field(default_factory=dict, description="fit cells by verdict")
    files: tuple[PublishedFile, ...]
