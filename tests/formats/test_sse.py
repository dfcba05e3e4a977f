import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import BadMessage
from guard.formats.ndjson import NdjsonFraming
from guard.formats.sse import SseFraming, event, is_plain

ENDS = st.sampled_from(["\n", "\r\n", "\r"])
LINES = st.sampled_from(
    ["data: {}", "data:x", "data: ä\u2028y", "data", ": comment", "event: e", "id: 7", "retry: 5", "odd", "data:  two"]
)


@st.composite
def streams(draw):
    lines = draw(st.lists(st.tuples(LINES | st.just(""), ENDS), max_size=14))
    return (("\ufeff" if draw(st.booleans()) else "") + "".join(line + end for line, end in lines)).encode()


def framed(framing, chunks):
    return [frame for chunk in chunks for frame in framing.feed(chunk)] + list(framing.end())


@given(streams(), st.data())
def test_a_stream_cut_anywhere_gives_the_same_frames(stream, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    edges = [0, *cuts, len(stream)]
    pieces = [stream[start:end] for start, end in pairwise(edges)]
    assert framed(SseFraming(1000), pieces) == framed(SseFraming(1000), [stream])


@given(streams())
def test_data_is_what_the_standard_says(stream):
    text = stream.decode().removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    expected = []
    for block in text.split("\n\n"):
        values = [line[5:].removeprefix(" ") for line in block.split("\n") if line.startswith("data:") or line == "data"]
        if values:
            expected.append("\n".join(values))
    assert [frame.data for frame in framed(SseFraming(1000), [stream]) if frame.data is not None] == expected


@given(streams())
def test_the_raw_bytes_of_all_frames_are_the_stream_without_idle_blank_lines(stream):
    raws = b"".join(frame.raw for frame in framed(SseFraming(1000), [stream]))
    wanted = stream.removeprefix(b"\xef\xbb\xbf")
    assert [line for line in raws.splitlines() if line] == [line for line in wanted.splitlines() if line]


def test_an_event_left_without_its_blank_line_is_still_an_event():
    framing = SseFraming(100)
    assert framing.feed(b"data: [DONE]\n") == []
    (frame,) = framing.end()
    assert frame == (b"data: [DONE]\n\n", "[DONE]")


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_an_event_beyond_the_limit_is_refused_however_it_comes(size):
    stream = b"data: " + b"x" * 200 + b"\n\n"
    with pytest.raises(BadMessage) as caught:
        framed(SseFraming(100), [stream[at : at + size] for at in range(0, len(stream), size)])
    assert caught.value.code == "event_too_large"


def test_invalid_utf8_is_refused():
    with pytest.raises(BadMessage):
        SseFraming(100).feed(b"data: \xff\n\n")


def test_feeding_byte_by_byte_costs_time_in_proportion():
    def cost(size):
        framing, began = SseFraming(10**7), time.process_time()
        for _ in range(size):
            framing.feed(b"x")
        return time.process_time() - began

    cost(2_000)
    assert cost(80_000) < 12 * cost(20_000) + 0.05


def test_a_written_event_cannot_be_broken_by_clients_that_split_at_unicode_line_ends():
    raw = event('{"a":"x\u2028y\u2029z\u0085"}'.encode())
    assert len(raw.decode().splitlines()) == 2
    (frame,) = SseFraming(100).feed(raw)
    assert frame.data == '{"a":"x\\u2028y\\u2029z\\u0085"}'


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        (b"data: {}\n\n", True),
        (b"data: {}\r\n\r\n", True),
        (b"event: message\nid: 12\ndata:{}\n\n", True),
        (b"data: {}\nid: 12\n\n", True),
        (b": words\ndata: {}\n\n", False),
        (b"event: some words\ndata: {}\n\n", False),
        (b"data: {\ndata: }\n\n", False),
        (b"other: x\ndata: {}\n\n", False),
    ],
)
def test_an_event_with_words_beside_its_data_is_not_plain(raw, plain):
    assert is_plain(raw) is plain


@given(st.lists(st.sampled_from(['{"a": 1}', "", "  ", "[ä]"]), max_size=6), st.integers(1, 9))
def test_lines_of_json_are_cut_at_their_ends(lines, size):
    stream = "\n".join(lines).encode()
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    frames = framed(NdjsonFraming(100), pieces)
    assert [frame.data for frame in frames] == [line for line in lines if line.strip()]
    assert all(frame.raw.endswith(b"\n") for frame in frames)


def test_a_line_beyond_the_limit_is_refused():
    framing = NdjsonFraming(10)
    with pytest.raises(BadMessage):
        for _ in range(12):
            framing.feed(b"x")
