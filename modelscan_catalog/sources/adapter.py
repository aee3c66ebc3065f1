"""What a source adapter supplies, and the documents that pass between it, the runner and the snapshot."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from modelscan_catalog.records import Record, Reject, SourceName, SourceState
from modelscan_catalog.settings import Settings
from modelscan_catalog.sources.reading import RowLog

Origin = Literal["live", "cached", "snapshot"]
Tables = dict[str, list[Record]]
ProgressCallback = Callable[[SourceName, int, int | None, str], None]
"""Called with the source, steps done, steps in all (None while unknown) and a short note."""


@dataclass(frozen=True)
class Document:
    """One answer of a source: its bytes and where, when and how they came."""

    name: str
    base_url: str
    path: str
    status: int
    fetched_at: str
    """UTC, ISO 8601; when this content was first seen."""
    sha256: str
    """Of the bytes as served, also where ``body`` is a pruned form of them."""
    body: bytes = field(repr=False, default=b"")
    etag: str | None = None
    last_modified: str | None = None
    next_path: str | None = None
    """Where the next page of a list is."""
    authenticated: bool = False
    checked_at: str = ""
    """UTC, ISO 8601; when the source last confirmed this content."""
    origin: Origin = "live"

    @property
    def url(self) -> str:
        """Where the document was fetched from."""
        return self.base_url + self.path

    @property
    def is_negative(self) -> bool:
        """Whether the source answered that there is no such thing, or that it may not be read."""
        return self.status != 200


@dataclass(frozen=True)
class DocumentInfo:
    """One document that a result was read from; provenance points here."""

    name: str
    url: str
    fetched_at: str
    sha256: str
    origin: Origin


@dataclass(frozen=True)
class SourceResult:
    """Staged rows of one source with the account of how they came to be."""

    state: SourceState
    tables: dict[str, list[Record]]
    rejects: list[Reject]
    documents: list[DocumentInfo]
    log: RowLog = field(repr=False)
    raw: dict[str, Document] = field(repr=False)
    """The documents by name, the adapter's own decisions included."""
    refused: tuple[str, ...] = ()
    """Why live data, though it came, was not taken; empty when it was, or when there was none."""


class Session(Protocol):
    """What ``fetch`` may use; implemented by the runner."""

    settings: Settings
    has_token: bool

    def latest(self, name: SourceName) -> SourceResult | None:
        """The last good rows of another source, read without the network."""

    async def get(
        self,
        name: str,
        path: str,
        *,
        immutable: bool = False,
        fresh_s: float = 0,
        absent: tuple[int, ...] = (),
        check: Callable[[bytes, str], int] | None = None,
        volatile: tuple[str, ...] = (),
    ) -> Document:
        """The document at ``path`` below the source's base URL.

        ``immutable`` content is fetched once; any other within ``fresh_s`` seconds of its last check is not
        asked for again. Statuses in ``absent`` are answers, not failures. ``check`` gives the status that a
        body means, or raises ``DocumentError``; ``volatile`` are top-level keys that differ on every answer.
        When the source fails, the last good document is given; without one, ``SourceError`` is raised.
        """

    async def try_get(self, name: str, path: str, **options: Any) -> Document | None:
        """As ``get``; None, counted for the run report, where nothing can be had."""

    def previous(self, name: str) -> Document | None:
        """The last good document of that name."""

    def reuse(self, name: str) -> None:
        """Take over the last good document of that name, if there is one, without asking the source."""

    def keep(self, name: str, content: Any) -> None:
        """Record the adapter's own decision (which repositories to read) as a document."""

    def progress(self, done: int, total: int | None, note: str) -> None:
        """Tell how far the fetch is."""


@dataclass(frozen=True)
class Adapter:
    """One source in three functions, and what a snapshot keeps of its documents.

    ``fetch`` asks for documents, ``parse`` turns one document's bytes into plain data (``DocumentError`` when
    it is not what the source serves), ``translate`` turns all parsed documents into staged rows. ``prune``
    reduces parsed documents to what ``translate`` reads; both forms give the same rows.
    """

    name: SourceName
    public_url: str
    licence: str
    tables: Mapping[str, type[Record]]
    base_url: Callable[[Settings], str]
    fetch: Callable[[Session], Awaitable[None]]
    parse: Callable[[str, bytes], Any]
    translate: Callable[[Mapping[str, Any], Mapping[str, Document], RowLog], Tables]
    prune: Callable[[Mapping[str, Any], Tables], dict[str, Any]]
    token: Callable[[Settings], str | None] = lambda settings: None


def row_key(record: Record) -> str:
    """The identity of a staged row within its table."""
    values = dict(record)
    parts = [values.get(name) for name in ("catalogue", "provider", "set_name", "id", "name", "repo")]
    if "position" in values and "set_name" in values:
        parts.append(values["position"])
    return "/".join(str(part) for part in parts if part is not None)
