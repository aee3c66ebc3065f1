"""Witnesses: for each rank of the field-authority table, the document that it read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modelscan_catalog.merge.documents import SourceDocument
from modelscan_catalog.merge.names import owner_of
from modelscan_catalog.records import Provenance, SourceName


@dataclass(frozen=True)
class Witness:
    """Who speaks: a rank of the field-authority table, and the document it read."""

    name: str
    source: SourceName
    url: str | None = None
    fetched_at: str | None = None
    sha256: str | None = None

    def provenance(self, record: str, field: str, rule: str) -> Provenance:
        """The row that says this witness is the source of a field."""
        return Provenance(
            record=record,
            field=field,
            source=self.source,
            url=self.url,
            fetched_at=self.fetched_at,
            document_sha256=self.sha256,
            rule=rule,
        )


_RANKS: Mapping[str, tuple[SourceName, tuple[str, ...]]] = {
    "models_dev_lab": ("models_dev", ("models.json",)),
    "first_party": ("models_dev", ("api.json",)),
    "sellers": ("models_dev", ("api.json",)),
    "identity": ("models_dev", ("api.json",)),
    "gpustack": ("gpustack", ()),
    "huggingface": ("huggingface", ("repo", "author", "popular")),
    "modelscope": ("modelscope", ("detail", "list")),
}
"""Source of each rank, and the kinds of documents that speak for it, most telling first."""


class Witnesses:
    """Looks up the witness of a rank for one repository or catalogue."""

    def __init__(self, documents: Sequence[SourceDocument]) -> None:
        self._documents: dict[tuple[str, str, str], SourceDocument] = {}
        self._any: dict[tuple[str, str], SourceDocument] = {}
        for document in sorted(documents, key=lambda d: (d.source, d.record or "", d.kind, d.url)):
            kind = document.kind or document.url.rsplit("/", 1)[-1]
            self._documents.setdefault((document.source, kind, document.record or ""), document)
            self._any.setdefault((document.source, document.record or ""), document)

    def of(self, rank: str, record: str = "", *, kind: str | None = None) -> Witness:
        """The witness of ``rank``; ``record`` is a repository or a catalogue.

        ``kind`` asks for one kind of document, such as ``config.json``; where there is none, or none is asked
        for, the document that lists the repository, its owner or the whole source speaks.
        """
        source, kinds = _RANKS[rank]
        asked = [(kind, record)] if kind else []
        about = [record, owner_of(record), ""] if record else [""]
        found = next(
            (
                self._documents[source, *key]
                for key in (*asked, *((k, r) for k in kinds for r in about))
                if (source, *key) in self._documents
            ),
            None,
        ) or next((self._any[source, r] for r in about if (source, r) in self._any), None)
        if found is None:
            return Witness(rank, source)
        return Witness(rank, source, found.url, found.fetched_at, found.sha256)

    def has(self, source: str, kind: str, record: str) -> bool:
        """Whether there is a document of this kind about a repository."""
        return (source, kind, record) in self._documents
