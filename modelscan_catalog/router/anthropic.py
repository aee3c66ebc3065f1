"""Chat requests and answers between the OpenAI and the Anthropic Messages format, streams and tools included.

Formats: https://docs.anthropic.com/en/api/messages, https://docs.anthropic.com/en/api/messages-streaming and
https://platform.openai.com/docs/api-reference/chat. What the other format cannot say is refused
(``UntranslatableError``), never dropped in silence, but for the tuning fields in ``_IGNORED``.
"""

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

DEFAULT_MAX_TOKENS = 4096
"""The Messages format demands a bound; used when the client gives none."""

_STOP_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "model_context_window_exceeded": "length",
}
_SAME = ("temperature", "top_p", "stream")
_IGNORED = {
    "frequency_penalty", "presence_penalty", "seed", "logit_bias", "user", "store", "metadata",
    "stream_options", "parallel_tool_calls", "service_tier", "safety_identifier", "prompt_cache_key",
    "reasoning_effort", "verbosity",
}  # fmt: skip
_DEFAULTS: dict[str, Any] = {
    "response_format": {"type": "text"}, "modalities": ["text"], "logprobs": False, "top_logprobs": 0,
}  # fmt: skip
"""What asks for nothing that would not happen anyway."""
_READ = {
    "model", "messages", "max_tokens", "max_completion_tokens", "stop", "tools", "tool_choice", "n", *_SAME,
}  # fmt: skip


class UntranslatableError(Exception):
    """The request asks for something that the other format has no words for."""


def messages_request(body: Mapping[str, Any], model: str) -> dict[str, Any]:
    """A chat completion request as a Messages request for ``model``.

    Raises ``UntranslatableError`` for several choices, unknown fields, roles or content parts.
    """
    unknown = sorted(
        name
        for name, value in body.items()
        if value is not None and name not in _READ | _IGNORED and _DEFAULTS.get(name) != value
    )
    if unknown:
        raise UntranslatableError(f"this target cannot take {', '.join(unknown)}")
    if body.get("n") not in (None, 1):
        raise UntranslatableError("this target gives one choice: n must be 1")
    system: list[str] = []
    messages: list[dict[str, Any]] = []
    for message in body["messages"]:
        if not isinstance(message, dict):
            raise UntranslatableError("every message must be an object")
        role = message.get("role")
        if role in ("system", "developer"):
            system.append(_text(message.get("content")))
            continue
        said = {"role": "assistant" if role == "assistant" else "user", "content": _blocks(message, role)}
        if messages and messages[-1]["role"] == said["role"]:
            messages[-1]["content"] += said["content"]
        elif said["content"]:
            messages.append(said)
    document: dict[str, Any] = {
        "model": model,
        "max_tokens": body.get("max_completion_tokens") or body.get("max_tokens") or DEFAULT_MAX_TOKENS,
        "messages": messages,
        **{name: body[name] for name in _SAME if body.get(name) is not None},
    }
    if system:
        document["system"] = "\n\n".join(system)
    stop = body.get("stop")
    if stop:
        document["stop_sequences"] = [stop] if isinstance(stop, str) else stop
    if body.get("tools"):
        document["tools"] = [_tool(tool) for tool in body["tools"]]
        choice = _tool_choice(body.get("tool_choice"))
        if body.get("parallel_tool_calls") is False:
            choice = {**(choice or {"type": "auto"}), "disable_parallel_tool_use": True}
        if choice:
            document["tool_choice"] = choice
    return document


def completion(document: Mapping[str, Any]) -> dict[str, Any]:
    """A Messages answer as a chat completion."""
    texts, calls, thoughts = [], [], []
    for block in document.get("content", []):
        if block.get("type") == "text":
            texts.append(block["text"])
        elif block.get("type") == "thinking":
            thoughts.append(block["thinking"])
        elif block.get("type") == "tool_use":
            arguments = json.dumps(block.get("input", {}))
            calls.append(
                {
                    "id": block["id"],
                    "type": "function",
                    "function": {"name": block["name"], "arguments": arguments},
                }
            )
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts) if texts or not calls else None}
    if calls:
        message["tool_calls"] = calls
    if thoughts:
        message["reasoning_content"] = "".join(thoughts)
    return {
        "id": document.get("id", ""),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": document.get("model", ""),
        "choices": [
            {
                "index": 0,
                "message": message,
                "finish_reason": _STOP_REASONS.get(document.get("stop_reason") or "", "stop"),
                "logprobs": None,
            }
        ],
        "usage": usage(document.get("usage") or {}),
    }


