"""What a stream is made of: events that are no reply are errors, whatever their size or depth."""

import pytest

from chatd.backends import sse
from chatd.backends.http import client
from chatd.backends.reply import Reply


def test_an_event_of_many_lines_has_the_limit_of_one() -> None:
    parser = sse.Parser()
    line = b"data: " + b"x" * 2**20 + b"\n"
    with pytest.raises(sse.EventTooLong):
        for _ in range(sse.EVENT_BYTES // 2**20 + 1):
            assert not parser.feed(line)


def test_an_event_that_is_nested_too_deeply_is_an_error() -> None:
    taken: list[object] = []
    reply = Reply("deep", taken.append)
    with pytest.raises(RecursionError):
        reply.feed(b'data: {"error":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n\n")
    assert not taken


async def test_a_stream_is_asked_for_as_it_is() -> None:
    async with client(connect_s=1, unix_socket=None, check=None) as http:
        assert http.headers["Accept-Encoding"] == "identity"
