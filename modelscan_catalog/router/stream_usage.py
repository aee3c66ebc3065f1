"""Usage of streams that did not ask for it: asked for, counted, and kept from the client.

OpenAI's format tells the tokens of a stream only on request (``stream_options.include_usage``), in a last
chunk without choices: https://platform.openai.com/docs/api-reference/chat/create. Without it what a stream
costs would be unknown. Clients that did not ask see the stream as they know it.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

_EVENT_END = re.compile(rb"\n\r?\n")
_NO_CHOICES = re.compile(rb'"choices"\s*:\s*\[\s*\]')
_USAGE = re.compile(rb'"usage"\s*:\s*\{')
_MAX_HELD_BYTES = 1024 * 1024
_ASKED = b'"stream_options":{"include_usage":true}}'


def asks_for_usage(document: Mapping[str, Any]) -> bool:
    """Whether a request asks for the usage of its stream itself."""
    options = document.get("stream_options")
    return isinstance(options, dict) and bool(options.get("include_usage"))


def with_usage(content: bytes, document: Mapping[str, Any], model: str) -> bytes:
    """A request that asks for usage: its bytes as they are, one field more, where possible."""
    options = document.get("stream_options")
    if "stream_options" not in document:
        return b"%b,%b" % (content.rstrip()[:-1], _ASKED)
    asked = {**(options if isinstance(options, dict) else {}), "include_usage": True}
    return json.dumps({**document, "model": model, "stream_options": asked}).encode()


class UsageFilter:
    """Passes events on as they come, but for the one that tells usage and nothing else."""

    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held = b""
        """An event that is begun: it waits for its end."""

    def feed(self, data: bytes) -> bytes:
        """The whole events in ``data`` and before it."""
        if not self.held and b"[]" not in data and data[-2:] == b"\n\n":
            return data
        data, out, at = self.held + data, [], 0
        for end in _EVENT_END.finditer(data):
            event = data[at : end.end()]
            at = end.end()
            if not _is_usage(event):
                out.append(event)
        self.held = data[at:]
        if len(self.held) > _MAX_HELD_BYTES:
            out.append(self.held)
            self.held = b""
        return b"".join(out)


def _is_usage(event: bytes) -> bool:
    """Whether an event holds a chunk without choices that tells usage.

    Read without parsing: inside a JSON string the quotes around both names would be escaped.
    """
    return _NO_CHOICES.search(event) is not None and _USAGE.search(event) is not None