def usage(counts: Mapping[str, Any]) -> dict[str, Any]:
    """Token counts: the Messages format tells cached tokens beside the others, OpenAI's within them."""
    cached = counts.get("cache_read_input_tokens") or 0
    prompt = (counts.get("input_tokens") or 0) + cached + (counts.get("cache_creation_input_tokens") or 0)
    answer = counts.get("output_tokens") or 0
    return {
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "total_tokens": prompt + answer,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


class StreamTranslator:
    """Messages events in, chat completion chunks out, as they come; state of one stream."""

    def __init__(self, include_usage: bool) -> None:
        self._include_usage = include_usage
        self._buffer = b""
        self._head: dict[str, Any] = {
            "id": "",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
        }
        self._counts: dict[str, Any] = {}
        self._tools: dict[int, int] = {}
        self.finished = False
        self.usage: dict[str, Any] | None = None

    def feed(self, data: bytes) -> bytes:
        """The chunks that ``data`` completes; raises ``ValueError`` for an event that is not JSON."""
        self._buffer += data.replace(b"\r\n", b"\n")
        *events, self._buffer = self._buffer.split(b"\n\n")
        out = []
        for event in events:
            lines = [line[5:].strip() for line in event.split(b"\n") if line.startswith(b"data:")]
            if lines:
                out += [b"data: " + chunk + b"\n\n" for chunk in self._event(json.loads(b"\n".join(lines)))]
        return b"".join(out)

    def _event(self, event: Mapping[str, Any]) -> Iterable[bytes]:
        kind = event.get("type")
        if kind == "message_start":
            message = event["message"]
            self._head |= {"id": message.get("id", ""), "model": message.get("model", "")}
            self._counts |= message.get("usage") or {}
            yield self._chunk({"role": "assistant", "content": ""})
        elif kind == "content_block_start" and event["content_block"].get("type") == "tool_use":
            block = event["content_block"]
            number = self._tools.setdefault(event["index"], len(self._tools))
            function = {"name": block["name"], "arguments": ""}
            yield self._chunk(
                {
                    "tool_calls": [
                        {"index": number, "id": block["id"], "type": "function", "function": function}
                    ]
                }
            )
        elif kind == "content_block_delta":
            delta = event["delta"]
            if delta.get("type") == "text_delta":
                yield self._chunk({"content": delta["text"]})
            elif delta.get("type") == "thinking_delta":
                yield self._chunk({"reasoning_content": delta["thinking"]})
            elif delta.get("type") == "input_json_delta":
                call = {
                    "index": self._tools[event["index"]],
                    "function": {"arguments": delta["partial_json"]},
                }
                yield self._chunk({"tool_calls": [call]})
        elif kind == "message_delta":
            self._counts |= {
                name: value for name, value in (event.get("usage") or {}).items() if value is not None
            }
            reason = event["delta"].get("stop_reason")
            if reason:
                yield self._chunk({}, _STOP_REASONS.get(reason, "stop"))
        elif kind == "message_stop":
            self.finished = True
            self.usage = usage(self._counts)
            if self._include_usage:
                yield json.dumps({**self._head, "choices": [], "usage": self.usage}).encode()
            yield b"[DONE]"
        elif kind == "error":
            raise ValueError(f"it sent an error: {event.get('error', {}).get('type', 'unknown')}")

    def _chunk(self, delta: Mapping[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return json.dumps({**self._head, "choices": [choice]}).encode()


def _blocks(message: Mapping[str, Any], role: object) -> list[dict[str, Any]]:
    content = message.get("content")
    if role == "tool":
        return [
            {"type": "tool_result", "tool_use_id": message.get("tool_call_id", ""), "content": _text(content)}
        ]
    if role not in ("user", "assistant"):
        raise UntranslatableError(f"this target knows no role {role!r}")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) and content else []
    if isinstance(content, list):
        blocks = [_part(part) for part in content]
    for call in message.get("tool_calls") or []:
        function = call.get("function") or {}
        try:
            given = json.loads(function.get("arguments") or "{}")
        except ValueError as error:
            raise UntranslatableError("the arguments of a tool call are not JSON") from error
        blocks.append(
            {"type": "tool_use", "id": call.get("id", ""), "name": function.get("name", ""), "input": given}
        )
    return blocks


def _part(part: Any) -> dict[str, Any]:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text":
        return {"type": "text", "text": part.get("text", "")}
    if kind == "image_url":
        image = part.get("image_url")
        url = image.get("url", "") if isinstance(image, dict) else str(image)
        if url.startswith("data:"):
            media, _, data = url.removeprefix("data:").partition(";base64,")
            return {"type": "image", "source": {"type": "base64", "media_type": media, "data": data}}
        return {"type": "image", "source": {"type": "url", "url": url}}
    if kind == "file":
        file = part.get("file") or {}
        media, found, data = str(file.get("file_data", "")).removeprefix("data:").partition(";base64,")
        if found and media == "application/pdf":
            named = {"title": file["filename"]} if file.get("filename") else {}
            source = {"type": "base64", "media_type": media, "data": data}
            return {"type": "document", "source": source, **named}
        raise UntranslatableError("this target takes files as PDF within the request only")
    raise UntranslatableError(f"this target cannot take a content part of type {kind!r}")


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list) and all(
        isinstance(part, dict) and part.get("type") == "text" for part in content
    ):
        return "\n".join(str(part.get("text", "")) for part in content)
    if content is None:
        return ""
    raise UntranslatableError("this target takes text only in system and tool messages")


def _tool(tool: Any) -> dict[str, Any]:
    function = tool.get("function") if isinstance(tool, dict) and tool.get("type") == "function" else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise UntranslatableError("every tool must be a function with a name")
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    described = {"description": function["description"]} if function.get("description") else {}
    return {"name": function["name"], **described, "input_schema": schema}


def _tool_choice(choice: Any) -> dict[str, Any] | None:
    if choice is None:
        return None
    if isinstance(choice, dict):
        return {"type": "tool", "name": choice.get("function", {}).get("name", "")}
    kinds = {"auto": "auto", "none": "none", "required": "any"}
    if choice not in kinds:
        raise UntranslatableError(f"this target knows no tool_choice {choice!r}")
    return {"type": kinds[choice]}
