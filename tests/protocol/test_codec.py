"""Frames are read as they were written; what is no message is refused, cheaply."""

from __future__ import annotations

import random
import tracemalloc
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from impasto_protocol.codec import decode_client, decode_server, encode
from impasto_protocol.errors import BadValue, FrameError, MalformedFrame, UnknownMessage
from impasto_protocol.messages import (
    Cancel,
    CanvasAck,
    CanvasRef,
    CanvasTiles,
    GenerateRequest,
    InputRef,
    JobProgress,
    Pixels,
    Release,
    Submit,
)
from impasto_protocol.rasters import PixelFormat

from tests.protocol.messages import CLIENT, SERVER


@given(CLIENT)
def test_a_client_message_comes_back_equal(message: Any) -> None:
    assert decode_client(encode(message)) == message


@given(SERVER)
def test_a_server_message_comes_back_equal(message: Any) -> None:
    assert decode_server(encode(message)) == message


@given(CLIENT)
def test_a_frame_is_one_msgpack_map_with_its_type(message: Any) -> None:
    fields = msgpack.unpackb(encode(message), strict_map_key=True)
    assert fields["type"] == message.type


@given(CLIENT)
def test_frames_of_the_msgpack_library_are_read_too(message: Any) -> None:
    fields = msgpack.unpackb(encode(message))
    keys = list(fields)
    random.Random(1).shuffle(keys)
    assert decode_client(msgpack.packb({key: fields[key] for key in keys})) == message


def test_a_field_that_may_be_either_reference_is_told_by_its_tag() -> None:
    submit = Submit(
        "a" * 32,
        GenerateRequest("x", image=CanvasRef("c", 2), mask=InputRef("d" * 64, 2, 1, PixelFormat.GRAY8)),
    )
    assert decode_client(encode(submit)) == submit


def test_unknown_fields_are_passed_over_however_deep() -> None:
    deep: Any = {"a": [1, {"b": [None, -5, 1.5, "x", b"y" * 300, {}]}] * 20}
    frame = msgpack.packb({"later": deep, "job": "j", "type": "cancel", "more": "z" * 70000})
    assert decode_client(frame) == Cancel("j")


def test_a_frame_of_unknown_things_is_not_walked_through_for_ever() -> None:
    frame = msgpack.packb({"type": "cancel", "job": "j", "later": [[0] * 100] * 100})
    with pytest.raises(MalformedFrame, match="does not know"):
        decode_client(frame)


