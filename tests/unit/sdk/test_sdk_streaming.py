"""Server-sent events: whole whatever the pieces they come in."""

from collections.abc import Sequence
from itertools import pairwise

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelscan_catalog.sdk.access import Access, Address
from modelscan_catalog.sdk.errors import BrokenStreamError
from modelscan_catalog.sdk.streaming import ChatReader, JsonReader, MessageReader, SseDecoder, Stream

ADDRESS = Address(Access("example", "https://api.example.com", auth="none"), None, None, None, {})
EVENT = b'data: {"choices":[{"delta":{"content":"a\xe2\x80\xa8b"}}]}\n\n'
END = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'


def stream(body: bytes) -> Stream[object]:
    return Stream(httpx.Response(200, content=body), ChatReader(ADDRESS))


@given(st.lists(st.integers(0, 120), max_size=6), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_events_do_not_depend_on_where_the_bytes_are_cut(cuts: Sequence[int], newline: bytes) -> None:
    whole = (b": comment\nevent: x\n" + EVENT + b"data: one\ndata: two\n\n").replace(b"\n", newline) + b"\n"
    decoder, events = SseDecoder(), []
    places = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    for start, end in pairwise(places):
        events += decoder.feed(whole[start:end])
    assert events == ['{"choices":[{"delta":{"content":"a\u2028b"}}]}', "one\ntwo"]


def test_a_stream_that_ends_without_its_last_event_is_broken_however_politely_it_ends() -> None:
    with pytest.raises(BrokenStreamError, match="without its last event"):
        list(stream(EVENT))
    assert len(list(stream(EVENT + END))) == 2
    assert len(list(stream(EVENT + b"data: [DONE]\n\n"))) == 1


@pytest.mark.parametrize(
    "event",
    [b"data: not json\n\n", b"data: [1]\n\n", b'data: {"error":{"message":"overloaded"}}\n\n'],
    ids=["no JSON", "no object", "an error"],
)
def test_what_is_no_piece_of_an_answer_breaks_the_stream(event: bytes) -> None:
    with pytest.raises(BrokenStreamError):
        list(stream(EVENT + event + END))


def test_an_anthropic_stream_ends_with_message_stop_and_a_custom_one_with_its_connection() -> None:
    reader = MessageReader(ADDRESS)
    reader.read('{"type":"content_block_delta","delta":{"type":"text_delta","text":"x"}}')
    assert not reader.ended
    reader.read('{"type":"message_stop"}')
    assert reader.ended
    custom = JsonReader(ADDRESS)
    assert custom.read('{"text":"x"}') == {"text": "x"}
    assert custom.ended


def test_an_event_without_end_is_not_collected_for_ever() -> None:
    decoder = SseDecoder()
    with pytest.raises(ValueError, match="without end"):
        for _ in range(20):
            decoder.feed(b"x" * 1_000_000)
