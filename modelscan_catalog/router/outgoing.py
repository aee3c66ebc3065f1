"""A client's request as it goes out to a target: its own bytes where possible, translated where necessary."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from aiohttp import web

from modelscan_catalog.router.answers import RouterError
from modelscan_catalog.router.anthropic import UntranslatableError
from modelscan_catalog.router.dialects import TRANSLATED_PATHS, Dialect, Translation, translation
from modelscan_catalog.router.keys import Key
from modelscan_catalog.router.messages import without_unsigned
from modelscan_catalog.router.stream_usage import asks_for_usage, with_usage
from modelscan_catalog.router.table import Route

ANTHROPIC_VERSION = "2023-06-01"
"""Of the Messages format as it is translated to, and for clients that name none."""
_MODEL = re.compile(rb'"model"\s*:\s*("(?:[^"\\]|\\.)*")')
_UNSIGNED = re.compile(rb'"signature"\s*:\s*""')
_ESCAPED_LETTER = re.compile(rb"\\u00[46]")


@dataclass
class Call:
    """One client's request on its way: what was asked, and since when."""

    request: web.BaseRequest
    path: str
    content: bytes
    document: Mapping[str, Any]
    started: float
    query_class: str
    client: str
    deadline_s: float | None = None
    dialect: Dialect = "openai"
    split: str = ""
    """The model whose split the request falls under; empty without one."""
    canary: tuple[Route, ...] = ()
    """Of the targets to try, those of the split's canary."""

    def content_for(self, model: str) -> bytes:
        """The body with ``model`` as its model: its bytes as they came, but for that name, where possible."""
        content, name = self.content, _json_name(model)
        found = _MODEL.match(content, content.find(b'"model"')) if "model" in self.document else None
        if (
            found is not None
            and content.find(b'"model"', found.end()) < 0
            and not (b"\\u00" in content and _ESCAPED_LETTER.search(content))
        ):
            if found[1] == name:
                return content
            return b"%b%b%b" % (content[: found.start(1)], name, content[found.end(1) :])
        try:
            return json.dumps({**self.document, "model": model}).encode()
        except RecursionError:
            raise RouterError(400, "invalid_json", "the body is nested too deeply") from None


@lru_cache(maxsize=4096)
def _json_name(model: str) -> bytes:
    return json.dumps(model).encode()


class Outgoing(NamedTuple):
    """Where a request goes below a provider's base URL, its body, what translates its answer back."""

    path: str
    content: bytes
    between: Translation | None
    added_usage: bool = False
    """The target is asked for the usage of a stream whose client is not to see it."""


def outgoing(call: Call, route: Route) -> Outgoing:
    """``call`` as ``route`` takes it; raises ``UntranslatableError`` for what its format cannot say."""
    if call.dialect == route.provider.format:
        path, content = call.path, call.content_for(route.target.model)
        if call.dialect == "anthropic" and _UNSIGNED.search(content):
            content = json.dumps({**without_unsigned(call.document), "model": route.target.model}).encode()
        if (
            call.document.get("stream") is True
            and call.dialect == "openai"
            and route.health.tells_usage
            and not asks_for_usage(call.document)
        ):
            return Outgoing(path, with_usage(content, call.document, route.target.model), None, True)
        return Outgoing(path, content, None)
    between = translation(call.dialect, route.provider.format)
    try:
        content = json.dumps(between.request(call.document, route.target.model)).encode()
    except (KeyError, TypeError, AttributeError) as error:
        raise UntranslatableError("a part of it has no known shape") from error
    return Outgoing(TRANSLATED_PATHS[route.provider.format], content, between)


def request_head(call: Call, route: Route, sent: Outgoing, key: Key | None) -> bytes:
    """The head of ``sent``, empty line included.

    Anthropic's format has its version and its beta features in headers: the client's own where its body
    passes as it is, and of what was translated the version that it was translated to.
    """
    head = b"%b%d\r\n" % (route.head(sent.path, key), len(sent.content))
    if route.provider.format == "anthropic":
        said: Mapping[str, str] = call.request.headers if sent.between is None else {}
        version = said.get("anthropic-version", ANTHROPIC_VERSION)
        head = b"%banthropic-version: %b\r\n" % (head, version.encode("latin-1", "replace"))
        beta = said.get("anthropic-beta")
        if beta is not None:
            head = b"%banthropic-beta: %b\r\n" % (head, beta.encode("latin-1", "replace"))
    return head + b"\r\n"
