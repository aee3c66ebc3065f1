"""Chat requests as Messages requests and their answers back, whole and as a stream cut anywhere."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.router.anthropic import (
    StreamTranslator,
    UntranslatableError,
    completion,
    messages_request,
)

WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}}
EVENTS = [
    {
        "type": "message_start",
        "message": {"id": "msg_1", "model": "c", "usage": {"input_tokens": 7, "output_tokens": 1}},
    },
    {"type": "ping"},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Héllo"}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "content_block_start",
        "index": 1,
        "content_block": {"type": "tool_use", "id": "t1", "name": "weather", "input": {}},
    },
    {
        "type": "content_block_delta",
        "index": 1,
        "delta": {"type": "input_json_delta", "partial_json": '{"city":'},
    },
    {
        "type": "content_block_delta",
        "index": 1,
        "delta": {"type": "input_json_delta", "partial_json": '"Bern"}'},
    },
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}},
    {"type": "message_stop"},
]
STREAM = b"".join(b"event: %b\ndata: %b\n\n" % (e["type"].encode(), json.dumps(e).encode()) for e in EVENTS)


def test_given_a_chat_with_tools_when_translated_then_every_part_has_its_place():
    body = {
        "model": "any",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Weather?"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "t1",
                        "type": "function",
                        "function": {"name": "weather", "arguments": '{"city": "Bern"}'},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "t1", "content": "rain"},
            {"role": "user", "content": "And?"},
        ],
        "tools": [
            {"type": "function", "function": {"name": "weather", "description": "now", "parameters": WEATHER}}
        ],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "max_tokens": 50,
        "stop": "END",
        "temperature": 0.5,
        "stream": True,
        "seed": 1,
    }
    assert messages_request(body, "c") == {
        "model": "c",
        "max_tokens": 50,
        "temperature": 0.5,
        "stream": True,
        "system": "Be brief.",
        "stop_sequences": ["END"],
        "tools": [{"name": "weather", "description": "now", "input_schema": WEATHER}],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Weather?"},
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": "AA=="},
                    },
                ],
            },
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Bern"}}],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "content": "rain"},
                    {"type": "text", "text": "And?"},
                ],
            },
        ],
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"n": 2},
        {"response_format": {"type": "json_object"}},
        {"logprobs": True},
        {"messages": [{"role": "critic", "content": "x"}]},
        {"messages": ["x"]},
        {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"arguments": "{"}}]}]},
        {"tools": [{"type": "web_search"}]},
        {"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "sometimes"},
    ],
)
def test_given_what_the_format_cannot_say_when_translated_then_it_is_refused_not_dropped(changes):
    with pytest.raises(UntranslatableError):
        messages_request({"model": "m", "messages": [{"role": "user", "content": "x"}], **changes}, "c")


def test_given_a_message_when_translated_back_then_text_calls_and_tokens_are_there():
    answer = completion(
        {
            "id": "msg_1",
            "model": "c",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "text", "text": "It rains."},
                {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Bern"}},
            ],
            "stop_reason": "tool_use",
            "usage": {
                "input_tokens": 5,
                "cache_read_input_tokens": 3,
                "cache_creation_input_tokens": 2,
                "output_tokens": 4,
            },
        }
    )
    [choice] = answer["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] == "It rains."
    assert choice["message"]["reasoning_content"] == "hm"
    assert json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"]) == {"city": "Bern"}
    assert answer["usage"]["prompt_tokens"] == 10
    assert answer["usage"]["prompt_tokens_details"] == {"cached_tokens": 3}
    assert answer["usage"]["total_tokens"] == 14


@given(st.lists(st.integers(0, len(STREAM)), max_size=8), st.booleans())
def test_given_a_stream_cut_anywhere_when_translated_then_the_chunks_say_the_same(cuts, include_usage):
    translator = StreamTranslator(include_usage)
    at, out = 0, b""
    for cut in [*sorted(cuts), len(STREAM)]:
        out += translator.feed(STREAM[at:cut])
        at = cut
    *chunks, done = [line.removeprefix(b"data: ") for line in out.split(b"\n\n") if line]
    assert done == b"[DONE]"
    chunks = [json.loads(chunk) for chunk in chunks]
    assert translator.finished
    assert translator.usage["total_tokens"] == 16
    if include_usage:
        assert chunks.pop()["usage"] == translator.usage
    choices = [chunk["choices"][0] for chunk in chunks]
    assert "".join(choice["delta"].get("content") or "" for choice in choices) == "Héllo"
    calls = [call for choice in choices for call in choice["delta"].get("tool_calls", [])]
    assert (calls[0]["id"], calls[0]["function"]["name"]) == ("t1", "weather")
    assert "".join(call["function"]["arguments"] for call in calls) == '{"city":"Bern"}'
    assert choices[-1]["finish_reason"] == "tool_calls"


def test_given_an_error_event_when_translated_then_it_is_raised():
    with pytest.raises(ValueError, match="overloaded_error"):
        StreamTranslator(False).feed(b'data: {"type": "error", "error": {"type": "overloaded_error"}}\n\n')
