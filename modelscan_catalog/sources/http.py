"""The one module that opens sockets to sources: bounded, polite, and clear about what went wrong."""

import asyncio
import email.utils
import re
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import urljoin, urlsplit

import httpx
import tenacity

from modelscan_catalog.errors import FetchError
from modelscan_catalog.settings import HttpLimits, Settings

RETRIED_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
MOST_REDIRECTS = 5
REQUESTS_UNTIL_GIVEN_UP = 3
"""As many failed attempts in a row as this many requests have; then a host is not asked again in this run."""
ATTEMPTS_AFTER_NO_ANSWER = 2
"""Silence costs a whole timeout each time, so it is tried less often than an answer with an error status."""


@dataclass(frozen=True)
class Answer:
    """A response with its whole body; ``status`` 304 means that the copy at hand is current."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False, default=b"")


class _RetryableError(FetchError):
    """An attempt failed in a way that another may not; ``wait_s`` is what the server asked for."""

    def __init__(self, message: str, *, wait_s: float | None = None, most_attempts: int = 99) -> None:
        super().__init__(message)
        self.wait_s = wait_s
        self.most_attempts = most_attempts


@dataclass
class _Host:
    """What is known of one host: open requests, announced quotas, failures in a row."""

    slots: asyncio.Semaphore
    quotas: dict[str, tuple[int, float]] = field(default_factory=dict)
    """Requests left and the monotonic time of the reset, by the path class that they were announced for."""
    in_flight: dict[str, int] = field(default_factory=dict)
    failures: int = 0
    last_failure: str = ""


class PoliteClient:
    """An HTTP client for one source run; use it as an async context manager.

    At most ``settings.parallel_batch`` requests are open per host. ``Retry-After`` and ``RateLimit`` headers
    are obeyed up to ``max_retry_wait_s`` and the source deadline. Bodies are bounded as sent and as
    decompressed. A token goes to the host it was meant for and to no other: as a bearer token, or bare in
    a ``key_header`` of its own.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        token: str | None = None,
        token_host: str = "",
        key_header: str | None = None,
        on_wait: Callable[[str], None] | None = None,
    ) -> None:
        self._limits: HttpLimits = settings.http
        self._parallel = settings.parallel_batch
        self._token = token
        self._key_header = key_header
        self._token_origin = _origin(token_host) if token_host else None
        self._on_wait = on_wait or (lambda note: None)
        self._hosts: dict[str, _Host] = {}
        self._ends_at = time.monotonic() + self._limits.source_deadline_s
        self._client = httpx.AsyncClient(
            headers={"User-Agent": settings.user_agent, "Accept-Encoding": "gzip"},
            timeout=httpx.Timeout(self._limits.read_timeout_s, connect=self._limits.connect_timeout_s),
            limits=httpx.Limits(max_connections=self._parallel * 4, max_keepalive_connections=self._parallel),
            follow_redirects=False,
        )

    async def __aenter__(self) -> "PoliteClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def get(
        self,
        url: str,
        *,
        etag: str | None = None,
        last_modified: str | None = None,
        quota: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """GET ``url``, following redirects, retrying what may pass.

        ``etag`` and ``last_modified`` make it conditional. ``quota`` names the path class that the host
        counts this request in. Any status outside the retried ones is an answer. Raises ``FetchError`` that
        says what was asked and how it failed.
        """
        sent = dict(headers or {})
        if etag:
            sent["If-None-Match"] = etag
        if last_modified:
            sent["If-Modified-Since"] = last_modified
        attempts = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(_RetryableError),
            stop=self._stop,
            wait=self._wait,
            sleep=asyncio.sleep,
            reraise=True,
        )
        try:
            answer: Answer = await attempts(self._follow, url, sent, quota)
        except _RetryableError as error:
            tried = attempts.statistics.get("attempt_number", 1)
            raise FetchError(f"{error} (tried {tried} times)" if tried > 1 else str(error)) from error
        return answer

    def _host(self, url: str) -> _Host:
        name = urlsplit(url).netloc
        if name not in self._hosts:
            self._hosts[name] = _Host(asyncio.Semaphore(self._parallel))
        return self._hosts[name]

    def _stop(self, state: tenacity.RetryCallState) -> bool:
        error = _error_of(state)
        most = min(self._limits.max_attempts, error.most_attempts)
        asked = error.wait_s or 0
        return (
            state.attempt_number >= most
            or asked > self._limits.max_retry_wait_s
            or time.monotonic() + asked >= self._ends_at
        )

    def _wait(self, state: tenacity.RetryCallState) -> float:
        error = _error_of(state)
        backoff = tenacity.wait_random_exponential(multiplier=0.5, max=self._limits.max_retry_wait_s)(state)
        if error.wait_s is None:
            return backoff
        self._on_wait(f"waiting {error.wait_s:.0f} s as asked")
        # The jitter keeps parallel requests from coming back in one burst.
        return error.wait_s + min(backoff, 1.0)

    async def _follow(self, url: str, headers: Mapping[str, str], quota: str) -> Answer:
        for _ in range(MOST_REDIRECTS + 1):
            answer = await self._attempt(url, headers, quota)
            if answer.status not in (301, 302, 303, 307, 308) or "location" not in answer.headers:
                return answer
            target = urljoin(url, answer.headers["location"])
            if urlsplit(target).scheme not in ("http", "https") or (
                url.startswith("https:") and not target.startswith("https:")
            ):
                raise FetchError(f"{shown_url(url)}: redirected to {target[:200]}, which is not followed")
            quota = quota if _origin(target) == _origin(url) else ""
            url = target
        raise FetchError(f"{shown_url(url)}: more than {MOST_REDIRECTS} redirects")

    async def _attempt(self, url: str, headers: Mapping[str, str], quota: str) -> Answer:
        host = self._host(url)
        async with host.slots:
            if host.failures >= REQUESTS_UNTIL_GIVEN_UP * self._limits.max_attempts:
                raise FetchError(
                    f"{shown_url(url)}: not asked after many failures in a row, the last: {host.last_failure}"
                )
            await self._heed_quota(host, url, quota)
            host.in_flight[quota] = host.in_flight.get(quota, 0) + 1
            try:
                answer = await self._timed_exchange(host, url, headers, quota)
            except _RetryableError as error:
                # A silent host costs more time than one that answers with an error.
                host.failures += 2 if error.most_attempts == ATTEMPTS_AFTER_NO_ANSWER else 1
                host.last_failure = str(error)
                raise
            finally:
                host.in_flight[quota] -= 1
            host.failures = 0
            return answer

    async def _timed_exchange(self, host: _Host, url: str, headers: Mapping[str, str], quota: str) -> Answer:
        """One exchange within the total time; every failure becomes a ``FetchError`` that names the URL."""
        shown = shown_url(url)
        try:
            async with asyncio.timeout(self._limits.total_timeout_s):
                return await self._exchange(host, url, headers, quota)
        except TimeoutError as error:
            reason = f"the answer was not complete after {self._limits.total_timeout_s:g} s"
            raise _RetryableError(f"{shown}: {reason}", most_attempts=ATTEMPTS_AFTER_NO_ANSWER) from error
        except httpx.TimeoutException as error:
            reason = f"no answer in time ({type(error).__name__})"
            raise _RetryableError(f"{shown}: {reason}", most_attempts=ATTEMPTS_AFTER_NO_ANSWER) from error
        except httpx.ConnectError as error:
            reason = f"no connection: {error}"
            raise _RetryableError(f"{shown}: {reason}", most_attempts=ATTEMPTS_AFTER_NO_ANSWER) from error
        except httpx.TransportError as error:
            reason = f"the connection broke: {str(error) or type(error).__name__}"
            raise _RetryableError(f"{shown}: {reason}") from error
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise FetchError(f"{shown}: cannot be asked for: {error}") from error

    async def _exchange(self, host: _Host, url: str, headers: Mapping[str, str], quota: str) -> Answer:
        sent = dict(headers)
        if self._token and _origin(url) == self._token_origin:
            if self._key_header is None:
                sent["Authorization"] = f"Bearer {self._token}"
            else:
                sent[self._key_header] = self._token
        async with self._client.stream("GET", url, headers=sent) as response:
            self._learn_quota(host, quota, response.headers)
            if response.status_code in RETRIED_STATUSES:
                raise _RetryableError(
                    f"{shown_url(url)}: HTTP {response.status_code}", wait_s=_asked_wait_s(response.headers)
                )
            body = await self._read(response, url)
            return Answer(response.status_code, dict(response.headers), body)

    async def _read(self, response: httpx.Response, url: str) -> bytes:
        most = self._limits.max_body_bytes
        length = response.headers.get("content-length", "")
        if length.isdecimal() and int(length) > most:
            raise FetchError(f"{shown_url(url)}: a body of {length} bytes; at most {most} are read")
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip", ""):
            raise FetchError(f"{shown_url(url)}: a body in {encoding[:40]} coding, which was not asked for")
        unpacker = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
        body, received = bytearray(), 0
        async for chunk in response.aiter_raw():
            received += len(chunk)
            try:
                body += unpacker.decompress(chunk, most + 1 - len(body)) if unpacker else chunk
            except zlib.error as error:
                raise _RetryableError(f"{shown_url(url)}: the gzip body is damaged: {error}") from error
            if len(body) > most or received > most:
                raise FetchError(
                    f"{shown_url(url)}: the body is longer than {most} bytes; it was not read further"
                )
        if unpacker and not unpacker.eof and received:
            raise _RetryableError(f"{shown_url(url)}: the gzip body ended early")
        return bytes(body)

    async def _heed_quota(self, host: _Host, url: str, quota: str) -> None:
        """Wait for the reset that the host announced, when this request could be the one too many."""
        while quota in host.quotas:
            left, resets_at = host.quotas[quota]
            wait_s = resets_at - time.monotonic()
            if wait_s <= 0 or left > host.in_flight.get(quota, 0):
                return
            if resets_at >= self._ends_at:
                raise FetchError(
                    f"{shown_url(url)}: the host's quota is used up for {wait_s:.0f} s, "
                    "beyond this source's deadline"
                )
            self._on_wait(f"quota used up, waiting {wait_s:.0f} s")
            await asyncio.sleep(wait_s + 0.05)

    def _learn_quota(self, host: _Host, quota: str, headers: Mapping[str, str]) -> None:
        limit = parse_rate_limit(headers.get("ratelimit", ""))
        if limit is not None:
            host.quotas[quota] = (limit[0], time.monotonic() + limit[1])


