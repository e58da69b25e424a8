"""The server's codec and the clients' codec agree, and hostile frames cost nothing."""

from __future__ import annotations

import dataclasses
import tracemalloc
import typing

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from impasto_protocol import codec
from impasto_protocol.errors import FrameTooLarge, MalformedFrame, UnknownMessage
from impasto_protocol.messages import (
    CLIENT_MESSAGES,
    SERVER_MESSAGES,
    CanvasPixels,
    CanvasRows,
    CanvasTiles,
    Hello,
    Pixels,
    ReadCanvas,
)
from impasto_protocol.rasters import PixelFormat
from impasto_server.front import typed_codec

integers = st.integers(-(2**63), 2**63 - 1)


def values(hint: typing.Any) -> st.SearchStrategy[typing.Any]:
    """Any value of a field's type."""
    plain = {int: integers, str: st.text(max_size=8), bytes: st.binary(max_size=16), bool: st.booleans()}
    if hint in plain:
        return plain[hint]
    if hint is float:
        return st.floats(allow_nan=False)
    if hint is type(None):
        return st.none()
    if dataclasses.is_dataclass(hint):
        return instances(hint)
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Union:
        return st.one_of([values(part) for part in inner])
    if origin is tuple:
        return st.lists(values(inner[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(values(inner[0]), values(inner[1]), max_size=3)
    return st.sampled_from(list(hint))


def instances(cls: type) -> st.SearchStrategy[typing.Any]:
    hints = typing.get_type_hints(cls)
    return st.builds(cls, **{field.name: values(hints[field.name]) for field in dataclasses.fields(cls)})


client_messages = st.one_of([instances(cls) for cls in CLIENT_MESSAGES.values()])
server_messages = st.one_of([instances(cls) for cls in SERVER_MESSAGES.values()])


@given(client_messages)
def test_what_a_client_writes_the_server_reads(message: typing.Any) -> None:
    assert typed_codec.decode(codec.encode(message)) == message


@given(server_messages)
def test_what_the_server_writes_a_client_reads(message: typing.Any) -> None:
    assert codec.decode_server(typed_codec.encode(message)) == message


@given(client_messages, st.dictionaries(st.text(min_size=12, max_size=20), integers, max_size=3))
def test_fields_of_a_newer_version_are_ignored(message: typing.Any, more: dict[str, int]) -> None:
    fields = msgpack.unpackb(codec.encode(message), strict_map_key=False)
    assert typed_codec.decode(msgpack.packb({**more, **fields})) == message


@given(client_messages, st.data())
def test_a_broken_frame_is_read_as_the_clients_codec_reads_it_or_refused(
    message: typing.Any, data: st.DataObject
) -> None:
    frame = bytearray(codec.encode(message))
    at = data.draw(st.integers(0, len(frame) - 1))
    frame[at] = data.draw(st.integers(0, 255))
    try:
        read = typed_codec.decode(bytes(frame))
    except (MalformedFrame, UnknownMessage):
        with pytest.raises((MalformedFrame, UnknownMessage)):
            codec.decode_client(bytes(frame))
        return
    try:
        assert _plain(read) == _plain(codec.decode_client(bytes(frame)))
    except MalformedFrame:  # the server does not look into unknown fields, not even at their names
        assert _plain(codec.decode_client(codec.encode(read))) == _plain(read)


def _plain(message: typing.Any) -> str:
    """Comparable although a byte changed may have made a float NaN, and a memoryview shows no bytes."""
    if isinstance(message, CanvasTiles):
        message = dataclasses.replace(message, data=bytes(message.data))
    if isinstance(message, CanvasRows) and message.pixels.data is not None:
        pixels = dataclasses.replace(message.pixels, data=bytes(message.pixels.data))
        message = dataclasses.replace(message, pixels=pixels)
    return repr(message)


def test_pixels_are_looked_at_where_they_lie() -> None:
    frame = codec.encode(CanvasRows("c", 1, 0, Pixels(1 << 20, 4, PixelFormat.GRAY8, bytes(4 << 20))))
    tracemalloc.start()
    message = typed_codec.decode(frame)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(message, CanvasRows)
    assert len(message.pixels.data or b"") == 4 << 20
    assert peak < 64 << 10


def test_outgoing_pixels_are_not_copied() -> None:
    picture = bytearray(4 << 20)
    reply = CanvasPixels(7, "c", 3, 0, Pixels(1 << 20, 4, PixelFormat.GRAY8, memoryview(picture)))  # type: ignore[arg-type]
    tracemalloc.start()
    head, data = typed_codec.encode_parts(reply)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 10
    picture[-1] = 9  # seen through the second part: it is the picture itself
    decoded = codec.decode_server(head + bytes(data))
    assert isinstance(decoded, CanvasPixels)
    assert decoded == dataclasses.replace(
        reply, pixels=dataclasses.replace(reply.pixels, data=bytes(picture))
    )


def test_a_picture_split_in_parts_is_the_same_message() -> None:
    reply = CanvasPixels(7, "c", 3, 0, Pixels(2, 1, PixelFormat.RGB8, b"123456"))
    head, data = typed_codec.encode_parts(reply)
    assert codec.decode_server(head + bytes(data)) == reply


HEAD = b"\xa4type\xaccanvas-tiles\xa6canvas\xa1c\xa8sequence\x01\xa8encoding\xa3raw\xa4data\xc4\x00"


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xc1",
        b"\xdf\xff\xff\xff\xff",
        b"\x86" + HEAD + b"\xa5tiles\xdd\xff\xff\xff\xff",
        b"\x86" + HEAD + b"\xa5tiles\xdd\x00\x01\x00\x01" + bytes(65_537),
        b"\x82\xa4type\xaccanvas-tiles\xa4data\xc6\xff\xff\xff\xff",
        b"\x82\xa4type\xa5hello\xa1z" + b"\x91" * 900_000,
        b"\x82\xa4type\xa5hello\xa4name\xa2\xff\xfe",
        b"\x81\xa4type\xa2\xff\xfe",
        msgpack.packb({"type": "hello", "protocol": True, "client": "a", "name": "b"}),
        msgpack.packb({"type": "read-canvas", "request": 1, "canvas": "c", "y": "0", "height": 1}),
        codec.encode(ReadCanvas(1, "c", 0, 1)) + b"\x00",
        msgpack.packb({"type": "cancel", "job": msgpack.ExtType(4, b"x")}),
    ],
)
def test_a_frame_of_the_wrong_shape_is_refused_before_anything_is_made_of_it(frame: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(MalformedFrame):
        typed_codec.decode(frame)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 256 << 10


def test_a_refusal_quotes_no_more_than_a_little_of_the_frame() -> None:
    frame = msgpack.packb({"type": "hello", "protocol": "1", "x" * 10_000: 1, "client": "c", "name": "n"})
    with pytest.raises(MalformedFrame) as refused:
        typed_codec.decode(frame)
    assert len(refused.value.sentence) < 400


def test_an_unknown_type_is_told_apart_and_its_target_found() -> None:
    frame = msgpack.packb({"type": "paint-mesh", "request": 12, "mesh": [1, 2]})
    with pytest.raises(UnknownMessage, match="paint-mesh"):
        typed_codec.decode(frame)
    assert typed_codec.target(frame).request == 12


def test_only_pixels_may_be_long() -> None:
    long = "x" * typed_codec.CONTROL_BYTES
    with pytest.raises(FrameTooLarge):
        typed_codec.decode(codec.encode(Hello(1, "c", long)))
    rows = CanvasRows("c", 1, 0, Pixels(1, 1, PixelFormat.GRAY8, bytes(2 * typed_codec.CONTROL_BYTES)))
    assert typed_codec.decode(codec.encode(rows)) == rows