def test_a_missing_field_takes_its_default() -> None:
    frame = msgpack.packb({"type": "submit", "job": "j", "generate": {"prompt": "x"}})
    assert decode_client(frame) == Submit("j", GenerateRequest("x"))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"type": "cancel"}, "lacks job"),
        ({"job": "j"}, "lacks its type"),
        ({"type": "cancel", "job": 3}, "text belongs"),
        ({"type": "cancel", "job": None}, "text belongs"),
        ({"type": "cancel", "job": b"j"}, "text belongs"),
        ({"type": "list-jobs", "request": "1"}, "whole number"),
        ({"type": "list-jobs", "request": 1.0}, "whole number"),
        ({"type": "list-jobs", "request": True}, "whole number"),
        ({"type": "hello", "protocol": 1, "client": "", "name": "", "shared_memory": 1}, "true or false"),
        ({"type": "open-canvas", "canvas": "c", "width": 1, "height": 1, "format": "cmyk8"}, "cmyk8"),
        (
            {"type": "submit", "job": "j", "generate": {"prompt": "x", "image": {"canvas": "c"}}},
            "lacks its type",
        ),
        ({"type": "submit", "job": "j", "generate": [1]}, "map belongs"),
        ({"type": "cancel", "job": "j", "later": msgpack.ExtType(5, b"x")}, "known kind"),
        ({"type": "cancel", "job": msgpack.ExtType(5, b"x")}, "text belongs"),
    ],
)
def test_a_message_of_the_wrong_shape_is_refused(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(MalformedFrame, match=reason):
        decode_client(msgpack.packb(fields))


def test_an_unknown_type_has_an_error_of_its_own() -> None:
    with pytest.raises(UnknownMessage, match="paint-video"):
        decode_client(msgpack.packb({"type": "paint-video"}))
    with pytest.raises(UnknownMessage):
        decode_server(encode(Cancel("j")))


@pytest.mark.parametrize("frame", [b"", b"\xc1", b"\x81", b"\x90", b"\xdf\xff\xff\xff\xff", b"\x81\xa4type"])
def test_what_is_no_message_is_refused(frame: bytes) -> None:
    with pytest.raises(MalformedFrame):
        decode_client(frame)


def test_bytes_after_the_end_are_refused() -> None:
    with pytest.raises(MalformedFrame, match="after the end"):
        decode_client(encode(Cancel("j")) + b"\0")


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_random_bytes_raise_frame_errors_only(frame: bytes) -> None:
    for decode in (decode_client, decode_server):
        with pytest.raises(FrameError):
            decode(frame)


@given(CLIENT, st.randoms(use_true_random=False))
@settings(max_examples=300)
def test_mutated_frames_raise_frame_errors_only(message: Any, chance: random.Random) -> None:
    frame = bytearray(encode(message))
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(frame))
        action = chance.randrange(3)
        if action == 0:
            frame[at] = chance.randrange(256)
        elif action == 1:
            del frame[at:]
            frame.append(0xC0)
        else:
            frame[at:at] = chance.randbytes(3)
    try:
        decode_client(bytes(frame))
    except FrameError:
        pass


@pytest.mark.parametrize(
    "frame",
    [
        b"\x82\xa4type\xa6cancel\xa1x\xdd\x00\x4c\x4b\x40" + b"\x90" * 5_000_000,  # an unknown field
        b"\x82\xa4type\xacjob-progress\xa3job\xdd\x00\x4c\x4b\x40" + b"\x90" * 5_000_000,
        b"\x82\xa4type\xaccanvas-tiles\xa5tiles\xdd\x00\x4c\x4b\x40" + b"\x01" * 5_000_000,
        b"\x82\xa4type\xaccanvas-tiles\xa4data\xc6\xff\xff\xff\xff",
        b"\x82\xa4type\xa6cancel\xa1x" + b"\x91" * 100_000 + b"\xc0",  # deep, not wide
    ],
)
def test_a_bomb_is_refused_before_anything_is_made_of_it(frame: bytes) -> None:
    tracemalloc.start()
    try:
        for decode in (decode_client, decode_server):
            with pytest.raises(FrameError):
                decode(frame)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_the_bytes_of_a_picture_are_copied_once_each_way() -> None:
    data = bytes(8 << 20)
    message = JobProgress("j", "sampling", preview=Pixels(1, 1, PixelFormat.RGB8, data=data))
    tracemalloc.start()
    try:
        frame = encode(message)
        assert tracemalloc.get_traced_memory()[1] < 8.5 * (1 << 20)
        tracemalloc.reset_peak()
        decode_server(frame)
        assert tracemalloc.get_traced_memory()[1] < 16.5 * (1 << 20)  # the frame itself and one copy
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1])
def test_a_number_beyond_64_bits_is_refused_when_written(number: int) -> None:
    with pytest.raises(BadValue):
        encode(CanvasAck("c", number))


def test_a_broken_character_is_refused_when_written() -> None:
    with pytest.raises(BadValue):
        encode(Release("\ud800"))


def test_views_can_be_sent_without_a_copy_first() -> None:
    data = bytearray(b"abcdef")
    frame = encode(CanvasTiles("c", 1, (), "raw", memoryview(data)[1:3]))  # type: ignore[arg-type]
    assert decode_client(frame) == CanvasTiles("c", 1, (), "raw", b"bc")