def _error_of(state: tenacity.RetryCallState) -> _RetryableError:
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, _RetryableError):
        raise TypeError("only failed attempts are retried")
    return error


def shown_url(url: str) -> str:
    """``url`` for a message: what follows the first parameter is left out."""
    head, ampersand, _ = url.partition("&")
    return head[:200] + ("&..." if ampersand else "")


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _asked_wait_s(headers: Mapping[str, str]) -> float | None:
    """Seconds the server asks to stay away: ``Retry-After``, else the reset of a used-up ``RateLimit``."""
    asked = parse_retry_after(headers.get("retry-after", ""), time.time())
    limit = parse_rate_limit(headers.get("ratelimit", ""))
    if asked is None and limit is not None and limit[0] <= 0:
        return limit[1]
    return asked


def parse_retry_after(value: str, now: float) -> float | None:
    """Seconds from ``now`` (Unix time) that a ``Retry-After`` header names (RFC 9110, 10.2.3), or None."""
    value = value.strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", value):
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def parse_rate_limit(value: str) -> tuple[int, float] | None:
    """Requests left and seconds until the reset from a ``RateLimit`` header, or None.

    Form: ``"api";r=498;t=71`` (draft-ietf-httpapi-ratelimit-headers), as the Hugging Face Hub sends it.
    """
    left = re.search(r";\s*r=([0-9]{1,9})", value)
    reset = re.search(r";\s*t=([0-9]{1,9})", value)
    return (int(left[1]), float(reset[1])) if left and reset else None
