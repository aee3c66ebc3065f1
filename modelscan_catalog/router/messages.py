"""Requests in the Anthropic Messages format for targets in the OpenAI format, and the answers back.

The other direction is in ``anthropic``. Formats: https://docs.anthropic.com/en/api/messages and
https://docs.anthropic.com/en/api/messages-streaming. A request for a target in the Messages format itself is
not translated at all.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from modelscan_catalog.router.anthropic import UntranslatableError

_STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "function_call": "tool_use",
}
_SAME = ("temperature", "top_p", "stream", "max_tokens")
_READ = {"model", "messages", "system", "stop_sequences", "tools", "tool_choice", *_SAME}
_IGNORED = {"metadata", "top_k", "service_tier", "thinking"}
"""Tuning. Who thinks by itself tells its thoughts where ``thinking`` asks for them."""
_TOOL_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def chat_request(body: Mapping[str, Any]) -> dict[str, Any]:
    """A Messages request as a chat completion request.

    Raises ``UntranslatableError`` for fields, blocks and tools that the chat format has no words for.
    """
    unknown = sorted(
        name for name, value in body.items() if value is not None and name not in _READ | _IGNORED
    )
    if unknown:
        raise UntranslatableError(f"this target cannot take {', '.join(unknown)}")
    messages: list[dict[str, Any]] = []
    if body.get("system"):
        messages.append({"role": "system", "content": _text(body["system"])})
    for message in body["messages"]:
        if not isinstance(message, dict) or message.get("role") not in ("user", "assistant"):
            raise UntranslatableError("every message must be an object with the role user or assistant")
        messages += _assistant(message) if message["role"] == "assistant" else _user(message)
    document: dict[str, Any] = {
        "model": body.get("model"),
        "messages": messages,
        **{name: body[name] for name in _SAME if body.get(name) is not None},
    }
    if body.get("stop_sequences"):
        document["stop"] = body["stop_sequences"]
    if body.get("stream"):
        document["stream_options"] = {"include_usage": True}
    if body.get("tools"):
        document["tools"] = [_tool(tool) for tool in body["tools"]]
        choice = body.get("tool_choice") or {}
        if choice.get("type") == "tool":
            document["tool_choice"] = {"type": "function", "function": {"name": choice.get("name", "")}}
        elif choice:
            document["tool_choice"] = _TOOL_CHOICES.get(choice.get("type", ""), "auto")
        if choice.get("disable_parallel_tool_use"):
            document["parallel_tool_calls"] = False
    return document


def wants_thoughts(body: Mapping[str, Any]) -> bool:
    """Whether a Messages request asks for the thoughts before the answer."""
    thinking = body.get("thinking")
    return isinstance(thinking, dict) and thinking.get("type") in ("enabled", "adaptive")


def without_unsigned(body: Mapping[str, Any]) -> dict[str, Any]:
    """A Messages request without thoughts that another target told: its own vendor refuses unsigned ones."""

    def kept(message: Any) -> Any:
        content = message.get("content") if isinstance(message, dict) else None
        if not isinstance(content, list):
            return message
        own = [
            block
            for block in content
            if not (
                isinstance(block, dict) and block.get("type") == "thinking" and not block.get("signature")
            )
        ]
        return {**message, "content": own}

    return {**body, "messages": [kept(message) for message in body["messages"]]}


def message_answer(completion: Mapping[str, Any], thoughts: bool = False) -> dict[str, Any]:
    """A chat completion as a Messages answer; ``thoughts`` as an unsigned block where the target told any."""
    [choice, *_] = completion["choices"]
    message = choice["message"]
    content: list[dict[str, Any]] = []
    if thoughts and (thought := _thought(message)):
        content.append({"type": "thinking", "thinking": thought, "signature": ""})
    if said := message.get("content") or message.get("refusal"):
        content.append({"type": "text", "text": said})
    for call in message.get("tool_calls") or []:
        function = call["function"]
        given = json.loads(function.get("arguments") or "{}")
        content.append({"type": "tool_use", "id": call["id"], "name": function["name"], "input": given})
    return {
        "id": completion.get("id", ""),
        "type": "message",
        "role": "assistant",
        "model": completion.get("model", ""),
        "content": content,
        **_stopped(choice, refused=bool(message.get("refusal"))),
        "usage": _usage(completion.get("usage") or {}),
    }


def _thought(said: Mapping[str, Any]) -> str:
    """What a model thought, as DeepSeek, vLLM and SGLang tell it, or as OpenRouter and newer vLLM do."""
    return str(said.get("reasoning_content") or said.get("reasoning") or "")


def _stopped(choice: Mapping[str, Any], *, refused: bool = False) -> dict[str, Any]:
    """Why an answer ended; engines tell the sequence that ended it in ``stop_reason``, OpenAI does not."""
    if refused:
        return {"stop_reason": "refusal", "stop_sequence": None}
    if choice.get("finish_reason") == "stop" and isinstance(choice.get("stop_reason"), str):
        return {"stop_reason": "stop_sequence", "stop_sequence": choice["stop_reason"]}
    return {
        "stop_reason": _STOP_REASONS.get(choice.get("finish_reason") or "stop", "end_turn"),
        "stop_sequence": None,
    }


class MessageStream:
    """Chat completion chunks in, Messages events out, as they come; state of one stream."""

    def __init__(self, thoughts: bool = False) -> None:
        self._thoughts = thoughts
        self._buffer = b""
        self._kind = ""
        self._block: int | None = None
        self._blocks = 0
        self._call: tuple[Any, str] = (None, "")
        self._begun = False
        self._refused = False
        self._stopped = _stopped({})
        self._counts: dict[str, Any] = {}
        self.finished = False
        self.usage: dict[str, Any] | None = None

    def feed(self, data: bytes) -> bytes:
        """The events that ``data`` completes; raises ``ValueError`` for a chunk that is not JSON."""
        self._buffer += data.replace(b"\r\n", b"\n")
        *events, self._buffer = self._buffer.split(b"\n\n")
        out = bytearray()
        for event in events:
            for line in event.split(b"\n"):
                if line.startswith(b"data:"):
                    out += b"".join(self._line(line[5:].strip()))
        return bytes(out)

    def _line(self, line: bytes) -> Iterator[bytes]:
        if line == b"[DONE]":
            yield from self._end()
            return
        chunk = json.loads(line)
        if "error" in chunk:
            raise ValueError("it sent an error")
        if not self._begun:
            self._begun = True
            message = {
                "id": chunk.get("id", ""),
                "type": "message",
                "role": "assistant",
                "model": chunk.get("model", ""),
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": _usage({}),
            }
            yield _event("message_start", message=message)
        self._counts = chunk.get("usage") or self._counts
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            if self._thoughts and (thought := _thought(delta)):
                yield from self._piece("thinking", thought)
            if delta.get("refusal"):
                self._refused = True
            if said := delta.get("content") or delta.get("refusal"):
                yield from self._piece("text", said)
            for call in delta.get("tool_calls") or ():
                yield from self._tool_call(call)
            if choice.get("finish_reason"):
                self._stopped = _stopped(choice, refused=self._refused)

    def _piece(self, kind: str, text: str) -> Iterator[bytes]:
        if self._kind != kind:
            signed = {"signature": ""} if kind == "thinking" else {}
            yield from self._open({"type": kind, kind: "", **signed})
        yield _event("content_block_delta", index=self._block, delta={"type": f"{kind}_delta", kind: text})

    def _tool_call(self, call: Mapping[str, Any]) -> Iterator[bytes]:
        function = call.get("function") or {}
        # Gemini's OpenAI interface gives every call of an answer the same index, but an id of its own.
        index, known = call.get("index"), self._call
        if self._kind != "tool_use" or index != known[0] or call.get("id") not in (None, "", known[1]):
            self._call = (index, call.get("id") or "")
            block = {
                "type": "tool_use",
                "id": call.get("id", ""),
                "name": function.get("name", ""),
                "input": {},
            }
            yield from self._open(block)
        if function.get("arguments"):
            delta = {"type": "input_json_delta", "partial_json": function["arguments"]}
            yield _event("content_block_delta", index=self._block, delta=delta)

    def _open(self, block: Mapping[str, Any]) -> Iterator[bytes]:
        yield from self._close()
        self._block, self._kind = self._blocks, block["type"]
        self._blocks += 1
        yield _event("content_block_start", index=self._block, content_block=block)

    def _close(self) -> Iterable[bytes]:
        if self._block is not None:
            yield _event("content_block_stop", index=self._block)
            self._block, self._kind = None, ""

    def _end(self) -> Iterator[bytes]:
        yield from self._close()
        yield _event("message_delta", delta=self._stopped, usage=_usage(self._counts))
        yield _event("message_stop")
        self.usage = self._counts
        self.finished = True


def error_answer(status: int, message: str) -> dict[str, Any]:
    """A failure in the Messages format's shape."""
    kinds = {
        400: "invalid_request_error",
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        413: "request_too_large",
        402: "billing_error",
        429: "rate_limit_error",
        503: "overloaded_error",
        529: "overloaded_error",
        504: "timeout_error",
    }
    return {"type": "error", "error": {"type": kinds.get(status, "api_error"), "message": message}}


