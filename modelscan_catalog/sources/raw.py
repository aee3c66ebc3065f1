"""Raw documents as the sources served them, one file each, written whole or not at all."""

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from modelscan_catalog.errors import DocumentError
from modelscan_catalog.records import SourceName
from modelscan_catalog.sources.adapter import Document
from modelscan_catalog.store import json_bytes, write_bytes

_MANIFEST = "manifest.json"


class RawStore:
    """The documents of one source under ``data_dir/raw/<source>``.

    A file holds a line of JSON with the document's description and, gzipped, its body; a file that does not
    match its own checksum is treated as absent. The manifest names the documents of the last accepted fetch.
    """

    def __init__(self, data_dir: Path, source: SourceName) -> None:
        self.directory = data_dir / "raw" / source

    def _file(self, name: str) -> Path:
        digest = hashlib.sha256(name.encode()).hexdigest()
        return self.directory / digest[:2] / f"{digest[2:34]}.doc"

    def write(self, document: Document) -> None:
        """Store ``document`` under its name, replacing the one before."""
        described = {key: value for key, value in asdict(document).items() if key not in ("body", "origin")}
        described["body_sha256"] = hashlib.sha256(document.body).hexdigest()
        packed = gzip.compress(document.body, compresslevel=3, mtime=0)
        write_bytes(self._file(document.name), json_bytes(described) + packed)

    def read(self, name: str) -> Document | None:
        """The document of that name with origin ``cached``; None when absent, damaged or another's."""
        try:
            content = self._file(name).read_bytes()
        except OSError:
            return None
        head, _, packed = content.partition(b"\n")
        try:
            described = json.loads(head)
            body = gzip.decompress(packed)
            if hashlib.sha256(body).hexdigest() != described.pop("body_sha256"):
                return None
            document = Document(**described, body=body, origin="cached")
        except (ValueError, TypeError, KeyError, AttributeError, OSError, EOFError, zlib.error):
            return None
        return document if document.name == name else None

    def write_manifest(self, names: Iterable[str]) -> None:
        """Make these documents the last good state, and drop files that no longer belong to it."""
        kept = sorted(set(names))
        write_bytes(self.directory / _MANIFEST, json_bytes({"documents": kept}, indent=1))
        files = {self._file(name) for name in kept}
        for path in self.directory.glob("*/*.doc"):
            if path not in files:
                path.unlink(missing_ok=True)

    def manifest(self) -> list[str] | None:
        """Names of the documents of the last accepted fetch, or None before the first."""
        try:
            value: Any = json.loads((self.directory / _MANIFEST).read_bytes())
            names = value["documents"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return [name for name in names if isinstance(name, str)] if isinstance(names, list) else None

    def last_good(self) -> dict[str, Document] | None:
        """All documents of the last accepted fetch; None before the first.

        Raises ``DocumentError`` when one of them is lost or damaged.
        """
        names = self.manifest()
        if not names:
            return None
        documents = {}
        for name in names:
            document = self.read(name)
            if document is None:
                raise DocumentError(
                    f"{self._file(name)}: the cached {name} is lost or damaged; fetch it again"
                )
            documents[name] = document
        return documents
