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
        {"container": "c"},
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


def told(stream, *chunks):
    """The Messages events that ``chunks`` become, as (type, content)."""
    out = stream.feed(b"".join(chunks) + b"data: [DONE]\n\n")
    events = [json.loads(event.partition(b"data: ")[2]) for event in out.split(b"\n\n") if event]
    return [(event["type"], event.get("content_block") or event.get("delta")) for event in events]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_given_a_target_that_thinks_when_its_thoughts_are_asked_for_then_they_come_first_and_else_not(field):
    thinks = [chunk({field: "hm"}), chunk({field: "..."}), chunk({"content": "yes"}), chunk({}, "stop")]
    events = told(MessageStream(thoughts=True), *thinks)
    assert events[1:7] == [
        ("content_block_start", {"type": "thinking", "thinking": "", "signature": ""}),
        ("content_block_delta", {"type": "thinking_delta", "thinking": "hm"}),
        ("content_block_delta", {"type": "thinking_delta", "thinking": "..."}),
        ("content_block_stop", None),
        ("content_block_start", {"type": "text", "text": ""}),
        ("content_block_delta", {"type": "text_delta", "text": "yes"}),
    ]
    assert "thinking" not in str(told(MessageStream(), *thinks))
    choice = {"message": {field: "hm", "content": "yes"}, "finish_reason": "stop"}
    blocks = message_answer({"choices": [choice]}, thoughts=True)["content"]
    assert [block["type"] for block in blocks] == ["thinking", "text"]
    assert [block["type"] for block in message_answer({"choices": [choice]})["content"]] == ["text"]


@pytest.mark.parametrize(
    ("choice", "reason", "sequence"),
    [
        ({"finish_reason": "stop"}, "end_turn", None),
        ({"finish_reason": "stop", "stop_reason": "END"}, "stop_sequence", "END"),
        ({"finish_reason": "stop", "stop_reason": 151643}, "end_turn", None),
        ({"finish_reason": "length"}, "max_tokens", None),
        ({"finish_reason": "tool_calls"}, "tool_use", None),
        ({"finish_reason": "content_filter"}, "refusal", None),
    ],
)
def test_given_why_an_answer_ended_when_translated_then_it_is_said_in_the_formats_words(
    choice, reason, sequence
):
    answer = message_answer({"choices": [{"message": {"content": "x"}, **choice}]})
    assert (answer["stop_reason"], answer["stop_sequence"]) == (reason, sequence)
    last = b"data: " + json.dumps({"choices": [{"delta": {}, **choice}]}).encode() + b"\n\n"
    [(_, ended)] = [one for one in told(MessageStream(), last) if one[0] == "message_delta"]
    assert ended == {"stop_reason": reason, "stop_sequence": sequence}


def test_given_a_refusal_when_translated_then_its_text_is_kept_and_the_reason_told():
    message = {"content": None, "refusal": "I cannot."}
    answer = message_answer({"choices": [{"message": message, "finish_reason": "stop"}]})
    assert (answer["content"][0]["text"], answer["stop_reason"]) == ("I cannot.", "refusal")
    events = told(MessageStream(), chunk({"refusal": "I cannot."}), chunk({}, "stop"))
    assert ("content_block_delta", {"type": "text_delta", "text": "I cannot."}) in events
    assert ("message_delta", {"stop_reason": "refusal", "stop_sequence": None}) in events


def test_given_calls_that_share_an_index_when_streamed_then_each_becomes_a_block_of_its_own():
    calls = [{"index": 0, "id": f"c{n}", "function": {"name": "f", "arguments": "{}"}} for n in range(2)]
    events = told(
        MessageStream(), *(chunk({"tool_calls": [call]}) for call in calls), chunk({}, "tool_calls")
    )
    assert [block["id"] for kind, block in events if kind == "content_block_start"] == ["c0", "c1"]


def test_given_files_when_translated_then_images_of_tools_and_documents_have_their_place():
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}
    pdf = {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}
    content = [
        {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "shot"}, image]},
        {"type": "document", "title": "a.pdf", "source": pdf},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "plain"}},
    ]
    tool, user = chat_request({"messages": [{"role": "user", "content": content}]})["messages"]
    assert tool == {"role": "tool", "tool_call_id": "t1", "content": "shot"}
    assert user["content"] == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}},
        {"type": "text", "text": "plain"},
    ]
    back = messages_request({"messages": [user]}, "c")["messages"][0]["content"]
    assert back[1] == {"type": "document", "source": pdf, "title": "a.pdf"}
