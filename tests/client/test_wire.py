"""The client's side of the WebSocket, without a socket: bytes in, messages out."""

from __future__ import annotations

import random
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from impasto_client.wire import Wire, mask
from impasto_protocol.codec import decode_client, encode
from impasto_protocol.errors import (
    FrameTooLarge,
    ImpastoError,
    MalformedFrame,
    ServerUnreachable,
    Unauthorized,
)
from impasto_protocol.messages import CanvasAck, CanvasTiles, JobProgress, Pixels, Release
from impasto_protocol.rasters import PixelFormat
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    Pong,
    RejectConnection,
    Request,
    TextMessage,
)


def feed(wire: Wire, data: bytes, sizes: random.Random | None = None) -> list[Any]:
    """Hands bytes over in pieces as a socket might."""
    messages: list[Any] = []
    while data:
        space = wire.space()
        count = min(len(space), len(data))
        if sizes is not None:
            count = min(count, sizes.choice((1, 2, 7, 1000, 300_000)))
        space[:count] = data[:count]
        del space
        data = data[count:]
        messages += [owned(message) for message in wire.received(count)]
    return messages


def owned(message: Any) -> Any:
    """With pixels of its own: large ones are views, good until the next bytes come."""
    if isinstance(message, JobProgress) and message.preview is not None:
        data = message.preview.data
        assert isinstance(data, bytes) or len(data) >= 65536
        return replace(message, preview=replace(message.preview, data=bytes(data)))
    return message


def pair(**options: int) -> tuple[Wire, WSConnection]:
    """A client and a server after the upgrade."""
    wire, server = Wire("127.0.0.1", 8641, "ab" * 32, **options), WSConnection(ConnectionType.SERVER)
    server.receive_data(wire.opening())
    assert isinstance(next(server.events()), Request)
    assert feed(wire, server.send(AcceptConnection())) == []
    assert wire.open
    return wire, server


def progress(size: int) -> JobProgress:
    return JobProgress(
        "j", "sampling", preview=Pixels(1, 1, PixelFormat.RGB8, random.Random(size).randbytes(size))
    )


def test_the_upgrade_carries_host_and_bearer_token() -> None:
    server = WSConnection(ConnectionType.SERVER)
    server.receive_data(Wire("::1", 8641, "ab" * 32).opening())
    request = next(server.events())
    assert isinstance(request, Request)
    assert (request.host, request.target) == ("[::1]:8641", "/v1")
    assert (b"authorization", b"Bearer " + b"ab" * 32) in request.extra_headers


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, Unauthorized), (403, Unauthorized), (421, Unauthorized), (503, ServerUnreachable)],
)
def test_a_refused_upgrade_says_why(status: int, error: type[ImpastoError]) -> None:
    wire, server = Wire("127.0.0.1", 8641, "ab"), WSConnection(ConnectionType.SERVER)
    server.receive_data(wire.opening())
    with pytest.raises(error):
        feed(wire, server.send(RejectConnection(status_code=status)))


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 20000])
def test_something_that_is_no_server_is_noticed(answer: bytes) -> None:
    wire = Wire("127.0.0.1", 22, "ab")
    wire.opening()
    with pytest.raises((ServerUnreachable, MalformedFrame), match=r"no Impasto server|refused"):
        feed(wire, answer)


def test_frames_right_behind_the_upgrade_are_not_lost() -> None:
    wire, server = Wire("127.0.0.1", 8641, "ab"), WSConnection(ConnectionType.SERVER)
    server.receive_data(wire.opening())
    data = server.send(AcceptConnection()) + server.send(BytesMessage(data=encode(CanvasAck("c", 1))))
    assert feed(wire, data) == [CanvasAck("c", 1)]


@given(
    st.lists(st.sampled_from([0, 50, 126, 70_000, 300_000, 9_000_000]), min_size=1, max_size=4),
    st.integers(0, 2**32),
)
@settings(max_examples=25, deadline=None)
def test_messages_of_all_sizes_arrive_however_the_bytes_are_cut(sizes: list[int], seed: int) -> None:
    wire, server = pair()
    messages = [progress(size) for size in sizes]
    data = b"".join(server.send(BytesMessage(data=encode(message))) for message in messages)
    assert feed(wire, data, random.Random(seed) if len(data) < 1_000_000 else None) == messages


