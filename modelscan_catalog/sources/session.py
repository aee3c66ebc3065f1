"""One live fetch of a source: conditional requests, the last good document where the source fails."""

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from modelscan_catalog.errors import DocumentError, FetchError, SourceError
from modelscan_catalog.records import SourceName
from modelscan_catalog.settings import Settings
from modelscan_catalog.sources.adapter import Adapter, Document, ProgressCallback, SourceResult
from modelscan_catalog.sources.http import Answer, PoliteClient, shown_url
from modelscan_catalog.sources.raw import RawStore
from modelscan_catalog.sources.reading import as_instant, load_json
from modelscan_catalog.store import json_bytes

LONGEST_PROBLEM = 300


class LiveSession:
    """What an adapter's ``fetch`` asks documents of; collects them in ``documents`` until the runner accepts.

    Only immutable documents are stored at once, so that a broken-off run need not fetch them again.
    """

    def __init__(
        self,
        adapter: Adapter,
        settings: Settings,
        client: PoliteClient,
        store: RawStore,
        snapshot: Callable[[], dict[str, Document]],
        latest: Callable[[SourceName], SourceResult | None],
        on_progress: ProgressCallback,
    ) -> None:
        self.settings = settings
        self.has_token = adapter.token(settings) is not None
        self.latest = latest
        self.documents: dict[str, Document] = {}
        self.changed: set[str] = set()
        """Names of documents that the store does not hold in this form."""
        self.failures: dict[str, list[str]] = {}
        self.first_failure = ""
        self.answers = 0
        """Documents that the source itself gave or confirmed in this session."""
        self._adapter = adapter
        self._client = client
        self._store = store
        self._snapshot = snapshot
        self._on_progress = on_progress
        self._base_url = adapter.base_url(settings).rstrip("/")

    def previous(self, name: str) -> Document | None:
        """The last good document of that name: stored, else of the snapshot."""
        return self._store.read(name) or self._snapshot().get(name)

    def reuse(self, name: str) -> None:
        """Take over the last good document of that name, if there is one, without asking the source."""
        document = self.previous(name)
        if document is not None and not document.is_negative:
            self._take_over(document)

    def _take_over(self, document: Document) -> None:
        self.documents[document.name] = document
        if document.origin == "snapshot":
            self.changed.add(document.name)

    def keep(self, name: str, content: Any) -> None:
        """Record the adapter's own decision as a document without a path."""
        body = json_bytes(content)
        self.documents[name] = self._document(name, "", 200, body, hashlib.sha256(body).hexdigest(), None)
        self.changed.add(name)

    def progress(self, done: int, total: int | None, note: str) -> None:
        """Pass on how far the fetch is."""
        self._on_progress(self._adapter.name, done, total, note)

    async def try_get(self, name: str, path: str, **options: Any) -> Document | None:
        """As ``get``; None, counted for the run report, where nothing can be had."""
        try:
            return await self.get(name, path, **options)
        except SourceError:
            return None

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
        """See ``adapter.Session.get``."""
        stored = self._store.read(name)
        mine = stored if stored and (stored.base_url, stored.path) == (self._base_url, path) else None
        if mine and self._is_current(mine, immutable, fresh_s):
            self.documents[name] = replace(mine, origin="live")
            return self.documents[name]
        try:
            document = await self._fetch(name, path, mine, absent, check or _is_json, volatile)
        except (FetchError, DocumentError) as error:
            message = str(error)[:LONGEST_PROBLEM]
            self.first_failure = self.first_failure or message
            self.failures.setdefault(name.partition("/")[0], []).append(message)
            fallback = stored or self._snapshot().get(name)
            if fallback is None:
                raise
            self._take_over(fallback)
            return fallback
        self.answers += 1
        self.documents[name] = document
        if immutable:
            await asyncio.to_thread(self._store.write, document)
        else:
            self.changed.add(name)
        return document

    def _is_current(self, document: Document, immutable: bool, fresh_s: float) -> bool:
        if document.is_negative and self.has_token and not document.authenticated:
            return False  # what was refused to everyone may be open to the token
        if immutable:
            return True
        checked = as_instant(document.checked_at)
        if not fresh_s or checked is None:
            return False
        age_s = (datetime.now(UTC) - datetime.fromisoformat(checked)).total_seconds()
        return 0 <= age_s < fresh_s

    async def _fetch(
        self,
        name: str,
        path: str,
        mine: Document | None,
        absent: tuple[int, ...],
        check: Callable[[bytes, str], int],
        volatile: tuple[str, ...],
    ) -> Document:
        known = mine if mine and not mine.is_negative else None
        url = self._base_url + path
        quota = "api" if path.startswith("/api/") else "files"
        for last_try in (False, True):
            answer = await self._client.get(
                url,
                etag=known.etag if known else None,
                last_modified=known.last_modified if known else None,
                quota=quota,
            )
            if answer.status == 304 and known:
                return replace(known, checked_at=_now(), origin="live")
            if answer.status in absent:
                return self._document(name, path, answer.status, b"", "", answer, mine)
            if answer.status != 200:
                raise FetchError(f"{shown_url(url)}: HTTP {answer.status}")
            try:
                status = check(answer.body, name)
            except DocumentError as error:
                # A gateway's passing page comes with 200, too: ask once more before believing it.
                if last_try:
                    raise DocumentError(f"{shown_url(url)}: {error}") from error
                continue
            digest = _digest(answer.body, volatile)
            body = b"" if status != 200 else answer.body
            return self._document(name, path, status, body, digest, answer, mine)
        raise FetchError(f"{shown_url(url)}: no usable answer")

    def _document(
        self,
        name: str,
        path: str,
        status: int,
        body: bytes,
        digest: str,
        answer: Answer | None,
        known: Document | None = None,
    ) -> Document:
        """A document of now, or the one at hand with its first date when the content is the same."""
        now = _now()
        known = known or self._store.read(name)
        same = known is not None and (known.status, known.sha256, known.path) == (status, digest, path)
        headers = httpx.Headers(dict(answer.headers)) if answer else httpx.Headers()
        return Document(
            name=name,
            base_url=self._base_url,
            path=path,
            status=status,
            fetched_at=known.fetched_at if known and same else now,
            sha256=digest,
            body=known.body if known and same else body,
            etag=headers.get("etag"),
            last_modified=headers.get("last-modified"),
            next_path=self._next_path(headers),
            authenticated=self.has_token,
            checked_at=now,
        )

    def _next_path(self, headers: httpx.Headers) -> str | None:
        """Path and query of the ``Link`` header's next page, on this source's own base URL and no other."""
        for link in headers.get("link", "").split(","):
            target, _, relation = link.partition(";")
            if 'rel="next"' in relation.replace(" ", ""):
                there = urlsplit(urljoin(self._base_url + "/", target.strip(" <>")))
                path = there.path.removeprefix(urlsplit(self._base_url).path)
                return f"{path}?{there.query}" if there.query else path
        return None


def _is_json(body: bytes, name: str) -> int:
    load_json(body, name)
    return 200


def _digest(body: bytes, volatile: tuple[str, ...]) -> str:
    """SHA-256 of the body; of its canonical form without ``volatile`` keys where there are such."""
    if volatile:
        value = json.loads(body)
        if isinstance(value, dict):
            body = json_bytes({key: value[key] for key in value if key not in volatile})
    return hashlib.sha256(body).hexdigest()


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
