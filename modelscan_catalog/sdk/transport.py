"""Requests over httpx, blocking and for an event loop: one set of rules for retries, limits and errors."""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar

import httpx
import tenacity

from modelscan_catalog.sdk.access import Access, Address
from modelscan_catalog.sdk.errors import (
    ConnectionFailedError,
    DeadlineError,
    RateLimitError,
    ServerError,
    StatusError,
)
from modelscan_catalog.sdk.streaming import AsyncStream, ReaderOf, Stream

T = TypeVar("T")

CONNECT_TIMEOUT_S = 10.0
MOST_RETRY_WAIT_S = 30.0
_RETRIED_STATUSES = frozenset({408, 409, 425, 429})


class _Rules:
    """What both clients share: the address, and which failures are tried again after how long."""

    access: ClassVar[Access]
    usual_paths: ClassVar[Mapping[str, str]] = {}

    def __init__(
        self,
        key: str | None = None,
        *,
        base_url: str | None = None,
        variables: Mapping[str, str] | None = None,
        timeout_s: float = 120.0,
        max_attempts: int = 3,
        first_wait_s: float = 0.5,
    ) -> None:
        """``key`` is a reference (``env:NAME``, ``file:PATH``); None reads the provider's own variables.

        ``timeout_s`` bounds every silence. A rate limit, a fault of the server or a failed connection is
        tried up to ``max_attempts`` times, after the time that the provider asks for, else after a growing
        and jittered one. Raises ``ClientError`` or ``SettingsError`` for an unusable address or key.
        """
        self.address = Address(self.access, key, base_url, variables, self.usual_paths)
        self._timeout = httpx.Timeout(timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s))
        self._max_attempts = max_attempts
        self._backoff = tenacity.wait_random_exponential(multiplier=first_wait_s, max=MOST_RETRY_WAIT_S)

    def _wait(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after_s if isinstance(error, StatusError) else None
        return self._backoff(state) if asked is None else asked

    def _attempts(self) -> dict[str, Any]:
        return {
            "retry": tenacity.retry_if_exception(_may_pass),
            "stop": tenacity.stop_after_attempt(self._max_attempts),
            "wait": self._wait,
            "reraise": True,
        }

    def _request(
        self, operation: str, body: Mapping[str, Any] | None, model: str, query: Mapping[str, str] | None
    ) -> dict[str, Any]:
        self.address.require_key()
        return {
            "method": "GET" if body is None else "POST",
            "url": self.address.url(operation, model),
            "json": dict(body) if body is not None else None,
            "headers": self.address.headers(),
            "params": {**(query or {}), **self.address.query()} or None,
        }


class Client(_Rules):
    """A blocking client; use it as a context manager, or ``close`` it. Threads may share it."""

    def __init__(self, key: str | None = None, **options: Any) -> None:
        super().__init__(key, **options)
        self._http = httpx.Client(timeout=self._timeout, verify=_tls())

    def ask(
        self,
        operation: str,
        answer: type[T],
        body: Mapping[str, Any] | None = None,
        *,
        model: str = "",
        query: Mapping[str, str] | None = None,
    ) -> T:
        """The whole answer to one request; GET without a ``body``. Raises ``ClientError``."""
        response = self._send(self._request(operation, body, model, query), stream=False)
        return self.address.read(response.content, answer)

    def events(
        self,
        operation: str,
        reader: ReaderOf[T],
        body: Mapping[str, Any],
        *,
        model: str = "",
        query: Mapping[str, str] | None = None,
    ) -> Stream[T]:
        """The pieces of a streamed answer. Raises ``ClientError``, while iterating too."""
        response = self._send(self._request(operation, body, model, query), stream=True)
        return Stream(response, reader(self.address))

    def _send(self, request: Mapping[str, Any], *, stream: bool) -> httpx.Response:
        def attempt() -> httpx.Response:
            try:
                response = self._http.send(self._http.build_request(**request), stream=stream)
                if response.status_code >= 300:
                    response.read()
                    response.close()
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise _failure(self.access.provider, error) from error
            if response.status_code >= 300:
                raise self.address.refusal(response.status_code, response.headers, response.content)
            return response

        return tenacity.Retrying(sleep=time.sleep, **self._attempts())(attempt)

    def close(self) -> None:
        """Close idle connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient(_Rules):
    """A client for an event loop; use it as an async context manager, or ``close`` it."""

    def __init__(self, key: str | None = None, **options: Any) -> None:
        super().__init__(key, **options)
        self._http = httpx.AsyncClient(timeout=self._timeout, verify=_tls())

    async def ask(
        self,
        operation: str,
        answer: type[T],
        body: Mapping[str, Any] | None = None,
        *,
        model: str = "",
        query: Mapping[str, str] | None = None,
    ) -> T:
        """The whole answer to one request; GET without a ``body``. Raises ``ClientError``."""
        response = await self._send(self._request(operation, body, model, query), stream=False)
        return self.address.read(response.content, answer)

    async def events(
        self,
        operation: str,
        reader: ReaderOf[T],
        body: Mapping[str, Any],
        *,
        model: str = "",
        query: Mapping[str, str] | None = None,
    ) -> AsyncStream[T]:
        """The pieces of a streamed answer. Raises ``ClientError``, while iterating too."""
        response = await self._send(self._request(operation, body, model, query), stream=True)
        return AsyncStream(response, reader(self.address))

    async def _send(self, request: Mapping[str, Any], *, stream: bool) -> httpx.Response:
        async def attempt() -> httpx.Response:
            try:
                response = await self._http.send(self._http.build_request(**request), stream=stream)
                if response.status_code >= 300:
                    await response.aread()
                    await response.aclose()
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise _failure(self.access.provider, error) from error
            if response.status_code >= 300:
                raise self.address.refusal(response.status_code, response.headers, response.content)
            return response

        retrying = tenacity.AsyncRetrying(sleep=_sleep, **self._attempts())
        asked: Callable[[], Awaitable[httpx.Response]] = attempt
        return await retrying(asked)

    async def close(self) -> None:
        """Close idle connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


@cache
def _tls() -> ssl.SSLContext:
    """Loading the certificates takes longer than a request; all clients share them."""
    return httpx.create_ssl_context()


async def _sleep(seconds: float) -> None:
    await asyncio.sleep(seconds)


def _may_pass(error: BaseException) -> bool:
    """Whether another attempt may end otherwise.

    A request that ran into its deadline may be running still, and is not sent (and paid) twice.
    """
    if isinstance(error, DeadlineError):
        return False
    if isinstance(error, RateLimitError) and (error.retry_after_s or 0) > MOST_RETRY_WAIT_S:
        return False
    if isinstance(error, StatusError):
        return isinstance(error, ServerError) or error.status in _RETRIED_STATUSES
    return isinstance(error, ConnectionFailedError)


def _failure(provider: str, error: Exception) -> ConnectionFailedError:
    if isinstance(error, httpx.TimeoutException):
        return DeadlineError(f"{provider}: no answer in time")
    return ConnectionFailedError(f"{provider}: no answer: {type(error).__name__}")
