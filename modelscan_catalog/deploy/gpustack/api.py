"""HTTP to one GPUStack server: bounded, retried where asking twice is safe, clear about what went wrong."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any

import httpx
import tenacity

from modelscan_catalog.errors import DeployError, ServerUnreachableError
from modelscan_catalog.router.lint import is_private
from modelscan_catalog.secret_refs import resolve_secret
from modelscan_catalog.settings import HttpLimits

RETRIED_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
SAFE_METHODS = frozenset({"GET", "HEAD"})
MOST_ATTEMPTS = 3
PER_PAGE = 100
MOST_PAGES = 100
_SHOWN = 300
"""Characters of a server's answer that a message repeats."""


class RefusedError(DeployError):
    """The server answered with an error status; ``status`` and ``reason`` are its own."""

    def __init__(self, message: str, status: int, reason: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class GPUStackApi:
    """Calls with the key of ``key_reference``; use it as a context manager, or call ``close``.

    ``base_url`` is the server's root (``https://gpustack.example``, without ``/v1`` or ``/v2``). Reading is
    tried up to three times; what changes something is sent once. Redirects are not followed: the key goes to
    the named server and no other.
    """

    def __init__(
        self,
        base_url: str,
        key_reference: str | None,
        *,
        limits: HttpLimits | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        limits = limits or HttpLimits()
        self.base_url = server_url(base_url)
        self.key_reference = key_reference
        headers = {"Accept": "application/json"}
        if key_reference is not None:
            parsed = httpx.URL(self.base_url)
            if parsed.scheme == "http" and not is_private(parsed.host):
                raise DeployError(f"server: the key would be sent unencrypted to {parsed.host}: use https")
            headers["Authorization"] = f"Bearer {resolve_secret(key_reference)}"
        self._most_bytes = limits.max_body_bytes
        self._client = httpx.Client(
            base_url=self.base_url,
            headers=headers,
            timeout=httpx.Timeout(limits.read_timeout_s, connect=limits.connect_timeout_s),
            transport=transport,
        )
        self._sleep = sleep

    def __enter__(self) -> "GPUStackApi":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        params: Mapping[str, str | int] | None = None,
        timeout_s: float | None = None,
        retry: bool | None = None,
    ) -> Any:
        """The parsed answer; null where there is no body.

        ``retry`` overrides whether asking again is safe (by default it is for GET). Raises ``RefusedError``
        for an error status and ``ServerUnreachableError`` without an answer.
        """
        safe = method in SAFE_METHODS if retry is None else retry
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_may_pass),
            stop=tenacity.stop_after_attempt(MOST_ATTEMPTS if safe else 1),
            wait=tenacity.wait_exponential(multiplier=0.5, max=5),
            sleep=self._sleep,
            reraise=True,
        )
        return attempts(self._once, method, path, body, params, timeout_s)

    def pages(self, path: str, params: Mapping[str, str | int] | None = None) -> Iterator[dict[str, Any]]:
        """Every item of a list, page by page."""
        for page in range(1, MOST_PAGES + 1):
            answer = self.call("GET", path, params={**(params or {}), "page": page, "perPage": PER_PAGE})
            if not isinstance(answer, dict) or not isinstance(answer.get("items"), list):
                raise DeployError(f"{self.base_url}{path}: answered without a list; is it a GPUStack server?")
            yield from (item for item in answer["items"] if isinstance(item, dict))
            if page >= ((answer.get("pagination") or {}).get("totalPage") or 1):
                return

    def _once(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        params: Mapping[str, str | int] | None,
        timeout_s: float | None,
    ) -> Any:
        where = f"{method} {self.base_url}{path}"
        more: dict[str, Any] = {} if timeout_s is None else {"timeout": timeout_s}
        try:
            response = self._client.request(method, path, json=body, params=params, **more)
        except httpx.TimeoutException as error:
            raise ServerUnreachableError(f"{where}: no answer in time ({type(error).__name__})") from error
        except httpx.HTTPError as error:
            raise ServerUnreachableError(f"{where}: {error or type(error).__name__}") from error
        if response.is_redirect:
            raise DeployError(f"{where}: redirects to {response.headers.get('location')}; give that address")
        if len(response.content) > self._most_bytes:
            raise DeployError(f"{where}: the answer is larger than {self._most_bytes} bytes")
        if response.is_error:
            raise self._refused(where, response)
        if not response.content.strip():
            return None
        try:
            return response.json()
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise DeployError(f"{where}: answered without JSON; is it a GPUStack server?") from error

    def _refused(self, where: str, response: httpx.Response) -> RefusedError:
        message, reason = response.text[:_SHOWN], None
        try:
            told = response.json()
        except (json.JSONDecodeError, UnicodeDecodeError):
            told = None
        if isinstance(told, dict):
            error = told.get("error")
            inner = error if isinstance(error, dict) else told
            message = str(inner.get("message") or inner.get("detail") or message)[:_SHOWN]
            reason = inner.get("reason") if isinstance(inner.get("reason"), str) else None
        status = response.status_code
        if status == 404 and reason is None:
            message += "; is it a GPUStack 2 server?"
        if status in (401, 403):
            given = self.key_reference or "none"
            message = (
                f"the key ({given}) is refused: {message}; make one in GPUStack under API keys and give "
                "--key env:NAME or file:PATH"
            )
        return RefusedError(f"{where}: {status}: {message}", status, reason)


def server_url(url: str) -> str:
    """``url`` without a trailing slash or API path; raises ``DeployError`` when it is no http address."""
    try:
        parsed = httpx.URL(url.strip())
    except httpx.InvalidURL as error:
        raise DeployError(f"server {url!r}: {error}; give an address such as http://127.0.0.1:80") from error
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.userinfo:
        raise DeployError(
            "server: give an address such as http://127.0.0.1:80, without a name or password in it"
        )
    text = str(parsed.copy_with(query=None, fragment=None)).rstrip("/")
    for path in ("/v1", "/v2", "/v1-openai"):
        text = text.removesuffix(path)
    return text


def _may_pass(error: BaseException) -> bool:
    """Whether the same request may succeed a moment later."""
    if isinstance(error, RefusedError):
        return error.status in RETRIED_STATUSES
    return isinstance(error, ServerUnreachableError)
