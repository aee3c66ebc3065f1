"""Documents of a source run as provenance wants them: whose, what they hold and what they are about."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from modelscan_catalog.records import SourceName


@dataclass(frozen=True)
class SourceDocument:
    """A document that staged rows were read from."""

    source: SourceName
    url: str
    fetched_at: str | None = None
    sha256: str | None = None
    record: str | None = None
    """What it is about: a repository, an owner, a catalogue; None for a whole source."""
    kind: str = ""
    """What it holds: ``api.json``, ``config.json``, ``repo``, ``author``; by default the URL's last part."""


_CATALOGUES = {"model-catalog.yaml": "huggingface", "model-catalog-modelscope.yaml": "modelscope"}
# A hub's document is named KIND/ABOUT/PAGE for lists and KIND/OWNER/NAME[@REVISION] for repositories.
_LISTS = frozenset({"author", "popular", "list"})
_FIELDS_ASKED = re.compile(r"&expand\[\]=[^&]*")


def source_documents(source: SourceName, entries: Iterable[Mapping[str, Any]]) -> list[SourceDocument]:
    """A source run's documents (``name``, ``url``, ``fetched_at``, ``sha256``) as provenance wants them.

    The fields that a listing's URL asks for are left out: they do not change what is listed.
    """
    return [
        SourceDocument(
            source=source,
            url=_FIELDS_ASKED.sub("", entry["url"]),
            fetched_at=entry["fetched_at"],
            sha256=entry["sha256"] or None,
            record=_about(entry["name"]),
            kind=entry["name"].split("/", 1)[0],
        )
        for entry in entries
    ]


def _about(name: str) -> str | None:
    if name in _CATALOGUES:
        return _CATALOGUES[name]
    kind, _, rest = name.partition("/")
    if kind in _LISTS:
        return rest.partition("/")[0] if kind == "author" else None
    return rest.partition("@")[0] or None


def fetch_times(documents: Iterable[SourceDocument]) -> dict[str, str | None]:
    """When each source was last fetched."""
    times: dict[str, str | None] = {}
    for document in documents:
        times[document.source] = max(
            filter(None, (times.get(document.source), document.fetched_at)), default=None
        )
    return dict(sorted(times.items()))
