"""Where a provider listens, how a key is shown to it, and what its refusals mean; no sockets here."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, TypeAdapter, ValidationError

from modelscan_catalog.errors import SettingsError
from modelscan_catalog.sdk.errors import AnswerError, MissingKeyError, WithheldKeyError, status_error
from modelscan_catalog.secret_refs import resolve_secret

T = TypeVar("T")

MOST_DETAIL_CHARS = 300
VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Access:
    """What a generated client knows of its provider.

    ``base_url`` may hold ``${VARIABLES}`` of the account. ``key_env`` are the variables that keys are read
    from, first one first. Without ``paths`` they are those of its format. An interface that is not
    ``confirmed`` holds inferred facts and gets no key.
    """

    provider: str
    base_url: str
    key_env: tuple[str, ...] = ()
    auth: Literal["bearer", "header", "query", "none"] = "bearer"
    auth_name: str = "Authorization"
    paths: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    confirmed: bool = True


class Address:
    """An ``Access`` with this caller's variables and key: builds what is sent, reads what comes back."""

    def __init__(
        self,
        access: Access,
        key: str | None,
        base_url: str | None,
        variables: Mapping[str, str] | None,
        usual_paths: Mapping[str, str],
    ) -> None:
        """``key`` is a reference (``env:NAME``, ``file:PATH``); None reads the provider's own variables."""
        self._access = access
        self._paths = access.paths or usual_paths
        self.base_url = _filled(access, base_url or access.base_url, variables or {}).rstrip("/")
        self._key = _key(access, key)
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SettingsError(f"{access.provider}: {self.base_url!r} is not an http or https address")
        if self._key and parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise WithheldKeyError(
                f"{access.provider}: a key is not sent over plain http to {parts.hostname}; use https"
            )
        if self._key and not access.confirmed:
            raise WithheldKeyError(
                f"{access.provider}: parts of this interface are inferred and nobody has confirmed them; "
                "confirm it under registry/onboarding/confirmations, then generate the client anew"
            )

    def url(self, operation: str, model: str = "") -> str:
        """The address of an operation."""
        path = self._paths.get(operation)
        if path is None:
            raise SettingsError(
                f"{self._access.provider}: no {operation!r} endpoint is known; "
                f"known are {', '.join(sorted(self._paths))}"
            )
        return self.base_url + path.replace("{model}", quote(model, safe=""))

    def headers(self) -> dict[str, str]:
        """Headers of every request, the key among them."""
        headers = {"Accept-Encoding": "gzip", **self._access.headers}
        if self._key and self._access.auth in ("bearer", "header"):
            prefix = "Bearer " if self._access.auth == "bearer" else ""
            headers[self._access.auth_name] = prefix + self._key
        return headers

    def query(self) -> dict[str, str]:
        """Query parameters of every request."""
        return {self._access.auth_name: self._key} if self._key and self._access.auth == "query" else {}

    def require_key(self) -> None:
        """Raise ``MissingKeyError`` when a key is needed and none is set."""
        if self._key is None and self._access.auth != "none":
            read = " or ".join(self._access.key_env) or "key='env:NAME'"
            raise MissingKeyError(f"{self._access.provider}: no key; set {read}")

    def without_key(self, text: str) -> str:
        """``text`` with the key, should it hold it, blotted out."""
        return text.replace(self._key, "***") if self._key else text

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> Exception:
        """The exception for an answer with a status of 300 or above."""
        code, detail = _error_words(body)
        code, detail = self.without_key(code), self.without_key(detail)[:MOST_DETAIL_CHARS]
        said = f": {detail}" if detail else ""
        return status_error(status)(
            f"{self._access.provider}: HTTP {status}{said}", status, code, detail, _retry_after_s(headers)
        )

    def read(self, body: bytes, answer: type[T]) -> T:
        """``body`` as ``answer``; ``AnswerError`` when it is something else."""
        try:
            return TypeAdapter(answer).validate_json(body)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "body"
            shape = answer.__name__ if isinstance(answer, type) and issubclass(answer, BaseModel) else "JSON"
            raise AnswerError(
                f"{self._access.provider}: not a {shape} answer: {where}: {first['msg']}"
            ) from None


def _filled(access: Access, base_url: str, given: Mapping[str, str]) -> str:
    missing = []

    def value(match: re.Match[str]) -> str:
        found = given.get(match[1]) or os.environ.get(match[1], "")
        if not found:
            missing.append(match[1])
        return found

    filled = VARIABLE.sub(value, base_url)
    if missing:
        raise MissingKeyError(
            f"{access.provider}: its address needs {', '.join(sorted(set(missing)))}; set them"
        )
    return filled


def _key(access: Access, reference: str | None) -> str | None:
    if access.auth == "none":
        return None
    if reference is not None:
        return resolve_secret(reference)
    if not access.confirmed:
        return None
    return next((found for name in access.key_env if (found := os.environ.get(name, "").strip())), None)


def _error_words(body: bytes) -> tuple[str, str]:
    """Code and message out of the shapes that errors come in."""
    try:
        document: Any = json.loads(body)
    except ValueError:
        return "", body[:MOST_DETAIL_CHARS].decode("utf-8", "replace").strip()
    error = document.get("error", document) if isinstance(document, dict) else document
    if not isinstance(error, dict):
        return "", str(error)
    code = error.get("code") or error.get("type") or error.get("status") or ""
    return str(code), str(error.get("message") or error.get("detail") or "")


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    try:
        return max(0.0, float(headers.get("retry-after", "")))
    except ValueError:
        return None