@given(st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_fragments_are_joined_and_pings_between_them_answered(seed: int) -> None:
    wire, server = pair()
    chance = random.Random(seed)
    payload, data = encode(progress(400_000)), b""
    while payload:
        size = chance.choice((1, 100, 70_000, 500_000))
        piece, payload = payload[:size], payload[size:]
        data += server.send(BytesMessage(data=piece, message_finished=not payload))
        data += server.send(Ping(payload=b"there?"))
    assert feed(wire, data, chance) == [progress(400_000)]
    server.receive_data(wire.due())
    assert {type(event) for event in server.events()} == {Pong}


def test_a_message_longer_than_agreed_is_refused_at_its_head() -> None:
    wire, server = pair(frame_bytes=1000)
    with pytest.raises(FrameTooLarge):
        feed(wire, server.send(BytesMessage(data=bytes(1001)))[:10])


def test_a_head_that_lies_about_its_length_takes_no_memory() -> None:
    wire, _ = pair()
    feed(wire, b"\x82\x7f" + (120 << 20).to_bytes(8, "big") + b"x" * 100)
    assert len(wire._payload) <= 8 << 20


def test_fragments_together_may_not_be_longer_either() -> None:
    wire, server = pair(frame_bytes=1000)
    data = server.send(BytesMessage(data=bytes(600), message_finished=False))
    with pytest.raises(FrameTooLarge):
        feed(wire, data + server.send(BytesMessage(data=bytes(600))))


@pytest.mark.parametrize(
    "frame",
    [
        b"\x82\x81abcdx",  # masked
        b"\xc2\x00",  # a reserved bit
        b"\x80\x01x",  # a continuation of nothing
        b"\x02\x01x\x82\x01x",  # a new message within a fragmented one
        b"\x89\x7e\x00\xff",  # a ping that is too long
        b"\x82\x01\xc1",  # no message of ours
    ],
)
def test_what_breaks_the_protocol_is_refused(frame: bytes) -> None:
    wire, _ = pair()
    with pytest.raises(MalformedFrame):
        feed(wire, frame)


def test_text_is_refused() -> None:
    wire, server = pair()
    with pytest.raises(MalformedFrame):
        feed(wire, server.send(TextMessage(data="hello")))


def test_a_message_of_a_newer_server_is_passed_over() -> None:
    wire, server = pair()
    data = server.send(BytesMessage(data=b"\x81\xa4type\xa6newest"))
    assert feed(wire, data + server.send(BytesMessage(data=encode(CanvasAck("c", 2))))) == [CanvasAck("c", 2)]


def test_the_end_of_the_stream_is_an_error_also_within_a_frame() -> None:
    wire, server = pair()
    feed(wire, server.send(BytesMessage(data=encode(progress(400_000))))[:300_000])
    with pytest.raises(ServerUnreachable):
        wire.received(0)


def test_a_close_is_answered_and_nothing_is_read_after_it() -> None:
    wire, server = pair()
    data = server.send(CloseConnection(code=1001))
    assert feed(wire, data + b"\x82\x01\xc1") == []
    assert wire.closed
    server.receive_data(wire.due())
    assert [event.code for event in server.events() if isinstance(event, CloseConnection)] == [1001]


@pytest.mark.parametrize("size", [0, 1, 100, 126, 65_535, 65_536, 65_537, 200_003])
@pytest.mark.parametrize("with_numpy", [True, False])
def test_the_server_unmasks_what_was_masked(
    size: int, with_numpy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy

    monkeypatch.setitem(sys.modules, "numpy", numpy if with_numpy else None)
    wire, server = pair()
    message = CanvasTiles("c", 1, (1,), "raw", random.Random(1).randbytes(size))
    server.receive_data(wire.frame(message))
    payload = b"".join(event.data for event in server.events() if isinstance(event, BytesMessage))
    assert decode_client(payload) == message


def test_every_frame_has_a_key_of_its_own() -> None:
    wire, _ = pair()
    frames = {wire.frame(Release("x")) for _ in range(20)}
    assert len(frames) == 20


def test_masking_twice_gives_the_data_back() -> None:
    data = random.Random(2).randbytes(150_001)
    assert b"".join(mask(b"".join(mask(data, b"abcd")), b"abcd")) == data