def _event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def _usage(counts: Mapping[str, Any]) -> dict[str, int]:
    details = counts.get("prompt_tokens_details") or {}
    cached = details.get("cached_tokens") or 0
    return {
        "input_tokens": (counts.get("prompt_tokens") or 0) - cached,
        "cache_read_input_tokens": cached,
        "output_tokens": counts.get("completion_tokens") or 0,
    }


def _blocks(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list) or not all(isinstance(block, dict) for block in content):
        raise UntranslatableError("content must be a string or a list of blocks")
    return content


def _assistant(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    texts, calls = [], []
    for block in _blocks(message):
        if block.get("type") == "text":
            texts.append(block["text"])
        elif block.get("type") == "tool_use":
            function = {"name": block["name"], "arguments": json.dumps(block.get("input", {}))}
            calls.append({"id": block["id"], "type": "function", "function": function})
        elif block.get("type") not in ("thinking", "redacted_thinking"):
            raise UntranslatableError(f"this target cannot take a block of type {block.get('type')!r}")
    said: dict[str, Any] = {"role": "assistant", "content": "".join(texts) or None}
    return [{**said, "tool_calls": calls}] if calls else [said]


def _user(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    results, parts = [], []
    for block in _blocks(message):
        kind = block.get("type")
        if kind == "tool_result":
            content, shown = _result(block.get("content") or "")
            parts += shown
            results.append({"role": "tool", "tool_call_id": block.get("tool_use_id", ""), "content": content})
        elif kind == "text":
            parts.append({"type": "text", "text": block["text"]})
        elif kind == "image":
            parts.append(_image(block))
        elif kind == "document":
            parts.append(_document(block))
        else:
            raise UntranslatableError(f"this target cannot take a block of type {kind!r}")
    if not parts:
        return results
    alone = len(parts) == 1 and parts[0]["type"] == "text"
    return [*results, {"role": "user", "content": parts[0]["text"] if alone else parts}]


def _result(content: Any) -> tuple[str, list[dict[str, Any]]]:
    """A tool's result as text, and its images, which the chat format takes from users only."""
    if not isinstance(content, list) or not all(isinstance(block, dict) for block in content):
        return _text(content), []
    shown = [_image(block) for block in content if block.get("type") == "image"]
    return _text([block for block in content if block.get("type") != "image"]), shown


def _image(block: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": _image_url(block.get("source") or {})}}


def _document(block: Mapping[str, Any]) -> dict[str, Any]:
    source = block.get("source") or {}
    if source.get("type") == "text":
        return {"type": "text", "text": str(source.get("data", ""))}
    if source.get("type") != "base64":
        raise UntranslatableError("this target takes documents within the request only")
    data = f"data:{source.get('media_type', '')};base64,{source.get('data', '')}"
    return {"type": "file", "file": {"filename": block.get("title") or "document.pdf", "file_data": data}}


def _image_url(source: Mapping[str, Any]) -> str:
    if source.get("type") == "base64":
        return f"data:{source.get('media_type', '')};base64,{source.get('data', '')}"
    if source.get("type") == "url":
        return str(source.get("url", ""))
    raise UntranslatableError("this target takes images as base64 or by URL")


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list) and all(isinstance(b, dict) and b.get("type") == "text" for b in content):
        return "\n".join(str(block.get("text", "")) for block in content)
    raise UntranslatableError("this target takes text only in system and tool results")


def _tool(tool: Any) -> dict[str, Any]:
    if not isinstance(tool, dict) or "input_schema" not in tool:
        raise UntranslatableError("this target takes tools of the client only, with an input_schema")
    described = {"description": tool["description"]} if tool.get("description") else {}
    function = {"name": tool.get("name", ""), **described, "parameters": tool["input_schema"]}
    return {"type": "function", "function": function}
