"""Messages requests as chat requests and their answers back; there and back again says the same."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.router.anthropic import StreamTranslator, UntranslatableError, messages_request
from modelscan_catalog.router.messages import MessageStream, chat_request, error_answer, message_answer

REQUEST = {
    "model": "m",
    "max_tokens": 50,
    "system": [{"type": "text", "text": "Be brief."}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Weather?"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Looking."},
                {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Bern"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "rain"},
                {"type": "text", "text": "And?"},
            ],
        },
    ],
    "stop_sequences": ["END"],
    "temperature": 0.5,
    "tools": [{"name": "weather", "description": "now", "input_schema": {"type": "object"}}],
    "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
}


def test_given_a_messages_request_when_translated_there_and_back_then_nothing_is_lost():
    chat = chat_request(REQUEST)
    assert [message["role"] for message in chat["messages"]] == [
        "system",
        "user",
        "assistant",
        "tool",
        "user",
    ]
    assert chat["messages"][1]["content"][1]["image_url"]["url"] == "data:image/png;base64,AA=="
    assert chat["tool_choice"] == "required"
    again = messages_request(chat, "m")
    assert again == {**REQUEST, "system": "Be brief."}


@pytest.mark.parametrize(
    "changes",
    [
        {"mcp_servers": []},
        {"thinking": {"type": "enabled"}},
        {"messages": [{"role": "system", "content": "x"}]},
        {"messages": [{"role": "user", "content": [{"type": "document"}]}]},
        {"messages": [{"role": "user", "content": 3}]},
        {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
    ],
)
def test_given_what_chat_cannot_say_when_translated_then_it_is_refused_not_dropped(changes):
    with pytest.raises(UntranslatableError):
        chat_request({**REQUEST, **changes})


def test_given_a_completion_when_translated_then_text_calls_and_tokens_are_there():
    call = {"id": "t1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Bern"}'}}
    message = {"role": "assistant", "content": "It rains.", "tool_calls": [call]}
    usage = {"prompt_tokens": 10, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 3}}
    answer = message_answer(
        {
            "id": "c",
            "model": "m",
            "choices": [{"message": message, "finish_reason": "tool_calls"}],
            "usage": usage,
        }
    )
    assert answer["content"] == [
        {"type": "text", "text": "It rains."},
        {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Bern"}},
    ]
    assert answer["stop_reason"] == "tool_use"
    assert answer["usage"] == {"input_tokens": 7, "cache_read_input_tokens": 3, "output_tokens": 4}


def chunk(delta, finish=None, **more):
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "c", "model": "m", "choices": [choice], **more}).encode() + b"\n\n"


STREAM = (
    chunk({"role": "assistant", "content": ""})
    + chunk({"content": "Hé"})
    + chunk({"content": "llo"})
    + chunk({"tool_calls": [{"index": 0, "id": "t1", "function": {"name": "weather", "arguments": ""}}]})
    + chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"city":'}}]})
    + chunk({"tool_calls": [{"index": 0, "function": {"arguments": '"Bern"}'}}]})
    + chunk({}, "tool_calls")
    + b'data: {"id": "c", "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 9}}\n\n'
    + b"data: [DONE]\n\n"
)


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_given_a_stream_cut_anywhere_when_translated_there_and_back_then_it_says_the_same(cuts):
    to_messages, to_chat = MessageStream(), StreamTranslator(True)
    at, out = 0, b""
    for cut in [*sorted(cuts), len(STREAM)]:
        out += to_chat.feed(to_messages.feed(STREAM[at:cut]))
        at = cut
    *chunks, done = [line.removeprefix(b"data: ") for line in out.split(b"\n\n") if line]
    assert done == b"[DONE]"
    assert to_messages.finished
    chunks = [json.loads(one) for one in chunks]
    usage = chunks.pop()["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (7, 9)
    deltas = [one["choices"][0]["delta"] for one in chunks]
    assert "".join(delta.get("content") or "" for delta in deltas) == "Héllo"
    arguments = [call["function"]["arguments"] for delta in deltas for call in delta.get("tool_calls", [])]
    assert "".join(arguments) == '{"city":"Bern"}'
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_given_a_failure_when_told_then_it_has_the_messages_shape():
    assert error_answer(429, "slow") == {
        "type": "error",
        "error": {"type": "rate_limit_error", "message": "slow"},
    }
    assert error_answer(502, "x")["error"]["type"] == "api_error"
