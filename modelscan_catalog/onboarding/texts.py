"""Pages and cards as plain text: bounded, from public hosts only, without following anybody inside."""

import html.parser
from pathlib import Path
from urllib.parse import urljoin

import httpx

from modelscan_catalog.errors import FetchError, SettingsError
from modelscan_catalog.onboarding.hosts import NotPublicError, PublicTransport
from modelscan_catalog.onboarding.quoted import SourceText

_MOST_BYTES = 2_000_000
_MOST_REDIRECTS = 3
_TIMEOUT_S = 10.0
_SILENT = {"script", "style", "noscript", "template", "svg"}


def read_bytes(where: str, *, live: bool, allow_loopback: bool = False) -> bytes:
    """The document at a path or an http(s) address.

    Raises ``SettingsError`` for an unreadable file, ``FetchError`` for an address that does not answer,
    is not public, or may not be asked.
    """
    if "://" not in where:
        try:
            path = Path(where).expanduser()
            if path.stat().st_size > _MOST_BYTES:
                raise SettingsError(f"{where}: larger than {_MOST_BYTES} bytes")
            return path.read_bytes()
        except OSError as error:
            raise SettingsError(f"{where}: cannot be read: {error.strerror}") from error
    if not live:
        raise FetchError(f"{where}: not read offline; save it and give the file")
    transport = PublicTransport(allow_loopback=allow_loopback)
    with httpx.Client(transport=transport, timeout=_TIMEOUT_S, follow_redirects=False) as client:
        url = where
        for _ in range(_MOST_REDIRECTS + 1):
            answer = _get(client, url, where)
            if answer.status_code not in (301, 302, 303, 307, 308):
                break
            try:
                following = urljoin(url, answer.headers.get("location", ""))
            except ValueError as error:
                raise FetchError(f"{where}: it leads to what is no address") from error
            if url.startswith("https:") and not following.startswith("https:"):
                raise FetchError(f"{where}: it leads to an address without TLS")
            url = following
    if answer.status_code != 200:
        raise FetchError(f"{where}: HTTP {answer.status_code}")
    return answer.content


def _get(client: httpx.Client, url: str, where: str) -> httpx.Response:
    """One answer, read to its bound."""
    try:
        with client.stream("GET", url) as answer:
            body = b""
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > _MOST_BYTES:
                    raise FetchError(f"{where}: larger than {_MOST_BYTES} bytes")
            location = answer.headers.get("location", "")
            return httpx.Response(answer.status_code, headers={"location": location}, content=body)
    except NotPublicError as error:
        raise FetchError(f"{where}: {error}") from error
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise FetchError(f"{where}: no answer: {type(error).__name__}") from error


def source_text(url: str, body: bytes) -> SourceText:
    """A page without its markup; what is no HTML stays as it is."""
    text = body.decode("utf-8", "replace")
    if "<html" in text[:2000].lower() or "<!doctype html" in text[:200].lower():
        stripper = _Stripper()
        stripper.feed(text)
        text = " ".join(stripper.pieces)
    return SourceText(url=url[:300], text=text)


class _Stripper(html.parser.HTMLParser):
    """Collects the text that a reader sees."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self._silent += tag in _SILENT

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT and self._silent:
            self._silent -= 1

    def handle_data(self, data: str) -> None:
        if not self._silent and data.strip():
            self.pieces.append(data.strip())
