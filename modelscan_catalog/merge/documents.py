"""Documents of a source run as the merge's provenance wants them: by source and, for hubs, by repository."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from modelscan_catalog.merge.staged_tables import SourceDocument
from modelscan_catalog.records import SourceName

# A document of one repository is named KIND/OWNER/NAME, with @REVISION where it belongs to one.
_OF_REPOSITORY = re.compile(r"^(?!author/|list/|popular/)[^/]+/(?P<repo>[^/@]+/[^/@]+)(@.*)?$")


def source_documents(source: SourceName, entries: Iterable[Mapping[str, Any]]) -> list[SourceDocument]:
    """``entries`` (name, url, fetched_at, sha256) as provenance documents."""
    found = []
    for entry in entries:
        match = _OF_REPOSITORY.match(entry["name"])
        found.append(
            SourceDocument(
                source=source,
                url=entry["url"],
                fetched_at=entry["fetched_at"],
                sha256=entry["sha256"] or None,
                record=match["repo"] if match else None,
            )
        )
    return found
