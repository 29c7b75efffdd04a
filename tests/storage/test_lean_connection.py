"""The reading of answers: whole ones in pieces of any size, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable.storage.azure.lean.connection import (
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    Answer,
    HttpConnection,
    NoAnswer,
)

HEAD = b"HTTP/1.1 200 OK\r\nETag: abc \r\nX-Empty:\r\n"
PLAIN = HEAD + b"Content-Length: 11\r\n\r\nhello world"
CHUNKED = (
    HEAD + b"Transfer-Encoding: Chunked\r\n\r\n5;a=b\r\nhello\r\n6 \r\n world\r\n0\r\nX: y\r\n\r\n"
)
WITHOUT_BODY = b"HTTP/1.1 204 No Content\r\nx-ms-popreceipt: p\r\n\r\n"


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.unsent = 0
        self.closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return self.closing

    def abort(self) -> None:
        self.closing = True


async def _exchange(pieces: Sequence[bytes], *, unsent: int = 0) -> tuple[Answer, HttpConnection]:
    """The answer to one request when these pieces arrive and then the connection ends."""
    connection, wire = HttpConnection(), Wire()
    wire.unsent = unsent
    connection.connection_made(wire)
    asked = asyncio.create_task(connection.exchange(b"request"))
    await asyncio.sleep(0)
    assert wire.written == b"request"
    for piece in pieces:
        if not wire.closing:
            connection.data_received(piece)
    if not asked.done():
        await asyncio.sleep(0)
    usable = connection.reusable
    if not usable:
        connection.connection_lost(None)
    try:
        async with asyncio.timeout(5):
            return await asked, connection
    finally:
        assert usable == (asked.exception() is None and connection.reusable)


def _answer(*pieces: bytes) -> Answer:
    return asyncio.run(_exchange(pieces))[0]


@given(st.sampled_from([PLAIN, CHUNKED]), st.sets(st.integers(1, len(CHUNKED) - 1)))
def test_an_answer_may_come_in_any_pieces(whole: bytes, cuts: set[int]) -> None:
    bounds = [0, *sorted(cut for cut in cuts if cut < len(whole)), len(whole)]
    pieces = [whole[start:end] for start, end in itertools.pairwise(bounds)]
    answer = _answer(*pieces)
    assert answer.status == 200
    assert answer.headers["etag"] == "abc"
    assert answer.headers["x-empty"] == ""
    assert answer.body == b"hello world"


def test_no_content_needs_no_length() -> None:
    answer = _answer(WITHOUT_BODY)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["x-ms-popreceipt"] == "p"


@pytest.mark.parametrize(
    ("answer", "unsent", "reusable"),
    [
        (PLAIN, 0, True),
        (CHUNKED, 0, True),
        (PLAIN, 1, False),
        (PLAIN + b"H", 0, False),
        (PLAIN.replace(b"X-Empty:", b"Connection: keep-alive"), 0, True),
        (PLAIN.replace(b"X-Empty:", b"Connection: Close"), 0, False),
        (PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0"), 0, False),
    ],
)
async def test_after_which_answers_a_connection_is_used_again(
    answer: bytes, unsent: int, reusable: bool
) -> None:
    found, connection = await _exchange([answer], unsent=unsent)
    assert found.body == b"hello world"
    assert connection.reusable is reusable


MALFORMED = {
    "nothing": b"",
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "an empty line first": b"\r\n\r\n" + PLAIN,
    "HTTP/2": PLAIN.replace(b"1.1", b"2.0"),
    "no status": b"HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n",
    "status 1000": PLAIN.replace(b"200", b"1000"),
    "100 Continue": b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN,
    "a header without a colon": HEAD + b"Content-Length 0\r\n\r\n",
    "a folded header": HEAD + b"Content-Length: 0\r\n folded: x\r\n\r\n",
    "a nameless header": HEAD + b"Content-Length: 0\r\n: x\r\n\r\n",
    "a space before the colon": HEAD + b"Content-Length : 0\r\n\r\n",
    "a head without end": b"HTTP/1.1 200 OK\r\nX: " + b"a" * MAX_HEAD_BYTES,
    "a huge head": HEAD + b"Content-Length: 0\r\nX: " + b"a" * MAX_HEAD_BYTES + b"\r\n\r\n",
    "no length": HEAD + b"\r\nhello",
    "a negative length": HEAD + b"Content-Length: -1\r\n\r\n",
    "a signed length": HEAD + b"Content-Length: +5\r\n\r\nhello",
    "a length in other digits": HEAD + b"Content-Length: \xb2\r\n\r\nhello",
    "two lengths": HEAD + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "two lengths in one": HEAD + b"Content-Length: 5, 5\r\n\r\nhello",
    "length and chunks": HEAD
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "another coding": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "too long a body": HEAD + f"Content-Length: {MAX_BODY_BYTES + 1}\r\n\r\n".encode(),
    "an endless length": HEAD + b"Content-Length: " + b"9" * 50 + b"\r\n\r\n",
    "cut short": PLAIN[:-1],
    "cut in the head": PLAIN[:30],
    "chunks cut short": CHUNKED[:-1],
    "a chunk without size": CHUNKED.replace(b"5;a=b", b"zz"),
    "a negative chunk": CHUNKED.replace(b"5;a=b", b"-5"),
    "a chunk in other digits": CHUNKED.replace(b"5;a=b", b"0x5"),
    "a chunk longer than it says": CHUNKED.replace(b"5;a=b", b"4"),
    "a huge chunk": CHUNKED.replace(b"5;a=b", b"ffffffff"),
    "a chunk size without end": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5;" + b"a" * 2000,
    "trailers without end": CHUNKED[:-2] + b"z" * (MAX_HEAD_BYTES + 1),
}


@pytest.mark.parametrize("answer", MALFORMED.values(), ids=MALFORMED.keys())
def test_anything_else_is_no_answer(answer: bytes) -> None:
    with pytest.raises(NoAnswer):
        _answer(answer)


@given(
    st.sampled_from([PLAIN, CHUNKED, WITHOUT_BODY]),
    st.lists(st.tuples(st.integers(0, len(CHUNKED)), st.binary(max_size=4)), max_size=4),
)
def test_what_is_garbled_is_an_answer_or_none(
    whole: bytes, changes: list[tuple[int, bytes]]
) -> None:
    for at, inserted in changes:
        whole = whole[:at] + inserted + whole[at + 1 :]
    with contextlib.suppress(NoAnswer):
        assert isinstance(_answer(whole).status, int)


async def test_a_cancelled_request_ends_its_connection() -> None:
    connection, wire = HttpConnection(), Wire()
    connection.connection_made(wire)
    asked = asyncio.create_task(connection.exchange(b"request"))
    await asyncio.sleep(0)
    connection.data_received(PLAIN[:40])
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert wire.closing
    with pytest.raises(NoAnswer, match="before the request was sent"):
        await connection.exchange(b"another")
    assert wire.written == b"request"


async def test_what_was_not_asked_for_ends_the_connection() -> None:
    _, connection = await _exchange([PLAIN])
    assert connection.reusable
    connection.data_received(PLAIN)
    assert not connection.reusable


async def test_a_connection_that_ended_while_idle_is_not_used() -> None:
    _, connection = await _exchange([PLAIN])
    connection.connection_lost(None)
    assert not connection.reusable
    assert connection.lost.done()
